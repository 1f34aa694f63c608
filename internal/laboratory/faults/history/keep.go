package history

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A Run is all that a checker needs to judge a workload of a drill.
type Run struct {
	Drill, Way string
	Round      int
	Writes     bool      // the one who writes is under test, and not a group
	Keys       int       // that order is kept for, or 0: for each partition
	UpTo       time.Time // what was acknowledged until then should have been worked on
	Entries    []Entry   // in the order of time
	Log        []Found
}

// tick is how exactly times are kept. A run takes a tenth of the room then that it takes
// with milliseconds, and stalls are told in tenths of a second.
const tick = 100 * time.Millisecond

// A Line is a Run as it is kept: a line of JSON in a file that zstd has compressed, so that
// `zstdcat FILE | jq` shows it.
//
// Of what the checker doesn't look at, nothing is kept: where the records of a producer lie, if
// no consumer worked on them, and which other keys' records lie between those of one key. Each
// number is the difference to the one before it, an offset to the one before it in the same
// partition, and entries of the same kind and tick go by the records' numbers: so the file is short.
type Line struct {
	Drill, Way  string
	Round, Keys int
	Writes      bool  `json:",omitempty"`
	UpTo        int64 // in ticks
	Entries     map[Kind]columns
	Log         columns
}

type columns struct {
	Ticks, Numbers, Partitions, Offsets []int64 `json:",omitempty"`
}

// Pack returns the run as it is kept. A run is judged as it is read again, so that it is
// judged the same at any time.
func (r Run) Pack() Line {
	l := Line{
		Drill: r.Drill, Way: r.Way, Round: r.Round, Writes: r.Writes, Keys: r.Keys, Entries: make(map[Kind]columns),
		UpTo: r.UpTo.UnixNano() / int64(tick), // Nothing later than that is in time.
	}
	entries := slices.Clone(r.Entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		order := cmp.Or(cmp.Compare(ticks(a.At), ticks(b.At)), cmp.Compare(a.Kind, b.Kind))
		if order != 0 || a.Kind == Worked { // What was worked on keeps its order.
			return order
		}
		return cmp.Compare(a.Number, b.Number)
	})
	places := slices.ContainsFunc(entries, func(e Entry) bool { return e.Kind == Worked })
	for _, e := range entries {
		c := l.Entries[e.Kind]
		c.Ticks, c.Numbers = append(c.Ticks, ticks(e.At)), append(c.Numbers, int64(e.Number))
		if places {
			c.Partitions, c.Offsets = append(c.Partitions, int64(e.Partition)), append(c.Offsets, e.Offset)
		}
		l.Entries[e.Kind] = c
	}
	for _, f := range r.byKeys() {
		l.Log.Numbers = append(l.Log.Numbers, int64(f.Number))
		l.Log.Partitions = append(l.Log.Partitions, int64(f.Partition))
	}
	for _, c := range l.Entries {
		c.shorten()
	}
	l.Log.shorten()
	return l
}

// ticks is a time in ticks, rounded up.
func ticks(t time.Time) int64 { return (t.UnixNano() + int64(tick) - 1) / int64(tick) }

// byKeys returns the log in the order of partitions, in each of its keys, and of each key's offsets.
func (r Run) byKeys() []Found {
	log := slices.Clone(r.Log)
	slices.SortFunc(log, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(r.key(a.Number), r.key(b.Number)),
			cmp.Compare(a.Offset, b.Offset))
	})
	return log
}

func (r Run) key(number int) int {
	if r.Keys == 0 {
		return 0
	}
	return number % r.Keys
}

// shorten puts a difference in the place of each number.
func (c columns) shorten() {
	last := make(map[int64]int64) // by partition
	for i, offset := range c.Offsets {
		c.Offsets[i] -= last[c.Partitions[i]]
		last[c.Partitions[i]] = offset
	}
	for _, column := range [][]int64{c.Ticks, c.Numbers, c.Partitions} {
		for i := len(column) - 1; i > 0; i-- {
			column[i] -= column[i-1]
		}
	}
}

// restore puts the numbers in the place of their differences.
func (c columns) restore() {
	for _, column := range [][]int64{c.Ticks, c.Numbers, c.Partitions} {
		for i := 1; i < len(column); i++ {
			column[i] += column[i-1]
		}
	}
	last := make(map[int64]int64)
	for i := range c.Offsets {
		c.Offsets[i] += last[c.Partitions[i]]
		last[c.Partitions[i]] = c.Offsets[i]
	}
}

// Unpack returns the run. It changes the line.
func (l Line) Unpack() Run {
	l.Log.restore()
	at := func(ticks int64) time.Time { return time.Unix(0, ticks*int64(tick)) }
	r := Run{Drill: l.Drill, Way: l.Way, Round: l.Round, Writes: l.Writes, Keys: l.Keys, UpTo: at(l.UpTo)}
	for kind := Handed; kind <= Worked; kind++ {
		c := l.Entries[kind]
		c.restore()
		for i, n := range c.Numbers {
			e := Entry{Kind: kind, Number: int(n), Partition: Unknown, Offset: Unknown, At: at(c.Ticks[i])}
			if c.Offsets != nil {
				e.Partition, e.Offset = int32(c.Partitions[i]), c.Offsets[i]
			}
			r.Entries = append(r.Entries, e)
		}
	}
	slices.SortStableFunc(r.Entries, func(a, b Entry) int { return a.At.Compare(b.At) })
	for i, n := range l.Log.Numbers {
		r.Log = append(r.Log, Found{Number: int(n), Partition: int32(l.Log.Partitions[i]), Offset: int64(i)})
	}
	return r
}

// Append adds the line to a file.
func (l Line) Append(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("keeping a history: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keeping a history: %w", err)
	}
	packed, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err == nil {
		err = errors.Join(json.NewEncoder(packed).Encode(l), packed.Close())
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("keeping a history: %w", err)
	}
	return nil
}

// Each reads the runs of a file one by one.
func Each(path string, do func(Run) error) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading histories: %w", err)
	}
	defer file.Close()
	packed, err := zstd.NewReader(file)
	if err != nil {
		return fmt.Errorf("reading histories: %w", err)
	}
	defer packed.Close()
	for lines := json.NewDecoder(packed); ; {
		var l Line
		if err := lines.Decode(&l); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the histories in %s: %w", path, err)
		}
		if err := do(l.Unpack()); err != nil {
			return err
		}
	}
}
