package ledger

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/embedded"
)

// at returns a time some milliseconds after the tests' beginning of time.
func at(ms int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }

// A journal that is cut off in the middle of an entry keeps those before it.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if entries, err := ReadJournal(path); err != nil || entries != nil {
		t.Fatalf("a journal that isn't there: %v, %v", entries, err)
	}
	j, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Handed, 7, Unknown, Unknown, at(0)}, {Acked, 7, 2, 1 << 40, at(1)}, {Worked, 1 << 33, 0, 0, at(2)},
	}
	if err := j.Note(want[:2]...); err != nil {
		t.Fatal(err)
	}
	if err := j.Note(want[2]); err != nil {
		t.Fatal(err)
	}
	if _, err := j.file.Write([]byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := ReadJournal(path)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the journal is %v, %v, want %v", got, err, want)
	}
}

// What is wrong on purpose is counted, and nothing else.
func TestCountWritten(t *testing.T) {
	// Ten records of two keys: even and odd numbers. All are acknowledged a
	// millisecond after they were handed over, ten milliseconds apart.
	good := func() (entries []Entry, log []Found) {
		for n := range 10 {
			p, o := int32(n%2), int64(n/2)
			entries = append(entries, Entry{Handed, n, Unknown, Unknown, at(10 * n)}, Entry{Acked, n, p, o, at(10*n + 1)})
			log = append(log, Found{n, p, o})
		}
		return entries, log
	}
	drop := func(entries []Entry, kind Kind, number int) []Entry {
		return slices.DeleteFunc(entries, func(e Entry) bool { return e.Kind == kind && e.Number == number })
	}
	for _, test := range []struct {
		name   string
		change func(entries []Entry, log []Found) ([]Entry, []Found)
		want   Written // but for the times
	}{
		{"nothing", func(e []Entry, l []Found) ([]Entry, []Found) { return e, l }, Written{Handed: 10, Acked: 10}},
		{"lost", func(e []Entry, l []Found) ([]Entry, []Found) { return e, slices.Delete(l, 3, 5) },
			Written{Handed: 10, Acked: 10, Lost: 2}},
		{"repeated", func(e []Entry, l []Found) ([]Entry, []Found) {
			return e, append(l, Found{8, 0, 5}, Found{8, 0, 6}, Found{9, 1, 5})
		}, Written{Handed: 10, Acked: 10, Repeated: 2}},
		{"a batch repeated, which breaks no order", func(e []Entry, l []Found) ([]Entry, []Found) {
			return e, append(l, Found{4, 0, 5}, Found{6, 0, 6}, Found{8, 0, 7})
		}, Written{Handed: 10, Acked: 10, Repeated: 3}},
		{"disordered", func(e []Entry, l []Found) ([]Entry, []Found) {
			l[2].Offset, l[4].Offset = l[4].Offset, l[2].Offset // 0 4 2 6 8
			return e, l
		}, Written{Handed: 10, Acked: 10, Disordered: 1}},
		{"two behind a later one", func(e []Entry, l []Found) ([]Entry, []Found) {
			l[8].Offset = -1 // 8 0 2 4 6
			return e, l
		}, Written{Handed: 10, Acked: 10, Disordered: 4}},
		{"a key in two partitions", func(e []Entry, l []Found) ([]Entry, []Found) {
			l[9] = Found{9, 0, 5}
			return e, l
		}, Written{Handed: 10, Acked: 10, Spread: true}},
		{"failed and not there", func(e []Entry, l []Found) ([]Entry, []Found) {
			return append(drop(e, Acked, 9), Entry{Failed, 9, Unknown, Unknown, at(95)}), l[:9]
		}, Written{Handed: 10, Acked: 9, Failed: 1}},
		{"failed and yet there", func(e []Entry, l []Found) ([]Entry, []Found) {
			return append(drop(e, Acked, 9), Entry{Failed, 9, Unknown, Unknown, at(95)}), l
		}, Written{Handed: 10, Acked: 9, Failed: 1, FailedYetThere: 1}},
		{"failed, and written at another try", func(e []Entry, l []Found) ([]Entry, []Found) {
			return slices.Insert(e, 19, Entry{Failed, 9, Unknown, Unknown, at(90)}), l
		}, Written{Handed: 10, Acked: 10}},
		{"refused", func(e []Entry, l []Found) ([]Entry, []Found) {
			return append(drop(e, Acked, 9), Entry{Refused, 9, Unknown, Unknown, at(95)}), l[:9]
		}, Written{Handed: 10, Acked: 9, Refused: 1}},
		{"never reported", func(e []Entry, l []Found) ([]Entry, []Found) { return drop(drop(e, Acked, 9), Acked, 8), l[:9] },
			Written{Handed: 10, Acked: 8, Unreported: 2, UnreportedThere: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			entries, log := test.change(good())
			got := CountWritten(entries, log, ByKeys(2))
			got.Stall, got.PerSecond, got.Waits = 0, nil, nil
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("counted %+v, want %+v", got, test.want)
			}
		})
	}
}

