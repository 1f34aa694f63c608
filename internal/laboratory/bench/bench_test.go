package bench

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
	"kafka-with-go/internal/testing/testkit"
)

const toMakeAgain = "go run ./04-comparison/bench -tables makes it again"

func TestMain(m *testing.M) { kit.RunTests(m) }

// The tables and charts in the README are those that the kept results make.
func TestREADME(t *testing.T) {
	t.Parallel()
	root := testkit.Root(t)
	var r Results
	if err := resultsFile.Load(root, &r); err != nil {
		t.Fatal(err)
	}
	parts, err := r.parts()
	if err := errors.Join(err, chapter.Check(root, parts)); err != nil {
		t.Errorf("%v; %s", err, toMakeAgain)
	}
	drawn, err := r.charts()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range drawn {
		testkit.CheckChart(t, filepath.Join(root, "04-comparison", "bench", name), want, toMakeAgain)
		if !strings.Contains(parts["bench"], "(bench/"+name+")") {
			t.Errorf("the chapter doesn't show %s", name)
		}
	}
	for _, c := range clients.Names() {
		for _, kind := range []load.Kind{load.Produce, load.Consume, load.Latency} {
			for _, way := range []string{asMatched, asDefaults} {
				if one := r.find(kind, base, c, way); one == nil || len(one.Rounds) < 5 {
					t.Errorf("%s, %s, %s has fewer than five rounds", kind, c, way)
				}
			}
		}
		said := strings.Count(parts["bench"], "\n- **"+c+"**")
		if want := 3; said != want { // what it is, what is set, where its time goes
			t.Errorf("%s has %d sentences, want %d", c, said, want)
		}
		if len(r.Shares[c+", produce"]) == 0 {
			t.Errorf("%s has no profile", c)
		}
	}
}

// topicsLeft are the benchmark's topics on a cluster.
func topicsLeft(t *testing.T, addrs []string) []string {
	t.Helper()
	topics, err := kadm.NewClient(testkit.Client(t, addrs)).ListTopics(t.Context())
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

// A chart for which something wasn't measured is an error, and none is drawn without it.
func TestIncompleteCharts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"goka", javaName} {
		var r Results
		if err := resultsFile.Load(testkit.Root(t), &r); err != nil {
			t.Fatal(err)
		}
		r.Cases = slices.DeleteFunc(r.Cases, func(c Case) bool { return c.Client == name })
		if drawn, err := r.charts(); err == nil || !strings.Contains(err.Error(), name) || drawn != nil {
			t.Errorf("without %s: %d charts, %v", name, len(drawn), err)
		}
	}
}

// testBrokers is an embedded cluster that lives on when the benchmark is done with it.
func testBrokers(t *testing.T) *brokers {
	t.Helper()
	kafka, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	b := newBrokers()
	b.use(kafka)
	b.stored = 1 << 20
	b.end = func() error { return nil }
	if err := b.connect(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	return b
}

// Each client works in each task and each way, and leaves figures and no topic.
func TestTinyRun(t *testing.T) {
	t.Parallel()
	b := testBrokers(t)
	o := Options{Base: true, Kinds: []load.Kind{load.Produce, load.Consume, load.Latency}, Pace: Pace{Rounds: 1, Warm: 20 * time.Millisecond, For: 50 * time.Millisecond}}
	for _, c := range clients.Available() {
		o.Names = append(o.Names, c.Name())
	}
	keep := func(Results) error { return nil }
	r, err := o.measure(t.Context(), b, nil, keep)
	if err := errors.Join(err, b.close()); err != nil {
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
		if one.Kind == load.Latency && (m.P50 <= 0 || m.P99 < m.P50) {
			t.Errorf("%v: p50 %v, p99 %v", one, m.P50, m.P99)
		}
	}
	text, err := r.render("tables")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "franz-go") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("the tables are\n%s", text)
	}
	if left := topicsLeft(t, b.addrs); len(left) > 0 {
		t.Errorf("topics are left: %v", left)
	}
}

// Whenever it is interrupted, no topic is left behind.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	b := testBrokers(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		o := Options{
			Names: []string{"franz-go"}, Base: true, Kinds: []load.Kind{load.Consume, load.Produce},
			Pace: Pace{Rounds: 100, Warm: time.Second, For: time.Minute},
		}
		_, err := o.measure(ctx, b, nil, func(Results) error { return nil })
		ended <- err
	}()
	for len(topicsLeft(t, b.addrs)) < 2 { // one to receive from, and one that is written to
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
	if err := b.close(); err != nil {
		t.Error(err)
	}
	if left := topicsLeft(t, b.addrs); len(left) > 0 {
		t.Errorf("topics are left: %v", left)
	}
}

// What Java's tools print is understood.
func TestJavaOutput(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind load.Kind
		text string
		want load.Measure
	}{
		{load.Produce, "99 records sent, 98.5 records/sec (1 MB/sec)\n250 records sent, 30.4 records/sec (2.89 MB/sec)\n125 steady state records sent, 26.5 records/sec (2 MB/sec)\n",
			load.Measure{Records: 125, Rate: 26.5}},
		{load.Consume, "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n" +
			"2026-11-23 16:00:00:000, 2026-11-23 16:00:01:000, 9.5, 9.5, 100, 80.0, 200, 800, 11.9, 125.0\n", load.Measure{Records: 100, Rate: 125}},
		{load.Latency, "Avg latency: 2.5 ms\nPercentiles: 50th = 2, 99th = 7, 99.9th = 9\n", load.Measure{Records: 100, Rate: 400, P50: 2, P99: 7}},
	} {
		var got load.Measure
		if err := (javaRun{kind: test.kind, records: 100}).read(&got, test.text); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.kind, got, err, test.want)
		}
		got = load.Measure{}
		if err := (javaRun{kind: test.kind, records: 100}).read(&got, "nothing\n"); err == nil {
			t.Errorf("%s: no figures, and no error", test.kind)
		}
	}
}

// A ratio compares what was measured in the same round.
func TestRatio(t *testing.T) {
	t.Parallel()
	c := &Case{Rounds: []load.Measure{{Rate: 10}, {Rate: 2}, {Rate: 60}}}
	other := &Case{Rounds: []load.Measure{{Rate: 5}, {Rate: 1}, {Rate: 20}}}
	if got := c.ratio(other, rate); got != 2 {
		t.Errorf("the ratio is %v, want 2", got)
	}
	if got := c.ratio(nil, rate); got != 0 {
		t.Errorf("the ratio to nothing is %v", got)
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
	if got := shares.Biggest(2); got[0] != inSystem || got[1] != inClient {
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
