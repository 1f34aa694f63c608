package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// A folder is the data folder of a cluster that runs. kfake reads and writes its
// files; this type sees to it that nobody else does, and that kfake finds them
// whole (repair.go).
type folder struct {
	dir  string
	lock *flock.Flock
	warn func(format string, args ...any)

	// starts says where the log of a partition starts, for partitions where
	// kfake's own files don't say it.
	starts map[partitionKey]int64

	// open says which transactions a killed cluster left open in a partition, by the
	// ids of their producers, with the epoch of each.
	open map[partitionKey]map[int64]int16
}

type partitionKey struct {
	topic     string
	partition int32
}

// The names of files in a data folder. The lock is ours, the others are kfake's.
const (
	lockName   = "cluster.lock"
	metaName   = "meta.json"
	topicsName = "topics.json"
	partsName  = "partitions"
)

// openFolder makes a folder ready for a cluster. It returns an error, in a
// sentence that says what to do, if it can't be used.
func openFolder(dir string, warn func(string, ...any)) (*folder, error) {
	const instead = "name a new or an empty folder instead, for example -data kafka-data"
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("the records can't be kept in %s, which is a file and no folder: %s", dir, instead)
	case errors.Is(err, fs.ErrNotExist):
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("the folder %s can't be made (%w): %s", dir, withoutPath(err), instead)
	}
	strangers, err := strangersIn(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder %s can't be read (%w): %s", dir, withoutPath(err), instead)
	}
	if len(strangers) > 0 {
		return nil, fmt.Errorf("the folder %s holds something else than the records of a cluster (%s): %s", dir, strings.Join(strangers, ", "), instead)
	}

	f := &folder{
		dir:    dir,
		warn:   warn,
		lock:   flock.New(filepath.Join(dir, lockName)),
		starts: make(map[partitionKey]int64),
		open:   make(map[partitionKey]map[int64]int16),
	}
	locked, err := f.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the folder %s can't be written (%w): change its permissions, or %s", dir, withoutPath(err), instead)
	}
	if !locked {
		return nil, fmt.Errorf("another cluster%s keeps its records in the folder %s: end that cluster (Ctrl-C in its terminal), or %s", f.holder(), dir, instead)
	}
	// Who has the folder is only told to the person who wants it too.
	_ = os.WriteFile(f.lock.Path(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	if err := f.repair(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// close lets another cluster have the folder.
func (f *folder) close() {
	if err := f.lock.Unlock(); err != nil {
		f.warn("The folder %s is still locked: %v.", f.dir, err)
	}
}

// holder returns " (process 123)", for the process that has the folder.
func (f *folder) holder() string {
	text, err := os.ReadFile(f.lock.Path())
	if err != nil {
		return "" // Windows doesn't let anybody read it.
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// strangersIn returns the names of some files of a folder if it isn't the data
// folder of a cluster.
func strangersIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Name() == lockName || e.Name() == metaName && readable(dir, metaName, "cluster_id") ||
			e.Name() == topicsName && readable(dir, topicsName, "topics") {
			return nil, nil
		}
		if e.Name() == ".DS_Store" || e.Name() == "lost+found" {
			continue // What macOS and a new disk put into an empty folder.
		}
		names = append(names, e.Name())
	}
	const some = 3
	if len(names) > some {
		names = append(names[:some], fmt.Sprintf("and %d more", len(names)-some))
	}
	return names, nil
}

// readable tells whether a file is JSON with a version and a key.
func readable(dir, name, key string) bool {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return false
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return false
	}
	return fields["version"] != nil && fields[key] != nil
}

// withoutPath returns what the operating system says, without the operation and the
// path, which the sentence around it names.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// partition returns where kfake keeps a partition.
func (f *folder) partition(topic string, partition int32) string {
	return filepath.Join(f.dir, partsName, fmt.Sprintf("%s-%d", url.PathEscape(topic), partition))
}

// A logStart is what the file start.json of a partition says: where its log
// starts since records were removed, and how far it went then. kfake notes both
// only when it ends in good order, and forgets both when no record is left.
type logStart struct {
	LogStartOffset int64 `json:"log_start_offset"`
	HighWatermark  int64 `json:"high_watermark"`
}

const startName = "start.json"

// saveStart writes where the log of a partition starts from now on.
func (f *folder) saveStart(topic string, partition int32, start, end int64) error {
	dir := f.partition(topic, partition)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil // Nothing was ever written.
	}
	return writeJSON(filepath.Join(dir, startName), logStart{start, end})
}

// batches returns how many batches a partition has: its index files have an
// entry for each.
func (f *folder) batches(p stored) int64 {
	entries, err := os.ReadDir(f.partition(p.topic, p.Partition))
	if err != nil {
		return 0
	}
	var bytes int64
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".idx") {
			continue
		}
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
	}
	return bytes / indexEntry
}

// writeJSON writes a file such that it is there whole or not at all.
func writeJSON(path string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return writeFile(path, text)
}

func writeFile(path string, content []byte) error {
	if err := os.WriteFile(path+".tmp", content, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
