package history

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/cluster/embedded"
)

// at returns a time some milliseconds after the tests' beginning of time.
func at(ms int) time.Time { return time.Unix(1_000_000, 0).Add(time.Duration(ms) * time.Millisecond) }

// A history that is cut off in the middle of an entry keeps those before it.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	if entries, err := Read(path); err != nil || entries != nil {
		t.Fatalf("a history that isn't there: %v, %v", entries, err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Entry{
		{Handed, 7, Unknown, Unknown, at(0)}, {Acked, 7, 2, 1 << 40, at(1)}, {Worked, 1 << 33, 0, 0, at(2)},
	}
	if err := f.Note(want[:2]...); err != nil {
		t.Fatal(err)
	}
	if err := f.Note(want[2]); err != nil {
		t.Fatal(err)
	}
	if _, err := f.file.Write([]byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the history is %v, %v, want %v", got, err, want)
	}
}

// A run that is kept is read again as it was, but for what no judgement needs: times go to
// 100 ms, and the places of records that no consumer worked on aren't kept.
func TestKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "runs.zst")
	writing := Run{Drill: "drill", Way: "way", Round: 2, Writes: true, Keys: 30, UpTo: at(5000)}
	reading := Run{Drill: "drill", Way: "way", Round: 3, UpTo: at(5099)}
	var wantWriting, wantReading []Entry
	for n := range 1000 {
		p, o := int32(n%3), int64(n/3)
		writing.Entries = append(writing.Entries, Entry{Acked, n, p, o, at(100*n + 7)})
		wantWriting = append(wantWriting, Entry{Acked, n, Unknown, Unknown, at(100*n + 100)})
		writing.Log = append(writing.Log, Found{n, p, o})
		// What is worked on in one tick keeps its order.
		reading.Entries = append(reading.Entries, Entry{Worked, 1000 - n, p, o, at(100*(n/3) + n%3)})
	}
	for _, e := range reading.Entries {
		e.At = at((int(e.At.Sub(at(0)).Milliseconds()) + 99) / 100 * 100)
		wantReading = append(wantReading, e)
	}
	slices.SortStableFunc(wantReading, func(a, b Entry) int { return a.At.Compare(b.At) })
	for _, r := range []Run{writing, reading} {
		if err := r.Pack().Append(path); err != nil {
			t.Fatal(err)
		}
	}
	var got []Run
	if err := Each(path, func(r Run) error { got = append(got, r); return nil }); err != nil || len(got) != 2 {
		t.Fatalf("%d runs are read: %v", len(got), err)
	}
	if diff := cmp.Diff(wantWriting, got[0].Entries); diff != "" {
		t.Errorf("what was written is read differently (-kept +read):\n%s", diff)
	}
	if diff := cmp.Diff(wantReading, got[1].Entries); diff != "" {
		t.Errorf("what was worked on is read differently (-kept +read):\n%s", diff)
	}
	if got[1].UpTo != at(5000) || got[1].Writes || !got[0].Writes || got[0].Keys != 30 || got[1].Round != 3 {
		t.Errorf("the heads are read differently: %+v", got[1])
	}
	last := make(map[int]int64) // by key: in the log its records keep their order
	for _, f := range got[0].Log {
		if o, ok := last[f.Number%30]; ok && f.Offset <= o {
			t.Errorf("record %d is at %d, behind %d", f.Number, f.Offset, o)
		}
		last[f.Number%30] = f.Offset
	}
	if len(got[0].Log) != 1000 {
		t.Errorf("the log has %d records", len(got[0].Log))
	}
	if err := Each(path+".missing", func(Run) error { return nil }); err == nil {
		t.Error("a history that isn't there is read")
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
	byPlace := func(log []Found) []Found {
		slices.SortFunc(log, func(a, b Found) int {
			if a.Partition != b.Partition {
				return int(a.Partition - b.Partition)
			}
			return int(a.Offset - b.Offset)
		})
		return log
	}
	var want []Found
	// Copies in partition 0, nothing in partition 1, and one record in partition 2: a
	// reader that ends too early doesn't even begin there.
	for _, f := range []Found{{5, 0, 0}, {6, 0, 1}, {7, 2, 0}, {6, 0, 2}, {5, 0, 3}} {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Partition: f.Partition, Value: Value(f.Number)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		want = append(want, f)
	}
	want = byPlace(want)
	for client, read := range map[string]Reader{"franz-go": readWithFranz, "kafka-go": readWithKafkaGo} {
		got, err := ReadLog(t.Context(), c.Addrs(), "log", read)
		if err != nil || cmp.Diff(want, byPlace(got)) != "" {
			t.Errorf("%s finds %v, %v, want %v", client, got, err, want)
		}
	}
	for _, client := range []string{"kafka-go", "franz-go"} {
		if name, _ := ReaderFor(client); name == client {
			t.Errorf("%s reads what it wrote", client)
		}
	}
}
