package main

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/clients/all"
	"kafka-with-go/internal/embedded"
	"kafka-with-go/internal/lab"
)

const toMakeAgain = "go run ./04-comparison/bench -tables makes it again"

func TestMain(m *testing.M) {
	if work() {
		return // This process ran an errand, see errand.go.
	}
	os.Exit(m.Run())
}

// The tables and charts in the README are those that the kept results make.
func TestREADME(t *testing.T) {
	t.Parallel()
	root := lab.Root(t)
	r, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := chapter.Check(root, r.blocks()); err != nil {
		t.Errorf("%v; %s", err, toMakeAgain)
	}
	charts := r.charts()
	if len(charts) != 3 {
		t.Errorf("%d charts, want 3", len(charts))
	}
	for _, c := range charts {
		want, err := c.draw()
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, "04-comparison", "bench", c.file))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(want, []byte("#010203")) || !bytes.Contains(want, []byte("prefers-color-scheme: dark")) {
			t.Errorf("%s doesn't follow the reader's theme", c.file)
		}
		if runtime.GOARCH == "amd64" && !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
			t.Errorf("%s isn't what was measured: %s", c.file, toMakeAgain)
		}
	}
	for _, n := range clientNames() {
		for _, task := range []Task{Produce, Consume, Latency} {
			for _, way := range []string{asMatched, asDefaults} {
				if c := r.find(task, base, n, way); c == nil || len(c.Rounds) < 5 {
					t.Errorf("%s, %s, %s has fewer than five rounds", task, n, way)
				}
			}
		}
		if whyNotTheLimit[n] == "" || character[n] == "" || len(r.Shares[n+", produce"]) == 0 {
			t.Errorf("nothing is said of where %s spends its time", n)
		}
	}
}

// topicsLeft are the benchmark's topics on a cluster.
func topicsLeft(t *testing.T, addrs []string) []string {
	t.Helper()
	topics, err := kadm.NewClient(lab.Client(t, addrs)).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, "bench-") {
			left = append(left, name)
		}
	}
	return left
}

// Each client works in each task and each way, and leaves figures and no topic.
func TestTinyRun(t *testing.T) {
	t.Parallel()
	kafka, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	c, err := open(t.Context(), kafka.Addrs(), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.stored, c.slow = 1<<20, true
	o := Options{Base: true, Tasks: []Task{Produce, Consume, Latency}, Pace: Pace{Rounds: 1, Warm: 20 * time.Millisecond, For: 50 * time.Millisecond}}
	for _, client := range all.Clients() {
		if err := client.Available(); err != nil {
			t.Log(err)
			continue
		}
		o.Names = append(o.Names, client.Name())
	}
	r, err := measure(t.Context(), c, o)
	if err := errors.Join(err, c.close()); err != nil {
		t.Fatal(err)
	}
	for _, one := range r.Cases {
		if len(one.Rounds) != 1 {
			t.Errorf("%v: %d rounds, want 1", one, len(one.Rounds))
			continue
		}
		m := one.Rounds[0]
		if m.Records < 1 || m.Rate <= 0 {
			t.Errorf("%v: %+v", one, m)
		}
		if one.Client != javaName && one.Client != limitName && m.Allocations <= 0 {
			t.Errorf("%v allocates nothing: %+v", one, m)
		}
		if one.Task == Latency && (m.P50 <= 0 || m.P99 < m.P50) {
			t.Errorf("%v: p50 %v, p99 %v", one, m.P50, m.P99)
		}
	}
	if text := r.render(); !strings.Contains(text, "franz-go") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("the tables are\n%s", text)
	}
	if left := topicsLeft(t, kafka.Addrs()); len(left) > 0 {
		t.Errorf("topics are left: %v", left)
	}
}

