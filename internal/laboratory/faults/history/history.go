// Package history is what is noted of records while brokers and programs die: what a program
// handed to its Kafka client, what the client said became of it, what a consumer worked on,
// and what lies in the log in the end. It judges nothing: the package checker does.
package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// A Kind says what an entry of a history is about.
type Kind uint8

const (
	Handed  Kind = iota + 1 // the program handed the record to its client
	Acked                   // the client said that the record is written
	Failed                  // the client said that it is not
	Refused                 // the client didn't take it
	Worked                  // a consumer has done its work on the record
)

// Unknown is the partition and the offset of a record whose client doesn't tell them.
const Unknown = -1

// An Entry is one line of a history.
type Entry struct {
	Kind      Kind
	Number    int   // of the record
	Partition int32 // where it lies, or Unknown
	Offset    int64
	At        time.Time
}

// An Event is what was done to the cluster, or what it did then.
type Event struct {
	Seconds float64 // since the fault
	What    string
}

// entrySize is how many bytes an entry takes in a file.
const entrySize = 1 + 8 + 4 + 8 + 8

func (e Entry) append(b []byte) []byte {
	b = append(b, byte(e.Kind))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Number))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.Partition))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Offset))
	return binary.LittleEndian.AppendUint64(b, uint64(e.At.UnixNano()))
}

func decode(b []byte) Entry {
	return Entry{
		Kind:      Kind(b[0]),
		Number:    int(binary.LittleEndian.Uint64(b[1:])),
		Partition: int32(binary.LittleEndian.Uint32(b[9:])),
		Offset:    int64(binary.LittleEndian.Uint64(b[13:])),
		At:        time.Unix(0, int64(binary.LittleEndian.Uint64(b[21:]))),
	}
}

// A File is a file of entries. What was noted in it outlives the process that
// noted it, also one that was killed (-9): each note is one write, and the
// operating system keeps what was written. (It wouldn't outlive the machine.)
type File struct{ file *os.File }

// Open opens a history, or starts one.
func Open(path string) (*File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the history: %w", err)
	}
	return &File{file}, nil
}

// Note adds entries, all in one write. It may be called from several goroutines.
func (f *File) Note(entries ...Entry) error {
	b := make([]byte, 0, len(entries)*entrySize)
	for _, e := range entries {
		b = e.append(b)
	}
	if _, err := f.file.Write(b); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	return nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Read returns the entries of a history in the order in which they were
// noted. A history that nobody has started yet is empty.
func Read(path string) ([]Entry, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	entries := make([]Entry, 0, len(b)/entrySize)
	for ; len(b) >= entrySize; b = b[entrySize:] { // Half an entry was never noted.
		entries = append(entries, decode(b))
	}
	return entries, nil
}
