package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kafka-with-go/internal/laboratory/faults/history"
)

// at returns a time some milliseconds after the tests' beginning of time.
func at(ms int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }

type (
	entries = []history.Entry
	log     = []history.Found
)

func entry(kind history.Kind, number int, partition int32, offset int64, at time.Time) history.Entry {
	return history.Entry{Kind: kind, Number: number, Partition: partition, Offset: offset, At: at}
}

func found(number int, partition int32, offset int64) history.Found {
	return history.Found{Number: number, Partition: partition, Offset: offset}
}

// What is wrong on purpose is counted, and nothing else.
func TestCountWritten(t *testing.T) {
	// Ten records of two keys: even and odd numbers. All are acknowledged a
	// millisecond after they were handed over, ten milliseconds apart.
	good := func() (entries []history.Entry, log []history.Found) {
		for n := range 10 {
			p, o := int32(n%2), int64(n/2)
			entries = append(entries, entry(history.Handed, n, history.Unknown, history.Unknown, at(10*n)), entry(history.Acked, n, p, o, at(10*n+1)))
			log = append(log, found(n, p, o))
		}
		return entries, log
	}
	drop := func(entries []history.Entry, kind history.Kind, number int) []history.Entry {
		return slices.DeleteFunc(entries, func(e history.Entry) bool { return e.Kind == kind && e.Number == number })
	}
	for _, test := range []struct {
		name   string
		change func(entries, log) (entries, log)
		want   Written // but for the times
	}{
		{"nothing", func(e entries, l log) (entries, log) { return e, l }, Written{Handed: 10, Acked: 10}},
		{"lost", func(e entries, l log) (entries, log) {
			return e, slices.Delete(l, 3, 5)
		},
			Written{Handed: 10, Acked: 10, Lost: 2}},
		{"repeated", func(e entries, l log) (entries, log) {
			return e, append(l, found(8, 0, 5), found(8, 0, 6), found(9, 1, 5))
		}, Written{Handed: 10, Acked: 10, Repeated: 2}},
		{"a batch repeated, which breaks no order", func(e entries, l log) (entries, log) {
			return e, append(l, found(4, 0, 5), found(6, 0, 6), found(8, 0, 7))
		}, Written{Handed: 10, Acked: 10, Repeated: 3}},
		{"disordered", func(e entries, l log) (entries, log) {
			l[2].Offset, l[4].Offset = l[4].Offset, l[2].Offset // 0 4 2 6 8
			return e, l
		}, Written{Handed: 10, Acked: 10, Disordered: 1}},
		{"two behind a later one", func(e entries, l log) (entries, log) {
			l[8].Offset = -1 // 8 0 2 4 6
			return e, l
		}, Written{Handed: 10, Acked: 10, Disordered: 4}},
		{"a key in two partitions", func(e entries, l log) (entries, log) {
			l[9] = found(9, 0, 5)
			return e, l
		}, Written{Handed: 10, Acked: 10, Spread: true}},
		{"failed and not there", func(e entries, l log) (entries, log) {
			return append(drop(e, history.Acked, 9), entry(history.Failed, 9, history.Unknown, history.Unknown, at(95))), l[:9]
		}, Written{Handed: 10, Acked: 9, Failed: 1}},
		{"failed and yet there", func(e entries, l log) (entries, log) {
			return append(drop(e, history.Acked, 9), entry(history.Failed, 9, history.Unknown, history.Unknown, at(95))), l
		}, Written{Handed: 10, Acked: 9, Failed: 1, FailedYetThere: 1}},
		{"failed, and written at another try", func(e entries, l log) (entries, log) {
			return slices.Insert(e, 19, entry(history.Failed, 9, history.Unknown, history.Unknown, at(90))), l
		}, Written{Handed: 10, Acked: 10}},
		{"written, and then reported as failed", func(e entries, l log) (entries, log) {
			return append(e, entry(history.Failed, 9, history.Unknown, history.Unknown, at(95))), l
		}, Written{Handed: 10, Acked: 10}},
		{"failed, and not heard of after another try", func(e entries, l log) (entries, log) {
			e = append(drop(e, history.Acked, 9), entry(history.Failed, 9, history.Unknown, history.Unknown, at(95)))
			return append(e, entry(history.Handed, 9, history.Unknown, history.Unknown, at(96))), l[:9]
		}, Written{Handed: 10, Acked: 9, Failed: 1}},
		{"refused", func(e entries, l log) (entries, log) {
			return append(drop(e, history.Acked, 9), entry(history.Refused, 9, history.Unknown, history.Unknown, at(95))), l[:9]
		}, Written{Handed: 10, Acked: 9, Refused: 1}},
		{"never reported", func(e entries, l log) (entries, log) {
			return drop(drop(e, history.Acked, 9), history.Acked, 8), l[:9]
		},
			Written{Handed: 10, Acked: 8, Unreported: 2, UnreportedThere: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			entries, log := test.change(good())
			got := CountWritten(entries, log, ByKeys(2))
			got.Stall = 0
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("counted is wrong (-want +got):\n%s", diff)
			}
		})
	}
}

