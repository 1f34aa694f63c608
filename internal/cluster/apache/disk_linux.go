package apache

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// FillDisk makes the writes of broker n fail as on a full disk, for as long as its
// process lives: no file of it may grow beyond the size that the largest file of
// records has. It needs no rights and no disk of its own. (What the broker is told
// is "File too large" instead of "No space left on device"; to Kafka both are an
// I/O error of its log folder.) StartBroker, after it died of that, gives it room again.
func (c *Cluster) FillDisk(n int) error {
	b, err := c.broker(n)
	if err != nil {
		return err
	}
	p := b.running()
	if p == nil {
		return b.notRunning("filling the disk of")
	}
	largest, err := largestLog(b.dataDir())
	if err != nil {
		return fmt.Errorf("filling the disk of broker %d: %w", n, err)
	}
	limit := unix.Rlimit{Cur: uint64(largest), Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(p.PID(), unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		return fmt.Errorf("filling the disk of broker %d: %w", n, err)
	}
	c.logf("broker %d has a full disk: no file may grow beyond %d bytes", n, largest)
	return nil
}

// largestLog returns the size of the largest file of records, Kafka's own topics left out.
func largestLog(dir string) (int64, error) {
	var largest int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".log") || strings.HasPrefix(filepath.Base(filepath.Dir(path)), "__") {
			return nil // What is deleted meanwhile doesn't count.
		}
		if info, err := d.Info(); err == nil {
			largest = max(largest, info.Size())
		}
		return nil
	})
	if err == nil && largest == 0 {
		err = fmt.Errorf("there are no records in %s", dir)
	}
	return largest, err
}
