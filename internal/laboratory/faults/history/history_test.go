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

// A run that is kept is read again as it was, up to the microseconds of its times.
func TestKeep(t *testing.T) {
	run := Run{Drill: "drill", Way: "way", Round: 2, Keys: 30, UpTo: at(5000)}
	for n := range 1000 {
		p, o := int32(n%3), int64(n/3)
		run.Entries = append(run.Entries, Entry{Handed, n, Unknown, Unknown, at(n)}, Entry{Acked, n, p, o, at(n + 7)})
		run.Log = append(run.Log, Found{n, p, o})
	}
	path := filepath.Join(t.TempDir(), "deep", "run.gz")
	if err := run.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(run, got); diff != "" {
		t.Errorf("it is read differently (-kept +read):\n%s", diff)
	}
	if _, err := Load(path + ".missing"); err == nil {
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
	for client, read := range map[string]Reader{"franz-go": ReadWithFranz, "kafka-go": ReadWithKafkaGo} {
		got, err := read(t.Context(), c.Addrs(), "log")
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
