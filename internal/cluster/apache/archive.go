package apache

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A JVM that finds Kafka's classes in an archive, parsed and checked, starts in two
// thirds of the time. The official image has such an archive; here the first cluster
// of a machine records one: broker 1 writes down the classes that it used when it
// ends in good order, and Close keeps that for all later brokers and tools. A JVM
// checks that an archive was made by itself from the same jars, and does without
// otherwise; where no archive can be kept, everything works, only more slowly.

// trainee is the broker whose classes are recorded.
const trainee = 1

// archivePath returns where the archive for this Java and these jars belongs.
func (i installation) archivePath() (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, i.java, i.version)
	for _, jar := range strings.Split(i.classpath, string(os.PathListSeparator)) {
		info, err := os.Stat(jar)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(hash, jar, info.Size(), info.ModTime().UnixNano())
	}
	return filepath.Join(dir, fmt.Sprintf("kafka-%s-%x.jsa", Version, hash.Sum(nil)[:8])), nil
}

// sharedArchive returns the flags that make a JVM use the archive, if there is one.
func (i installation) sharedArchive() []string {
	path, err := i.archivePath()
	if err != nil {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return []string{"-XX:SharedArchiveFile=" + path}
}

// recordArchive returns the flags that make a JVM record an archive when it ends. Its
// remarks about classes that can't be archived would only hide the broker's log.
func recordArchive(recording string) []string {
	return []string{"-XX:ArchiveClassesAtExit=" + recording, "-Xlog:cds=error", "-Xlog:cds+dynamic=error"}
}

// newRecording returns where the trainee of this cluster records an archive: beside
// its final place and under a name of its own. It is "" when there is an archive
// already or none can be kept.
func (c *Cluster) newRecording() string {
	path, err := c.java.archivePath()
	if err != nil {
		return ""
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		return ""
	}
	return path + "." + filepath.Base(c.dir)
}

// finishTraining ends the broker whose classes are recorded, if there is one, and puts
// the archive in its place. A broker ends in good order only while the others live.
// What goes wrong here makes no later start fail.
func (c *Cluster) finishTraining() {
	isDown := func(b *broker) bool { return b.running() == nil }
	if !c.served || slices.ContainsFunc(c.brokers, isDown) {
		return
	}
	for _, b := range c.brokers {
		if b.recording == "" {
			continue
		}
		if err := errors.Join(b.stop(), c.keepArchive(b.recording)); err != nil {
			c.logf("no archive of Kafka's classes is kept: %v", err)
		}
	}
}

func (c *Cluster) keepArchive(recording string) error {
	path, err := c.java.archivePath()
	if err != nil {
		return err
	}
	return os.Rename(recording, path)
}
