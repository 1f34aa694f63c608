// Package printed reads what the programs of the chapters print.
package printed

import (
	"regexp"
	"strconv"
)

// A Record is a record as a program printed it.
type Record struct {
	Number    int // the n of "this is message<n>"
	Partition int32
	Offset    int64
}

var (
	written  = regexp.MustCompile(`^writes: (\d+) +\(partition (\d+), offset (\d+)\)`)
	received = regexp.MustCompile(`^received:  this is message(\d+) +\(partition (\d+), offset (\d+)\)`)
)

// Written returns the record that a program says in a line to have written.
func Written(line string) (Record, bool) { return read(written, line) }

// Received returns the record that a program says in a line to have received.
func Received(line string) (Record, bool) { return read(received, line) }

func read(pattern *regexp.Regexp, line string) (Record, bool) {
	m := pattern.FindStringSubmatch(line)
	if m == nil {
		return Record{}, false
	}
	// The patterns let only digits through. A number that is too large becomes the largest.
	number, _ := strconv.Atoi(m[1])
	partition, _ := strconv.ParseInt(m[2], 10, 32)
	offset, _ := strconv.ParseInt(m[3], 10, 64)
	return Record{Number: number, Partition: int32(partition), Offset: offset}, true
}
