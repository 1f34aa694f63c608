package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// warnings collects what the person at the terminal is told.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) add(sentence string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, sentence)
}

func (w *warnings) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}

// killed returns a copy of a data folder as a cluster leaves it that is killed
// now: what it has written so far is there, and nothing is written at its end.
func killed(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || d.Name() == lockName {
			return err // Windows lets nobody read what is locked.
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// startAgain starts a cluster on the folder of another one: after that one has
// ended, or as if it were killed.
func startAgain(t *testing.T, c *Cluster, kill bool, told *warnings) *Cluster {
	t.Helper()
	dir := c.folder.dir
	if kill {
		dir = killed(t, dir)
	}
	c.Close()
	return start(t, Options{Topic: topic, DataDir: dir, Warn: told.add})
}

func received(ctx context.Context, t *testing.T, cl *kgo.Client, want int) []*kgo.Record {
	t.Helper()
	var records []*kgo.Record
	for len(records) < want {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(records), want, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// The end of a log never goes back, nor does its start, however its records went
// and however the cluster ended. A group goes on where it was.
func TestLogsGoOnAfterARestart(t *testing.T) {
	t.Parallel()
	const before, after = 100, 60
	for _, way := range []struct {
		name   string
		start  int64 // of the log, once records were removed
		remove func(context.Context, *testing.T, *Cluster, *kgo.Client)
	}{
		{"nothing removed", 0, func(context.Context, *testing.T, *Cluster, *kgo.Client) {}},
		{"retention", before, func(_ context.Context, t *testing.T, c *Cluster, _ *kgo.Client) {
			if err := c.applySettings(time.Now().Add(8 * day)); err != nil {
				t.Fatal(err)
			}
		}},
		{"bound", before, func(_ context.Context, t *testing.T, c *Cluster, _ *kgo.Client) {
			if err := c.keepWithin(1, onDisk); err != nil {
				t.Fatal(err)
			}
		}},
		{"a client, all", before, func(ctx context.Context, t *testing.T, _ *Cluster, cl *kgo.Client) {
			deleteRecords(ctx, t, cl, before)
		}},
		{"a client, some", before / 2, func(ctx context.Context, t *testing.T, _ *Cluster, cl *kgo.Client) {
			deleteRecords(ctx, t, cl, before/2)
		}},
	} {
		for _, kill := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, killed %v", way.name, kill), func(t *testing.T) {
				t.Parallel()
				var told warnings
				c := start(t, Options{Topic: topic, DataDir: t.TempDir(), Warn: told.add})
				ctx := deadline(t)
				cl := onePartition(t, c)
				writeAged(ctx, t, cl, topic, make([]time.Duration, before)...)
				commit := make(kadm.Offsets)
				commit.AddOffset(topic, 0, before, -1)
				if err := kadm.NewClient(cl).CommitAllOffsets(ctx, "my-group", commit); err != nil {
					t.Fatal(err)
				}
				way.remove(ctx, t, c, cl)
				check := func(when string, end int64) {
					t.Helper()
					p := c.fake.PartitionInfo(topic, 0)
					if p.LogStartOffset != way.start || p.HighWatermark != end || p.LastStableOffset != end {
						t.Errorf("%s, the log goes from %d to %d (stable %d), want from %d to %d", when, p.LogStartOffset, p.HighWatermark, p.LastStableOffset, way.start, end)
					}
				}
				check("at first", before)
				for i := range 2 { // The second time, from what the first restart has left.
					c = startAgain(t, c, kill, &told)
					check(fmt.Sprint("after restart ", i+1), before)
				}
				writeAged(ctx, t, onePartition(t, c), topic, make([]time.Duration, after)...)
				c = startAgain(t, c, kill, &told)
				check("with new records", before+after)
				consumer := client(t, c, kgo.ConsumerGroup("my-group"), kgo.ConsumeTopics(topic))
				if got := received(ctx, t, consumer, after); got[0].Offset != before {
					t.Errorf("the group goes on at offset %d, want %d", got[0].Offset, before)
				}
				if list := told.all(); len(list) > 0 {
					t.Errorf("told: %q", list)
				}
			})
		}
	}
}

func deleteRecords(ctx context.Context, t *testing.T, cl *kgo.Client, to int64) {
	t.Helper()
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, 0, to, -1)
	answer, err := kadm.NewClient(cl).DeleteRecords(ctx, offsets)
	if err != nil || answer.Error() != nil {
		t.Fatal(err, answer.Error())
	}
}

