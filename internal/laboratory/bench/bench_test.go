package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
	"kafka-with-go/internal/testing/testkit"
)

const toMakeAgain = "go run ./04-comparison/bench -tables makes it again"

func TestMain(m *testing.M) { kit.RunTests(m) }

// The tables and charts in the page are those that the kept results make, and the page shows each.
func TestPage(t *testing.T) {
	t.Parallel()
	root := testkit.Root(t)
	var r Results
	if err := resultsFile.Load(root, &r); err != nil {
		t.Fatal(err)
	}
	if err := page.Check(root, r.parts()); err != nil {
		t.Errorf("%v; %s", err, toMakeAgain)
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page.Path)))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := r.charts()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range drawn {
		testkit.CheckChart(t, filepath.Join(root, "04-comparison", "bench", name), want, toMakeAgain)
		if !strings.Contains(string(text), "(bench/"+name+")") {
			t.Errorf("the page doesn't show %s", name)
		}
	}
	for _, one := range (Options{Names: clients.Names(), Kinds: allKinds}).plan(true) {
		kept := r.find(one.Kind, one.Point, one.Client, one.Way)
		if kept == nil || len(kept.Rounds) != r.Rounds {
			t.Errorf("%v wasn't measured in each of the %d rounds", one, r.Rounds)
		}
	}
	if err := adapter.Uneven(r.Settings); err != nil {
		t.Errorf("the settings that are published aren't even: %v", err)
	}
	if now := settings(clients.Names()); clients.Missing() == nil && !reflect.DeepEqual(now, r.Settings) {
		t.Errorf("the adapters set something else than is published (it was measured with that): measure again with %s", resultsFile.Command)
	}
}