// Times are counted: the stall by key, acknowledgements by second, waits by powers of two.
func TestCountTimes(t *testing.T) {
	got := CountWritten([]Entry{
		{Handed, 0, 0, 0, at(0)}, {Acked, 0, 0, 0, at(0)}, // key 0, less than a millisecond
		{Handed, 1, 0, 0, at(0)}, {Acked, 1, 0, 0, at(5)}, // key 1, 4 to 8 ms
		{Handed, 2, 0, 0, at(900)}, {Acked, 2, 0, 0, at(2500)}, // key 0, 1024 to 2048 ms
		{Handed, 3, 0, 0, at(900)}, {Acked, 3, 0, 0, at(905)},
	}, nil, ByKeys(2))
	if got.Stall != 2500*time.Millisecond {
		t.Errorf("the stall is %v", got.Stall)
	}
	if !slices.Equal(got.PerSecond, []int{3, 0, 1}) {
		t.Errorf("in each second: %v", got.PerSecond)
	}
	if want := []int{1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1}; !slices.Equal(got.Waits, want) {
		t.Errorf("the waits are %v, want %v", got.Waits, want)
	}
}

// What consumers do wrong on purpose is counted, and nothing else.
func TestCountConsumed(t *testing.T) {
	var acked []Entry
	for n := range 6 {
		acked = append(acked, Entry{Acked, n, 0, int64(n), at(n)})
	}
	work := func(numbers ...int) (worked []Entry) {
		for i, n := range numbers {
			worked = append(worked, Entry{Worked, n, 0, int64(n), at(100 + i)})
		}
		return worked
	}
	for _, test := range []struct {
		name   string
		worked []Entry
		want   Consumed
	}{
		{"nothing", work(0, 1, 2, 3, 4, 5), Consumed{Acked: 6}},
		{"never", work(0, 1, 3, 5), Consumed{Acked: 6, Never: 2}},
		{"twice, and thrice", work(0, 1, 2, 3, 2, 3, 2, 4, 5), Consumed{Acked: 6, Twice: 2}},
		{"a later one of the same key first", work(0, 1, 4, 3, 2, 5), Consumed{Acked: 6, Disordered: 1}},
		{"a later one of another key first", work(1, 0, 3, 2, 5, 4), Consumed{Acked: 6}},
		{"a record that was not acknowledged", append(work(0, 1, 2, 3, 4, 5), Entry{Worked, 6, 0, 6, at(200)}), Consumed{Acked: 6}},
		{"the same offset in another partition", append(work(0, 1, 2, 3, 4), Entry{Worked, 5, 1, 5, at(200)}), Consumed{Acked: 6, Never: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := CountConsumed(acked, test.worked, ByKeys(2))
			got.Stall, got.PerSecond = 0, nil
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("counted %+v, want %+v", got, test.want)
			}
		})
	}
	worked := work(0, 1, 2, 3, 4)
	worked[4].At = at(1500)
	if got := CountConsumed(acked, worked, ByKeys(2)); got.Stall != 1398*time.Millisecond || !slices.Equal(got.PerSecond, []int{4, 1}) {
		t.Errorf("the stall is %v, in each second %v", got.Stall, got.PerSecond)
	}
}

func TestNumber(t *testing.T) {
	for _, value := range []string{string(Value(1234)), "this is message1234"} {
		if n, err := Number([]byte(value)); err != nil || n != 1234 {
			t.Errorf("%q: %d, %v", value, n, err)
		}
	}
	if len(Value(1)) != valueSize || len(Value(1_000_000_000)) != valueSize {
		t.Error("values differ in size")
	}
	if _, err := Number([]byte("nothing")); err == nil {
		t.Error("a value without a number has one")
	}
}

// Both readers find all that is in the log, copies too, and an empty partition ends neither.
func TestReaders(t *testing.T) {
	c, err := embedded.Start(embedded.Options{Topic: "log"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("log"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	var want []Found
	// Copies in partition 0, nothing in partition 1, and one record in partition 2: a
	// reader that ends too early doesn't even begin there.
	for _, f := range []Found{{5, 0, 0}, {6, 0, 1}, {7, 2, 0}, {6, 0, 2}, {5, 0, 3}} {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Partition: f.Partition, Value: Value(f.Number)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		want = append(want, f)
	}
	for client, read := range map[string]Reader{"franz-go": ReadWithFranz, "kafka-go": ReadWithKafkaGo} {
		got, err := read(t.Context(), c.Addrs(), "log")
		if err != nil || !slices.Equal(sorted(got), sorted(want)) {
			t.Errorf("%s finds %v, %v, want %v", client, got, err, want)
		}
	}
	for _, client := range []string{"kafka-go", "franz-go"} {
		if name, _ := ReaderFor(client); name == client {
			t.Errorf("%s reads what it wrote", client)
		}
	}
}