// Whenever it is interrupted, no topic is left behind.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	kafka, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	c, err := open(t.Context(), kafka.Addrs(), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.stored, c.slow = 1<<20, true
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := measure(ctx, c, Options{
			Names: []string{"franz-go"}, Base: true, Tasks: []Task{Consume, Produce}, Pace: Pace{Rounds: 100, Warm: time.Second, For: time.Minute},
		})
		ended <- err
	}()
	for len(topicsLeft(t, kafka.Addrs())) < 2 { // one to receive from, and one that is written to
		select {
		case err := <-ended:
			t.Fatalf("it ended by itself: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("interrupted, it returns no error")
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
	if left := topicsLeft(t, kafka.Addrs()); len(left) > 0 {
		t.Errorf("topics are left: %v", left)
	}
}

// The limit's batches are Kafka's: another implementation reads them.
func TestLimitBatch(t *testing.T) {
	t.Parallel()
	const records = 300 // so that numbers take one byte and two
	encoded := appendBatch(nil, makeKeys(), []byte("value"), 7, records)
	if err := check(encoded); err != nil {
		t.Error(err)
	}
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(encoded); err != nil {
		t.Fatal(err)
	}
	if batch.Magic != 2 || batch.NumRecords != records || uint32(batch.CRC) != crc32.Checksum(encoded[checkedFrom:], castagnoli) || int(batch.Length) != len(encoded)-lengthFrom {
		t.Errorf("the batch is %+v", batch)
	}
	rest := batch.Records
	for i := range records {
		var r kmsg.Record
		if err := r.ReadFrom(rest); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if string(r.Value) != "value" || string(r.Key) != string(makeKeys()[7+i]) || int(r.OffsetDelta) != i {
			t.Fatalf("record %d is %+v", i, r)
		}
		rest = rest[int(r.Length)+varintSize(int(r.Length)):]
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes are left", len(rest))
	}
	encoded[len(encoded)-1]++
	if check(encoded) == nil {
		t.Error("a changed batch passes the check")
	}
}

// What Java's tools print is understood.
func TestJavaOutput(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		task Task
		text string
		want Measure
	}{
		{Produce, "99 records sent, 98.5 records/sec (1 MB/sec)\n250 records sent, 30.4 records/sec (2.89 MB/sec)\n125 steady state records sent, 26.5 records/sec (2 MB/sec)\n",
			Measure{Records: 125, Rate: 26.5}},
		{Consume, "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n" +
			"2026-11-23 16:00:00:000, 2026-11-23 16:00:01:000, 9.5, 9.5, 100, 80.0, 200, 800, 11.9, 125.0\n", Measure{Records: 100, Rate: 125}},
		{Latency, "Avg latency: 2.1 ms\nPercentiles: 50th = 2, 99th = 7, 99.9th = 9\n", Measure{Records: 100, P50: 2, P99: 7}},
	} {
		var got Measure
		if err := (javaRun{task: test.task, records: 100}).read(&got, test.text); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.task, got, err, test.want)
		}
		got = Measure{}
		if err := (javaRun{task: test.task, records: 100}).read(&got, "nothing\n"); err == nil {
			t.Errorf("%s: no figures, and no error", test.task)
		}
	}
}

// A ratio compares what was measured in the same round.
func TestRatio(t *testing.T) {
	t.Parallel()
	c := &Case{Rounds: []Measure{{Rate: 10}, {Rate: 2}, {Rate: 60}}}
	other := &Case{Rounds: []Measure{{Rate: 5}, {Rate: 1}, {Rate: 20}}}
	if got := c.ratio(other, rate); got != 2 {
		t.Errorf("the ratio is %v, want 2", got)
	}
	if got := c.ratio(nil, rate); got != 0 {
		t.Errorf("the ratio to nothing is %v", got)
	}
	if got := percentile([]float64{5, 1, 4, 2, 3}, 50); got != 3 {
		t.Errorf("the median is %v, want 3", got)
	}
}

// A profile's listing is summed up by what its functions do.
func TestSumUp(t *testing.T) {
	t.Parallel()
	shares, err := sumUp("Type: cpu\n      flat  flat%   sum%        cum   cum%\n" +
		"    500ms 50.00% 50.00%      500ms 50.00%  internal/runtime/syscall/linux.Syscall6\n" +
		"    300ms 30.00% 80.00%      800ms 80.00%  github.com/segmentio/kafka-go.(*Writer).WriteMessages\n" +
		"    200ms 20.00%   100%      200ms 20.00%  runtime.mallocgc\n")
	if err != nil {
		t.Fatal(err)
	}
	if shares[inSystem] != 50 || shares[inClient] != 30 || shares[inMemory] != 20 {
		t.Errorf("the shares are %v", shares)
	}
	if got := shares.biggest(2); got[0] != inSystem || got[1] != inClient {
		t.Errorf("the biggest are %v", got)
	}
}

// What can't be meant is refused.
func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-clients", "nobody"}, {"-tasks", "nothing"}, {"-write", "-quick"}, {"-write", "-base"}, {"-write", "-clients", "kafka-go"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	o, err := parse([]string{"-quick", "-clients", "franz-go,kafka-go"})
	if err != nil || strings.Join(o.Names, ",") != "kafka-go,franz-go" || o.Pace.Rounds != 1 {
		t.Errorf("the options are %+v, %v", o, err)
	}
}