// The disk has a bound too, and so has the number of batches.
func TestBoundsOfADataFolder(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"bytes":   {dataBytes: 8 << 20},
		"batches": {dataBatches: 800},
	} {
		t.Run(name, func(t *testing.T) {
			o.Topic, o.DataDir = topic, t.TempDir()
			c := start(t, o)
			ctx := deadline(t)
			fill(ctx, t, onePartition(t, c), 24<<20, 10<<10, 3)
			if err := c.keepBounds(); err != nil {
				t.Fatal(err)
			}
			bytes, batches := total(t, c, onDisk), total(t, c, c.folder.batches)
			if bytes > c.dataBytes || batches > c.dataBatches {
				t.Errorf("%d bytes in %d batches are kept", bytes, batches)
			}
			if bytes < 3<<20 {
				t.Errorf("only %d bytes are kept", bytes)
			}
		})
	}
}

// A cluster with an open transaction, or an aborted one, starts again as kfake
// would start it.
func TestTransactionsAfterAKill(t *testing.T) {
	t.Parallel()
	var told warnings
	c := start(t, Options{Topic: topic, DataDir: t.TempDir(), Warn: told.add})
	ctx := deadline(t)
	cl := client(t, c, kgo.TransactionalID("id"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr(); err != nil {
			t.Skipf("this cluster has no transactions: %v", err)
		}
		if err := cl.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	c = startAgain(t, c, true, &told)
	writeAged(ctx, t, onePartition(t, c), topic, 0)
	consumer := client(t, c, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	got := received(ctx, t, consumer, 2)
	if len(got) != 2 || got[0].Offset != 0 || got[1].Offset != 4 {
		t.Errorf("%d records, want those at offset 0 and 4", len(got))
	}
	if list := told.all(); len(list) > 0 {
		t.Errorf("told: %q", list)
	}
}

// A transaction that a kill leaves open is aborted, for good: what its producer commits
// from then on is read, and its records aren't, whatever happens later.
func TestOpenTransactionAfterAKill(t *testing.T) {
	t.Parallel()
	var told warnings
	c := start(t, Options{Topic: topic, DataDir: t.TempDir(), Warn: told.add})
	ctx := deadline(t)
	produce := func(value string) *kgo.Client {
		t.Helper()
		cl := client(t, c, kgo.TransactionalID("id"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for p := range int32(2) {
			r := &kgo.Record{Topic: topic, Partition: p, Value: []byte(value)}
			if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		return cl
	}
	commit := func(value string) {
		t.Helper()
		if err := produce(value).EndTransaction(ctx, kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	commit("a")
	produce("open")
	c = startAgain(t, c, true, &told)
	commit("b")
	for _, kill := range []bool{true, true, false} {
		c = startAgain(t, c, kill, &told)
		commit("c")
		consumer := client(t, c, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		for p := range int32(2) {
			info := c.fake.PartitionInfo(topic, p)
			if info.LastStableOffset != info.HighWatermark {
				t.Errorf("partition %d is stable up to %d of %d", p, info.LastStableOffset, info.HighWatermark)
			}
		}
		values := make(map[string]int)
		for _, r := range received(ctx, t, consumer, 6) {
			values[string(r.Value)]++
		}
		if values["a"] != 2 || values["b"] != 2 || values["open"] != 0 {
			t.Errorf("received %v, want 2 of a, 2 of b and none of open", values)
		}
	}
	if list := told.all(); len(list) > 0 {
		t.Errorf("told: %q", list)
	}
}

// A folder has one cluster at a time, and the second one is told what to do.
func TestOneClusterAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, Options{Topic: topic, DataDir: dir})
	for id := 1; id <= Brokers; id++ { // Their ports are free then.
		if err := c.StopBroker(id); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Start(Options{DataDir: dir})
	if err == nil {
		t.Fatal("a second cluster started")
	}
	wantWords(t, err.Error(), dir, "another cluster", "Ctrl-C", "-data")
	if pid := strconv.Itoa(os.Getpid()); runtime.GOOS != "windows" && !strings.Contains(err.Error(), pid) {
		t.Errorf("%q doesn't name the process %s", err, pid)
	}
	c.Close()
	start(t, Options{DataDir: dir}).Close()
}

// A cluster that can't start leaves the folder free.
func TestFolderIsFreeAfterAFailedStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := start(t, Options{})
	var ports [Brokers]int
	if _, err := fmt.Sscanf(other.Addrs()[1], "127.0.0.1:%d", &ports[1]); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(Options{DataDir: dir, Ports: ports}); err == nil {
		t.Fatal("a cluster started on a port that is taken")
	}
	start(t, Options{DataDir: dir})
}

func wantWords(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q doesn't say %q", text, word)
		}
	}
}

// What can't be a data folder is refused, with what is wrong and what to do, and
// nothing in it is changed.
func TestFoldersThatCantBeUsed(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	for _, name := range []string{"main.go", "meta.json", "notes.txt", "a", "b"} {
		if err := os.WriteFile(filepath.Join(full, name), []byte(`{"version":"3"}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	readme := filepath.Join(full, "main.go")
	locked := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	type unusable struct {
		name, dir string
		words     []string
	}
	tests := []unusable{
		{"a file", readme, []string{readme, "is a file", "-data"}},
		{"below a file", filepath.Join(readme, "data"), []string{readme, "can't be", "-data"}},
		{"other things", full, []string{full, "main.go", "more", "-data"}},
	}
	if os.Getuid() > 0 { // Root may write everywhere, and Windows has no such permissions.
		tests = append(tests, unusable{"not writable", locked, []string{locked, "can't be written", "permissions", "-data"}})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Start(Options{DataDir: test.dir})
			if err == nil {
				t.Fatal("the cluster started")
			}
			wantWords(t, err.Error(), test.words...)
		})
	}
	entries, err := os.ReadDir(full)
	if err != nil || len(entries) != 5 {
		t.Errorf("the folder with other things has now %v (%v)", entries, err)
	}
}

// written returns a folder with 100 records in partition 0, a commit and a
// producer, whose cluster has ended in good order or was killed.
func written(t *testing.T, kill bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	c := start(t, Options{Topic: topic, DataDir: dir})
	ctx := deadline(t)
	cl := onePartition(t, c)
	writeAged(ctx, t, cl, topic, make([]time.Duration, 100)...)
	adm := kadm.NewClient(cl)
	for group := range 3 {
		commit := make(kadm.Offsets)
		commit.AddOffset(topic, 0, 100, -1)
		if err := adm.CommitAllOffsets(ctx, fmt.Sprint("group-", group), commit); err != nil {
			t.Fatal(err)
		}
	}
	if kill {
		dir = killed(t, dir)
	}
	c.Close()
	return dir
}

// Whatever is damaged is told, what can be read is kept, and a log's end stays.
// What a kill leaves half written is mended in silence.
func TestDamagedFolders(t *testing.T) {
	t.Parallel()
	log := func(dir string) string { return filepath.Join(dir, "partitions", topic+"-0", "0.dat") }
	index := func(dir string) string { return filepath.Join(filepath.Dir(log(dir)), "0.idx") }
	change := func(t *testing.T, path string, how func([]byte) []byte) {
		t.Helper()
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, how(raw), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	zeroes := func(b []byte) []byte { clear(b[len(b)/2 : len(b)/2+200]); return b }
	cut := func(b []byte) []byte { return b[:len(b)-20] }
	garbage := func(b []byte) []byte { copy(b[len(b)/2:], "this is no entry, and was never one"); return b }
	for _, test := range []struct {
		name    string
		kill    bool
		damage  func(t *testing.T, dir string)
		told    []string // words of the one warning, nil for silence
		refused []string // words of the error, nil for none
		records int      // that can still be read, at least
		end     int64
		groups  int // that still have their commit
	}{
		{"meta.json is missing", false, func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "meta.json")) },
			[]string{"meta.json", "Nothing is lost"}, nil, 100, 100, 3},
		{"meta.json is garbage", true, func(t *testing.T, dir string) { change(t, filepath.Join(dir, "meta.json"), cut) },
			[]string{"meta.json", "Nothing is lost"}, nil, 100, 100, 3},
		{"topics.json is missing", false, func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "topics.json")) },
			nil, []string{"topics.json", "copy"}, 0, 0, 0},
		{"topics.json is garbage", false, func(t *testing.T, dir string) { change(t, filepath.Join(dir, "topics.json"), cut) },
			nil, []string{"topics.json", "copy"}, 0, 0, 0},
		{"quotas.json is garbage", false, func(t *testing.T, dir string) { change(t, filepath.Join(dir, "quotas.json"), cut) },
			nil, []string{"quotas.json", "delete it"}, 0, 0, 0},
		{"zeroes in the middle", false, func(t *testing.T, dir string) { change(t, log(dir), zeroes) },
			[]string{"The records 50 to 52", "partition 0", topic, "are lost", "0.dat.damaged"}, nil, 94, 100, 3},
		{"zeroes in the middle after a kill", true, func(t *testing.T, dir string) { change(t, log(dir), zeroes) },
			[]string{"The records 50 to 52", "are lost", "0.dat.damaged"}, nil, 94, 100, 3},
		{"zeroes at the end", true, func(t *testing.T, dir string) {
			change(t, log(dir), func(b []byte) []byte { return append(b, make([]byte, 100)...) })
		}, []string{"from 100 on", "are lost"}, nil, 100, 100, 3},
		{"a log cut short", false, func(t *testing.T, dir string) { change(t, log(dir), cut) },
			[]string{"The records 99 to 99", "are lost"}, nil, 99, 100, 3},
		{"a log torn by a kill", true, func(t *testing.T, dir string) {
			change(t, log(dir), cut)
			change(t, index(dir), func(b []byte) []byte { return b[:len(b)-indexEntry] })
		}, nil, nil, 99, 99, 3},
		{"a log cut short after a kill", true, func(t *testing.T, dir string) {
			change(t, log(dir), func(b []byte) []byte { return b[:len(b)/2] })
		}, []string{"Records of partition 0", topic, "missing", "50 more"}, nil, 50, 50, 3},
		{"an empty log after a kill", true, func(t *testing.T, dir string) { change(t, log(dir), func([]byte) []byte { return nil }) },
			[]string{"Records of partition 0", "missing", "100 more"}, nil, 0, 0, 3},
		{"a log that is missing after a kill", true, func(t *testing.T, dir string) { os.Remove(log(dir)) },
			[]string{"Records of partition 0", "missing", "no file 0.dat"}, nil, 0, 0, 3},
		{"a snapshot that is impossible", false, func(t *testing.T, dir string) {
			change(t, filepath.Join(filepath.Dir(log(dir)), "snapshot.json"), func(b []byte) []byte {
				return bytes.Replace(b, []byte(`"log_start_offset":0`), []byte(`"log_start_offset":1000`), 1)
			})
		}, nil, nil, 100, 100, 3},
		{"topics.json says nothing", false, func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "topics.json"), func([]byte) []byte { return []byte("null") })
		}, nil, []string{"topics.json", "damaged", "copy"}, 0, 0, 0},
		{"an empty log", false, func(t *testing.T, dir string) { change(t, log(dir), func([]byte) []byte { return nil }) },
			[]string{"The records 0 to 99", "are lost"}, nil, 0, 100, 3},
		{"a log that is missing", false, func(t *testing.T, dir string) { os.Remove(log(dir)) },
			[]string{"The records 0 to 99", "missing"}, nil, 0, 100, 3},
		{"an index that is missing", true, func(t *testing.T, dir string) {
			os.Remove(strings.TrimSuffix(log(dir), "dat") + "idx")
		}, nil, nil, 100, 100, 3},
		{"a snapshot that is garbage", false, func(t *testing.T, dir string) {
			change(t, filepath.Join(filepath.Dir(log(dir)), "snapshot.json"), cut)
		}, nil, nil, 100, 100, 3},
		{"garbage in groups.log", true, func(t *testing.T, dir string) { change(t, filepath.Join(dir, "groups.log"), garbage) },
			[]string{"groups.log", "read records again", "groups.log.damaged"}, nil, 100, 100, 2},
		{"groups.log is all garbage", false, func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "groups.log"), func(b []byte) []byte { return []byte(strings.Repeat("garbage ", 50)) })
		}, []string{"groups.log", "read records again"}, nil, 100, 100, 0},
		{"groups.log torn by a kill", true, func(t *testing.T, dir string) {
			change(t, filepath.Join(dir, "groups.log"), func(b []byte) []byte { return append(b, b[:30]...) })
		}, nil, nil, 100, 100, 3},
		{"garbage in pids.log", true, func(t *testing.T, dir string) { change(t, filepath.Join(dir, "pids.log"), garbage) },
			[]string{"pids.log", "Producers"}, nil, 100, 100, 3},
		{"a partition of no topic", true, func(t *testing.T, dir string) {
			other := filepath.Join(dir, "partitions", "other-7")
			if err := os.CopyFS(other, os.DirFS(filepath.Dir(log(dir)))); err != nil {
				t.Fatal(err)
			}
		}, []string{"other-7", "set-aside"}, nil, 100, 100, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := written(t, test.kill)
			test.damage(t, dir)
			var told warnings
			c, err := Start(Options{Topic: topic, DataDir: dir, Warn: told.add})
			if test.refused != nil {
				if err == nil {
					c.Close()
					t.Fatal("the cluster started")
				}
				wantWords(t, err.Error(), append(test.refused, dir)...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			list := told.all()
			switch {
			case test.told == nil && len(list) > 0:
				t.Errorf("told: %q", list)
			case test.told != nil && len(list) != 1:
				t.Errorf("told: %q, want one sentence", list)
			case test.told != nil:
				wantWords(t, list[0], test.told...)
			}
			ctx := deadline(t)
			p := c.fake.PartitionInfo(topic, 0)
			if p.HighWatermark != test.end {
				t.Errorf("the log ends at %d, want %d", p.HighWatermark, test.end)
			}
			// A record behind it, so that an end without records is passed too.
			writeAged(ctx, t, onePartition(t, c), topic, 0)
			consumer := client(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			var got []*kgo.Record
			for len(got) == 0 || got[len(got)-1].Offset < test.end {
				got = append(got, received(ctx, t, consumer, 1)...)
			}
			if len(got)-1 < test.records {
				t.Errorf("%d records can be read, want %d", len(got)-1, test.records)
			}
			groups, err := kadm.NewClient(consumer).FetchManyOffsets(ctx, "group-0", "group-1", "group-2"), error(nil)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, g := range groups {
				if o, ok := g.Fetched.Lookup(topic, 0); ok && o.At == 100 {
					n++
				}
			}
			if n != test.groups {
				t.Errorf("%d groups have their commit, want %d", n, test.groups)
			}
			// A second start has nothing more to tell.
			told = warnings{}
			c.Close()
			again := start(t, Options{Topic: topic, DataDir: dir, Warn: told.add})
			if list := told.all(); len(list) > 0 {
				t.Errorf("told at the second start: %q", list)
			}
			if p := again.fake.PartitionInfo(topic, 0); p.HighWatermark != test.end+1 {
				t.Errorf("at the second start the log ends at %d, want %d", p.HighWatermark, test.end+1)
			}
		})
	}
}

// Commits that are written behind half an entry, which a kill left, are read at
// the next start.
func TestCommitsBehindATornEntry(t *testing.T) {
	t.Parallel()
	dir := written(t, true)
	path := filepath.Join(dir, "groups.log")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(raw, raw[:30]...), 0o644); err != nil {
		t.Fatal(err)
	}
	var told warnings
	c := start(t, Options{Topic: topic, DataDir: dir, Warn: told.add})
	ctx := deadline(t)
	commit := make(kadm.Offsets)
	commit.AddOffset(topic, 0, 50, -1)
	if err := kadm.NewClient(client(t, c)).CommitAllOffsets(ctx, "later", commit); err != nil {
		t.Fatal(err)
	}
	c = startAgain(t, c, true, &told)
	got, err := kadm.NewClient(client(t, c)).FetchOffsets(ctx, "later")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := got.Lookup(topic, 0); !ok || o.At != 50 {
		t.Errorf("the commit is %d, want 50", o.At)
	}
	if list := told.all(); len(list) > 0 {
		t.Errorf("told: %q", list)
	}
}

// What the snapshot of a mended partition says is what kfake reads.
func TestSnapshotIsKfakes(t *testing.T) {
	t.Parallel()
	dir := written(t, false)
	raw, err := os.ReadFile(filepath.Join(dir, "partitions", topic+"-0", "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	var theirs map[string]any
	if err := json.Unmarshal(raw, &theirs); err != nil {
		t.Fatal(err)
	}
	ours, err := json.Marshal(snapshot{AbortedTxns: json.RawMessage("[]"), Segments: []segment{{}}})
	if err != nil {
		t.Fatal(err)
	}
	for key := range theirs {
		if key != "leader_node" && !strings.Contains(string(ours), `"`+key+`"`) {
			t.Errorf("kfake's snapshot has %q, which ours hasn't", key)
		}
	}
}