// The flow that is measured has the settings of the program, which is for itself.
func TestFlow(t *testing.T) {
	t.Parallel()
	root := testkit.Root(t)
	program, err := os.ReadFile(filepath.Join(root, "03-together", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	flow, err := os.ReadFile(filepath.Join(root, "internal", "laboratory", "load", "flow.go"))
	if err != nil {
		t.Fatal(err)
	}
	spaces := regexp.MustCompile(`\s+`)
	for _, setting := range []string{
		"RequiredAcks: kafka.RequireAll", "BatchTimeout: time.Microsecond,", "MaxAttempts: 1,", "Balancer: kafka.Murmur2Balancer{}",
		"SessionTimeout: 10 * time.Second", "HeartbeatInterval: time.Second", "MaxWait: 500 * time.Millisecond",
	} {
		for _, text := range [][]byte{program, flow} {
			if !strings.Contains(spaces.ReplaceAllString(string(text), " "), setting) {
				t.Errorf("03-together and the flow that is measured don't both have %q", setting)
			}
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

// What the page says of the time from write to receive is what was measured.
func TestLatencySentences(t *testing.T) {
	t.Parallel()
	var r Results
	if err := resultsFile.Load(testkit.Root(t), &r); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(testkit.Root(t), "04-comparison", "BENCHMARK.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	way := func(name string) *Case {
		t.Helper()
		for _, c := range r.latencies() {
			if strings.HasSuffix(latencyName(c), name) {
				return c
			}
		}
		t.Fatalf("nothing was measured of %q", name)
		return nil
	}
	java, own, without := r.java(load.Latency, base), way("its own way"), way("without commits")
	linger := way("with a batch timeout of 1 ms")
	for says, holds := range map[string]bool{
		"within one and a half times what Java's tool takes": own.ratio(java, p50) <= 1.5,
		"Its slowest in a hundred are slower than Java's":    own.ratio(java, p99) > 1,
		"without commits they are faster":                    without.ratio(java, p99) < 1,
		"A batch timeout of 1 ms adds less to the first half than the commits do": linger.median(p50)-own.median(p50) <
			own.median(p50)-without.median(p50),
	} {
		if !strings.Contains(text, says) {
			t.Errorf("the page no longer says %q", says)
		} else if !holds {
			t.Errorf("the page says %q, and what was measured says otherwise", says)
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
	o := Options{Base: true, Kinds: allKinds, Pace: Pace{Rounds: 1, Warm: 20 * time.Millisecond, For: 50 * time.Millisecond}}
	for _, c := range clients.Available() {
		o.Names = append(o.Names, c.Name())
	}
	keep := func(Results) error { return nil }
	r, err := o.measure(t.Context(), b, Results{}, keep)
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
		if one.Client != javaName && m.Allocations <= 0 {
			t.Errorf("%v allocates nothing: %+v", one, m)
		}
		if one.Kind == load.Latency && (m.P50 <= 0 || m.P99 < m.P50) {
			t.Errorf("%v: p50 %v, p99 %v", one, m.P50, m.P99)
		}
	}
	text := fmt.Sprint(r.parts())
	if !strings.Contains(text, "franz-go") || strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("the tables are\n%s", text)
	}
	if left := topicsLeft(t, b.addrs); len(left) > 0 {
		t.Errorf("topics are left: %v", left)
	}
}

// Into a file go lines, and no codes that write a terminal's line over.
func TestProgressIntoAFile(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "progress"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := newProgress(file, 2, 10)
	for i := range 20 {
		p.next(i/10, &Case{})
	}
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(string(text), "\n"); len(lines) != 3 || strings.ContainsAny(string(text), "\r\x1b") {
		t.Errorf("into a file goes %q, want two lines", text)
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
		_, err := o.measure(ctx, b, Results{}, func(Results) error { return nil })
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
		{load.Consume, "time, threadId, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec\n" +
			"2026-11-23 16:00:00:500, 0, 1, 1.0, 1000, 9.5\n2026-11-23 16:00:01:000, 0, 2, 2.0, 51000, 9.5\n" +
			"2026-11-23 16:00:02:000, 0, 2, 2.0, 91000, 9.5\n", load.Measure{Records: 40_000, Rate: 40_000}},
		{load.Latency, "400.0 records/s, 50th 2.250 ms, 99th 7.100 ms\n", load.Measure{Records: 50_000, Rate: 400, P50: 2.25, P99: 7.1}},
	} {
		var got load.Measure
		if err := (javaRun{kind: test.kind, records: 50_000}).read(&got, test.text); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v, want %+v", test.kind, got, err, test.want)
		}
		got = load.Measure{}
		if err := (javaRun{kind: test.kind, records: 50_000}).read(&got, "nothing\n"); err == nil {
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

// The sign test is the exact one.
func TestChance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		ahead, of int
		want      float64
	}{{7, 7, 2.0 / 128}, {6, 7, 16.0 / 128}, {0, 7, 2.0 / 128}, {5, 5, 2.0 / 32}, {2, 4, 1}, {0, 0, 1}} {
		if got := chance(wins(test.ahead, test.of)); got != test.want {
			t.Errorf("%d of %d: %v, want %v", test.ahead, test.of, got, test.want)
		}
	}
	if got := chance([]float64{1, 1, 2}); got != 1 {
		t.Errorf("one round ahead and two equal ones: %v", got)
	}
}

// A run that was interrupted goes on with what it has measured, if nothing has changed since.
func TestGoOn(t *testing.T) {
	t.Parallel()
	o := Options{Names: clients.Names(), Kinds: allKinds}
	before := Results{Machine: "m", Settings: settings(o.Names), Cases: o.plan(false)[:2]}
	before.Cases[1].Rounds = make([]load.Measure, 3)
	r := Results{Machine: "m", Settings: settings(o.Names), Cases: o.plan(true)}
	if r.goOn(before); len(r.Cases[1].Rounds) != 3 || len(r.Cases[2].Rounds) != 0 {
		t.Errorf("it goes on with %+v", r.Cases[:3])
	}
	r.Cases, before.Settings = o.plan(true), settings(o.Names[1:])
	if r.goOn(before); len(r.Cases[1].Rounds) != 0 {
		t.Error("it goes on with what was measured with other settings")
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
