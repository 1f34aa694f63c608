// Package checker judges histories: what was lost, repeated and put out of order.
package checker

import (
	"cmp"
	"slices"
	"time"

	"kafka-with-go/internal/laboratory/faults/history"
)

// ordered is what records are in order in.
type ordered struct {
	key       int
	partition int32
}

// Writing judges the producers of a run.
func Writing(r history.Run) Written {
	var entries []history.Entry
	for _, e := range r.Entries {
		if r.Keys == 0 && e.Kind == history.Acked { // A program prints only that a record is written.
			entries = append(entries, history.Entry{Kind: history.Handed, Number: e.Number, At: e.At})
		}
		if e.Kind != history.Worked {
			entries = append(entries, e)
		}
	}
	return CountWritten(entries, r.Log, keyOf(r.Keys))
}

// Consuming judges the consumers of a run.
func Consuming(r history.Run) Consumed {
	var acked, worked []history.Entry
	for _, e := range r.Entries {
		switch {
		case e.Kind == history.Acked && !e.At.After(r.UpTo):
			acked = append(acked, e)
		case e.Kind == history.Worked:
			worked = append(worked, e)
		}
	}
	return CountConsumed(acked, worked, keyOf(r.Keys))
}

func keyOf(keys int) KeyOf {
	if keys == 0 {
		return OneKey
	}
	return ByKeys(keys)
}

// A KeyOf says which key a numbered record has. Order is kept for each key.
type KeyOf func(number int) int

// ByKeys is the KeyOf of numbers that go round n keys.
func ByKeys(n int) KeyOf { return func(number int) int { return number % n } }

// OneKey is the KeyOf of records that one program writes one after the other, and
// whose order is to be kept in each partition.
func OneKey(int) int { return 0 }

// Written is what became of the records of a producer.
type Written struct {
	Handed     int // to the client
	Acked      int // the client said that they are written
	Failed     int // the client said that they are not
	Refused    int // the client didn't take them
	Unreported int // the client said nothing of them

	Lost            int // acknowledged, and not in the log
	Repeated        int // in the log more than once
	Disordered      int // first in the log behind a later record with the same key, in the same partition
	FailedYetThere  int // reported as failed, and in the log
	UnreportedThere int // never reported, and in the log

	Spread bool `json:",omitempty"` // the records of a key lie in several partitions: nobody reads them in order

	Stall time.Duration // the longest time in which a key got no acknowledgement
}

// CountWritten compares a producer's history with the log.
func CountWritten(entries []history.Entry, log []history.Found, key KeyOf) Written {
	var w Written
	fates := w.read(entries, key)
	there := make(map[int]int)
	for _, f := range log {
		there[f.Number]++
	}
	for n, f := range fates {
		w.countFate(f, there[n] > 0)
	}
	for _, times := range there {
		if times > 1 {
			w.Repeated++
		}
	}
	w.Disordered, w.Spread = order(log, key)
	return w
}

// A fate is what the producer knows of a record.
type fate struct {
	handed  bool
	outcome history.Kind // Handed while there is none
}

// read returns the fates of the records by their numbers, and counts the times.
func (w *Written) read(entries []history.Entry, key KeyOf) map[int]fate {
	fates := make(map[int]fate)
	lastAcked := make(map[int]time.Time) // by key
	for _, e := range entries {
		f := fates[e.Number]
		switch e.Kind {
		case history.Handed:
			f.handed = true
			f.outcome = max(f.outcome, history.Handed)
		case history.Acked:
			f.outcome = history.Acked
			k := key(e.Number)
			if last, ok := lastAcked[k]; ok {
				w.Stall = max(w.Stall, e.At.Sub(last))
			}
			lastAcked[k] = e.At
		case history.Failed, history.Refused:
			// A program may hand a record over again after a failure: then that it is
			// written counts, whenever it was said, and a failure more than a refusal.
			if f.outcome != history.Acked && f.outcome != history.Failed {
				f.outcome = e.Kind
			}
		default:
			continue
		}
		fates[e.Number] = f
	}
	return fates
}

// countFate counts what became of one record, which is in the log or not.
func (w *Written) countFate(f fate, there bool) {
	if f.handed {
		w.Handed++
	}
	switch f.outcome {
	case history.Acked:
		w.Acked++
		w.Lost += one(!there)
	case history.Failed:
		w.Failed++
		w.FailedYetThere += one(there)
	case history.Refused:
		w.Refused++
	case history.Handed:
		w.Unreported++
		w.UnreportedThere += one(there)
	}
}

func one(condition bool) int {
	if condition {
		return 1
	}
	return 0
}

// order counts the records whose first appearance in a partition is behind that
// of a later one with the same key, and says whether a key is in several partitions.
func order(log []history.Found, key KeyOf) (disordered int, spread bool) {
	latest := make(map[ordered]int)
	partitions := make(map[int]int32) // by key: where it was seen first
	seen := make(map[int]bool)
	for _, f := range sorted(log) {
		k := key(f.Number)
		if p, ok := partitions[k]; ok && p != f.Partition {
			spread = true
		} else {
			partitions[k] = f.Partition
		}
		if seen[f.Number] {
			continue // A repetition, which is counted as such.
		}
		seen[f.Number] = true
		l := ordered{k, f.Partition}
		if last, ok := latest[l]; ok && f.Number < last {
			disordered++
			continue
		}
		latest[l] = f.Number
	}
	return disordered, spread
}

// sorted returns the log partition by partition, in the order of the offsets.
func sorted(log []history.Found) []history.Found {
	log = slices.Clone(log)
	slices.SortFunc(log, func(a, b history.Found) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return log
}

// Consumed is what a group of consumers did with the records of a topic.
type Consumed struct {
	Acked      int // records that were acknowledged to their producer, and lie in the log
	Never      int // acknowledged, and never worked on
	Twice      int // worked on more than once
	Disordered int // first worked on after a later record with the same key
	Stall      time.Duration
}

// CountConsumed compares what was acknowledged to the producers with what the
// members of a group worked on, in the order of time. A record is known by its
// partition and its offset. The stall is the longest time in which no record of
// a key was worked on.
func CountConsumed(acked, worked []history.Entry, key KeyOf) Consumed {
	type place struct {
		partition int32
		offset    int64
	}
	var c Consumed
	worked = slices.Clone(worked)
	slices.SortStableFunc(worked, func(a, b history.Entry) int { return a.At.Compare(b.At) })
	times := make(map[place]int)
	furthest := make(map[ordered]int64)
	last := make(map[ordered]time.Time)
	for _, e := range worked {
		p, l := place{e.Partition, e.Offset}, ordered{key(e.Number), e.Partition}
		if at, ok := last[l]; ok {
			c.Stall = max(c.Stall, e.At.Sub(at))
		}
		last[l] = e.At
		times[p]++
		switch reached, ok := furthest[l]; {
		case times[p] == 2:
			c.Twice++
		case times[p] > 2:
		case ok && e.Offset < reached:
			c.Disordered++
		default:
			furthest[l] = e.Offset
		}
	}
	for _, e := range acked {
		c.Acked++
		if times[place{e.Partition, e.Offset}] == 0 {
			c.Never++
		}
	}
	return c
}