// The stall is the longest time between two acknowledgements of the same key.
func TestStall(t *testing.T) {
	got := CountWritten([]history.Entry{
		entry(history.Handed, 0, 0, 0, at(0)), entry(history.Acked, 0, 0, 0, at(0)), // key 0, less than a millisecond
		entry(history.Handed, 1, 0, 0, at(0)), entry(history.Acked, 1, 0, 0, at(5)), // key 1, 4 to 8 ms
		entry(history.Handed, 2, 0, 0, at(900)), entry(history.Acked, 2, 0, 0, at(2500)), // key 0, 1024 to 2048 ms
		entry(history.Handed, 3, 0, 0, at(900)), entry(history.Acked, 3, 0, 0, at(905)),
	}, nil, ByKeys(2))
	if got.Stall != 2500*time.Millisecond {
		t.Errorf("the stall is %v", got.Stall)
	}
}

// What consumers do wrong on purpose is counted, and nothing else.
func TestCountConsumed(t *testing.T) {
	var acked []history.Entry
	for n := range 6 {
		acked = append(acked, entry(history.Acked, n, 0, int64(n), at(n)))
	}
	work := func(numbers ...int) (worked []history.Entry) {
		for i, n := range numbers {
			worked = append(worked, entry(history.Worked, n, 0, int64(n), at(100+i)))
		}
		return worked
	}
	for _, test := range []struct {
		name   string
		worked []history.Entry
		want   Consumed
	}{
		{"nothing", work(0, 1, 2, 3, 4, 5), Consumed{Acked: 6}},
		{"never", work(0, 1, 3, 5), Consumed{Acked: 6, Never: 2}},
		{"twice, and thrice", work(0, 1, 2, 3, 2, 3, 2, 4, 5), Consumed{Acked: 6, Twice: 2}},
		{"a later one of the same key first", work(0, 1, 4, 3, 2, 5), Consumed{Acked: 6, Disordered: 1}},
		{"a later one of another key first", work(1, 0, 3, 2, 5, 4), Consumed{Acked: 6}},
		{"a record that was not acknowledged", append(work(0, 1, 2, 3, 4, 5), entry(history.Worked, 6, 0, 6, at(200))), Consumed{Acked: 6}},
		{"the same offset in another partition", append(work(0, 1, 2, 3, 4), entry(history.Worked, 5, 1, 5, at(200))), Consumed{Acked: 6, Never: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := CountConsumed(acked, test.worked, ByKeys(2))
			got.Stall = 0
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("counted is wrong (-want +got):\n%s", diff)
			}
		})
	}
	worked := work(0, 1, 2, 3, 4)
	worked[4].At = at(1500)
	if got := CountConsumed(acked, worked, ByKeys(2)); got.Stall != 1398*time.Millisecond {
		t.Errorf("the stall is %v", got.Stall)
	}
}

// Of a run, only what was acknowledged in time should have been worked on, and what a program
// says to have written it was also handed.
func TestRun(t *testing.T) {
	run := history.Run{UpTo: at(2)}
	for n := range 6 {
		run.Entries = append(run.Entries, entry(history.Acked, n, 0, int64(n), at(n)))
		run.Log = append(run.Log, found(n, 0, int64(n)))
	}
	run.Entries = append(run.Entries, entry(history.Worked, 0, 0, 0, at(9)))
	if got := Consuming(run); got.Acked != 3 || got.Never != 2 {
		t.Errorf("of the consumers is counted %+v", got)
	}
	if got := Writing(run); got.Handed != 6 || got.Acked != 6 || got.Lost != 0 {
		t.Errorf("of a program is counted %+v", got)
	}
	run.Keys = 2 // A worker notes what it hands over by itself: here it noted nothing.
	if got := Writing(run); got.Handed != 0 || got.Acked != 6 {
		t.Errorf("of a worker is counted %+v", got)
	}
}
