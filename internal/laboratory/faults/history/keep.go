package history

import (
	"compress/gzip"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A Run is all that a checker needs to judge a workload of a drill again.
type Run struct {
	Drill, Way string
	Round      int
	Keys       int       // that order is kept for, or 0: for each partition
	UpTo       time.Time // what was acknowledged until then should have been worked on
	Entries    []Entry   // in the order of time
	Log        []Found
}

// columns is a Run as it is kept: entries by column, and each number as the difference to the
// one before, which makes it short.
type columns struct {
	Run
	Kinds                               []byte
	Numbers, Partitions, Offsets, Times []int64
	LogNumbers, LogPartitions, LogOffs  []int64
}

// Save writes a run, compressed. Its times are kept in microseconds.
func (r Run) Save(path string) (err error) {
	c := columns{Run: r}
	c.Entries, c.Log = nil, nil
	for _, e := range r.Entries {
		c.Kinds = append(c.Kinds, byte(e.Kind))
		c.Numbers = append(c.Numbers, int64(e.Number))
		c.Partitions = append(c.Partitions, int64(e.Partition))
		c.Offsets = append(c.Offsets, e.Offset)
		c.Times = append(c.Times, e.At.UnixMicro())
	}
	for _, f := range r.Log {
		c.LogNumbers = append(c.LogNumbers, int64(f.Number))
		c.LogPartitions = append(c.LogPartitions, int64(f.Partition))
		c.LogOffs = append(c.LogOffs, f.Offset)
	}
	for _, column := range c.numbers() {
		for i := len(column) - 1; i > 0; i-- {
			column[i] -= column[i-1]
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("keeping a history: %w", err)
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("keeping a history: %w", err)
	}
	packed, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err == nil {
		err = errors.Join(gob.NewEncoder(packed).Encode(c), packed.Close())
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keeping a history: %w", err)
	}
	return nil
}

func (c columns) numbers() [][]int64 {
	return [][]int64{
		c.Numbers, c.Partitions, c.Offsets, c.Times, c.LogNumbers, c.LogPartitions, c.LogOffs,
	}
}

// Load reads a run that was kept.
func Load(path string) (Run, error) {
	file, err := os.Open(path)
	if err != nil {
		return Run{}, fmt.Errorf("reading a history: %w", err)
	}
	defer file.Close()
	var c columns
	packed, err := gzip.NewReader(file)
	if err == nil {
		err = gob.NewDecoder(packed).Decode(&c)
	}
	if err != nil {
		return Run{}, fmt.Errorf("reading the history %s: %w", path, err)
	}
	for _, column := range c.numbers() {
		for i := 1; i < len(column); i++ {
			column[i] += column[i-1]
		}
	}
	for i, kind := range c.Kinds {
		c.Entries = append(c.Entries, Entry{
			Kind: Kind(kind), Number: int(c.Numbers[i]), Partition: int32(c.Partitions[i]),
			Offset: c.Offsets[i], At: time.UnixMicro(c.Times[i]),
		})
	}
	for i, n := range c.LogNumbers {
		c.Log = append(c.Log, Found{Number: int(n), Partition: int32(c.LogPartitions[i]), Offset: c.LogOffs[i]})
	}
	return c.Run, nil
}
