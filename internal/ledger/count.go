package ledger

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

// A Found is a record in the log.
type Found struct {
	Number    int
	Partition int32
	Offset    int64
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

	Stall     time.Duration // the longest time in which a key got no acknowledgement
	PerSecond []int         // records acknowledged in each second since the first was handed over
	// Waits are the records by the time from handing over to acknowledgement:
	// Waits[i] took less than 2^i ms, and not less than 2^(i-1).
	Waits []int
}

// CountWritten compares a producer's journal with the log.
func CountWritten(entries []Entry, log []Found, key KeyOf) Written {
	var w Written
	handed, acked := make(map[int]time.Time), make(map[int]time.Time)
	failed, refused := make(map[int]bool), make(map[int]bool)
	lastAcked := make(map[int]time.Time) // by key
	var first time.Time
	for _, e := range entries {
		if first.IsZero() {
			first = e.At
		}
		switch e.Kind {
		case Handed:
			handed[e.Number] = e.At
		case Acked:
			acked[e.Number] = e.At
			k := key(e.Number)
			if last, ok := lastAcked[k]; ok {
				w.Stall = max(w.Stall, e.At.Sub(last))
			}
			lastAcked[k] = e.At
			second := max(0, int(e.At.Sub(first)/time.Second))
			w.PerSecond = count(w.PerSecond, second)
			if from, ok := handed[e.Number]; ok {
				w.Waits = count(w.Waits, bits.Len64(uint64(max(0, e.At.Sub(from).Milliseconds()))))
			}
		case Failed:
			failed[e.Number] = true
		case Refused:
			refused[e.Number] = true
		}
	}
	there := make(map[int]int)
	for _, f := range log {
		there[f.Number]++
	}
	for n := range acked {
		if there[n] == 0 {
			w.Lost++
		}
		// A program may hand a record over again after a failure: the last word counts.
		delete(failed, n)
		delete(refused, n)
	}
	for n := range failed {
		if there[n] > 0 {
			w.FailedYetThere++
		}
		delete(refused, n)
	}
	for n := range handed {
		_, ok := acked[n]
		if ok || failed[n] || refused[n] {
			continue
		}
		w.Unreported++
		if there[n] > 0 {
			w.UnreportedThere++
		}
	}
	for _, times := range there {
		if times > 1 {
			w.Repeated++
		}
	}
	w.Handed, w.Acked, w.Failed, w.Refused = len(handed), len(acked), len(failed), len(refused)
	w.Disordered, w.Spread = order(log, key)
	return w
}

// count adds one at index i, and makes room for it.
func count(counts []int, i int) []int {
	for len(counts) <= i {
		counts = append(counts, 0)
	}
	counts[i]++
	return counts
}

// order counts the records whose first appearance in a partition is behind that
// of a later one with the same key, and says whether a key is in several partitions.
func order(log []Found, key KeyOf) (disordered int, spread bool) {
	type lane struct {
		key       int
		partition int32
	}
	latest := make(map[lane]int)
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
		l := lane{k, f.Partition}
		if last, ok := latest[l]; ok && f.Number < last {
			disordered++
			continue
		}
		latest[l] = f.Number
	}
	return disordered, spread
}

// sorted returns the log partition by partition, in the order of the offsets.
func sorted(log []Found) []Found {
	log = slices.Clone(log)
	slices.SortFunc(log, func(a, b Found) int {
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
	PerSecond  []int // records worked on in each second since the first
}

// CountConsumed compares what was acknowledged to the producers with what the
// members of a group worked on, in the order of time. A record is known by its
// partition and its offset. The stall is the longest time in which no record of
// a key was worked on.
func CountConsumed(acked, worked []Entry, key KeyOf) Consumed {
	type place struct {
		partition int32
		offset    int64
	}
	type lane struct {
		key       int
		partition int32
	}
	var c Consumed
	worked = slices.Clone(worked)
	slices.SortStableFunc(worked, func(a, b Entry) int { return a.At.Compare(b.At) })
	times := make(map[place]int)
	furthest := make(map[lane]int64)
	last := make(map[lane]time.Time)
	for _, e := range worked {
		c.PerSecond = count(c.PerSecond, int(e.At.Sub(worked[0].At)/time.Second))
		p, l := place{e.Partition, e.Offset}, lane{key(e.Number), e.Partition}
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
