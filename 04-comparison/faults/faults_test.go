package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kafka-with-go/internal/apache"
	"kafka-with-go/internal/embedded"
	"kafka-with-go/internal/lab"
	"kafka-with-go/internal/ledger"
)

func TestMain(m *testing.M) {
	if work() {
		return // This process ran an errand, see worker.go.
	}
	os.Exit(m.Run())
}

func committed(t *testing.T) *keeping {
	t.Helper()
	k, err := load(filepath.Join(lab.Root(t), filepath.FromSlash(committedResults)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Text, tables and chart are those that the kept results make.
func TestChapter(t *testing.T) {
	t.Parallel()
	k, root := committed(t), lab.Root(t)
	if err := chapter.Check(root, k.parts()); err != nil {
		t.Error(err)
	}
	want, err := k.chart().draw()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, "04-comparison", "faults", chartFile))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(want, []byte("#010203")) || !bytes.Contains(want, []byte("prefers-color-scheme: dark")) {
		t.Error("the chart doesn't follow the reader's theme")
	}
	if runtime.GOARCH == "amd64" && !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
		t.Errorf("the chart isn't what was measured: %s", chapter.Command)
	}
}

// What is committed is a whole set: every drill, for every way that takes part in it,
// three rounds at least, with the versions of this module's clients.
func TestCommittedSet(t *testing.T) {
	t.Parallel()
	k := committed(t)
	for _, d := range drills() {
		for _, w := range ways() {
			if n := len(k.of(d.ID, w.ID)); d.takes(w) && n < 3 {
				t.Errorf("%s, %s: %d rounds, want 3 or more", d.ID, w.ID, n)
			}
		}
	}
	mod, err := os.ReadFile(filepath.Join(lab.Root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for client, version := range k.setup.Versions {
		if !strings.Contains(string(mod), version+"\n") {
			t.Errorf("%s %s was drilled, and go.mod has another version", client, version)
		}
	}
	if len(k.setup.Versions) != 5 {
		t.Errorf("the versions are %v", k.setup.Versions)
	}
}

// quickly is a blow for the embedded cluster: a broker dies, and comes back.
func quickly(ctx context.Context, s *scene) error {
	if err := s.kill(ctx, 2); err != nil {
		return err
	}
	if err := sleep(ctx, time.Second); err != nil {
		return err
	}
	return s.restart(ctx, 2)
}

// suddenly is a blow for a group: a member dies, and another comes at once.
func suddenly(ctx context.Context, l *lane) error {
	if err := l.processes[0].kill(); err != nil {
		return err
	}
	return l.begin(0)
}

// embeddedRunner is a runner on an embedded cluster of its own.
func embeddedRunner(t *testing.T) *runner {
	t.Helper()
	c, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	v, err := newView(c.Addrs(), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	return &runner{o: Options{Rate: 300}, root: lab.Root(t), dir: t.TempDir(), cluster: inProcess{c}, view: v}
}

func availableWays(side Side, include func(Way) bool) []Way {
	return slices.DeleteFunc(ways(), func(w Way) bool {
		return w.unavailable() != nil || side == Consumers && sameConsumer[w.ID] || !include(w)
	})
}

// Each client goes through a short drill: as shown, made safe, and as a program. The
// careful ones lose nothing.
func TestEachClient(t *testing.T) {
	for _, d := range []Drill{
		{ID: "broker-dies", Side: Producers, strike: quickly},
		{ID: "member-dies", Side: Consumers, strike: forLanes(suddenly)},
	} {
		t.Run(d.ID, func(t *testing.T) {
			t.Parallel()
			include := anyWay
			if d.Side == Consumers {
				include = careful // The sessions of the others are up to 45 s.
			}
			ws := availableWays(d.Side, include)
			results, err := embeddedRunner(t).run(t.Context(), d, 1, ws)
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != len(ws) {
				t.Fatalf("%d results of %d ways", len(results), len(ws))
			}
			for _, r := range results {
				losesNothing(t, r)
				if r.Written != nil && r.Written.Acked == 0 {
					t.Errorf("%s wrote nothing: %v", r.Way, r.Says)
				}
			}
		})
	}
}

// losesNothing checks what can't depend on noise: a careful way loses nothing.
func losesNothing(t *testing.T, r Result) {
	t.Helper()
	w, err := wayByID(r.Way)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, %s: %s", r.Drill, r.Way, r.sum())
	if w.How == AsShown {
		return
	}
	if r.Written != nil && r.Written.Lost > 0 {
		t.Errorf("%s, %s: %d acknowledged records are lost; events: %v; it said: %q", r.Drill, r.Way, r.Written.Lost, r.Events, r.Says)
	}
	if r.Consumed != nil && r.Consumed.Never > 0 {
		t.Errorf("%s, %s: nobody worked on %d acknowledged records; events: %v; it said: %q", r.Drill, r.Way, r.Consumed.Never, r.Events, r.Says)
	}
}

// The quick form on Apache Kafka: the safe ways and the programs lose nothing. What it
// kept isn't run again.
func TestQuickOnApacheKafka(t *testing.T) {
	if why := apache.Unavailable(); why != "" {
		t.Skip(why)
	}
	o, err := parse([]string{"-quick", "-clients", "safe,program", "-together", "6", "-rate", "500"})
	if err != nil {
		t.Fatal(err)
	}
	o.Ways = slices.DeleteFunc(o.Ways, func(w Way) bool { return w.unavailable() != nil })
	open, name, err := opener(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	k, err := keep(filepath.Join(t.TempDir(), "results.jsonl"), Setup{Cluster: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.measure(t.Context(), lab.Root(t), k, open); err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, d := range o.Drills {
		for _, w := range o.Ways {
			if d.takes(w) {
				want++
			}
		}
	}
	if len(k.results) != want {
		t.Errorf("%d results, want %d", len(k.results), want)
	}
	for _, r := range k.results {
		losesNothing(t, r)
	}
	again, err := load(k.path)
	if err != nil {
		t.Fatal(err)
	}
	if left := o.jobs(again, func(Drill) bool { return true }); len(left) > 0 {
		t.Errorf("what is kept would be run again: %v", left)
	}
}

// Ctrl-C in the middle ends every process, and leaves no topic behind.
func TestStop(t *testing.T) {
	t.Parallel()
	r := embeddedRunner(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var processes []*process
	d := Drill{ID: "stopped", Side: Producers, strike: func(ctx context.Context, s *scene) error {
		for _, l := range s.lanes {
			processes = append(processes, l.started...)
		}
		cancel()
		return sleep(ctx, time.Minute)
	}}
	ws := availableWays(Producers, func(w Way) bool { return w.ID == "franz-go/safe" || w.ID == "04-comparison/franz-go" })
	if _, err := r.run(ctx, d, 1, ws); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if len(processes) != len(ws) {
		t.Errorf("%d processes were started for %d ways", len(processes), len(ws))
	}
	for _, p := range processes {
		if p.alive() {
			t.Errorf("process %d lives", p.command.Process.Pid)
		}
	}
	topics, err := r.view.adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if names := topics.Names(); len(names) > 0 {
		t.Errorf("topics are left: %v", names)
	}
}

// A run goes on where it was, and not with another set-up.
func TestResume(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "results.jsonl")
	setup := Setup{Cluster: "one", Rate: 100, Versions: map[string]string{"kafka-go": "v1"}}
	k, err := keep(path, setup)
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-rounds", "2", "-drills", "leader-killed,leader-cut-off", "-clients", "safe", "-together", "3"})
	if err != nil {
		t.Fatal(err)
	}
	anything := func(Drill) bool { return true }
	show := func(jobs []job) (out []string) {
		for _, j := range jobs {
			var ids []string
			for _, w := range j.ways {
				ids = append(ids, w.ID)
			}
			out = append(out, fmt.Sprint(j.round, j.drill.ID, ids))
		}
		return out
	}
	all := show(o.jobs(k, anything))
	if len(all) != 8 || !strings.HasPrefix(all[0], "1leader-killed[kafka-go/safe sarama/safe confluent") {
		t.Errorf("the jobs are %q", all)
	}
	for _, w := range o.Ways[:3] {
		if err := k.add(Result{Drill: "leader-killed", Way: w.ID, Round: 1, Written: &ledger.Written{Lost: 1}}); err != nil {
			t.Fatal(err)
		}
	}
	again, err := keep(path, setup)
	if err != nil {
		t.Fatal(err)
	}
	if left := show(o.jobs(again, anything)); !slices.Equal(left, all[1:]) {
		t.Errorf("what is left is %q, want %q", left, all[1:])
	}
	if got := again.of("leader-killed", "sarama/safe"); len(got) != 1 || got[0].Written.Lost != 1 {
		t.Errorf("kept was %+v", got)
	}
	setup.Versions = map[string]string{"kafka-go": "v2"}
	if _, err := keep(path, setup); err == nil {
		t.Error("results of different versions are mixed")
	}
}

// A drill that the cluster can't do is left out.
func TestNeeds(t *testing.T) {
	t.Parallel()
	for _, d := range drills() {
		if d.needs != nil && d.Side == Producers && d.needs(inProcess{}) {
			t.Errorf("the embedded cluster can do %s", d.ID)
		}
		if d.needs != nil && !d.needs(&apache.Cluster{}) && runtime.GOOS != "windows" {
			t.Errorf("Apache Kafka can't do %s", d.ID)
		}
	}
}

// What can't be meant is refused.
func TestFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-clients", "nobody"}, {"-drills", "nothing"}, {"-rounds", "0"}, {"-together", "0"}, {"-rate", "1"},
		{"-write", "-quick"}, {"-write", "-docker"}, {"-docker", "-embedded"}, {"more"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	o, err := parse([]string{"-clients", "sarama/sync,goka", "-drills", "consumers"})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Ways) != 4 || len(o.Drills) != 5 {
		t.Errorf("%d ways and %d drills are chosen", len(o.Ways), len(o.Drills))
	}
}

// A cell shows the median and the range, and says so where only some rounds have any.
func TestCell(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []int
		want   string
	}{
		{nil, ""},
		{[]int{0, 0, 0}, "0"},
		{[]int{7, 7, 7}, "**7**"},
		{[]int{12000, 1, 500}, "**500** (1 to 12,000)"},
		{[]int{0, 3, 0}, "varies: up to 3, in 1 of 3 rounds"},
	} {
		if got := cell(test.values); got != test.want {
			t.Errorf("%v is shown as %q, want %q", test.values, got, test.want)
		}
	}
	if got := seconds([]time.Duration{12 * time.Second, 2500 * time.Millisecond, 11 * time.Second}); got != "11 (2.5 to 12)" {
		t.Errorf("times are shown as %q", got)
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is shown as %s", n, got)
		}
	}
}

// A blow that several ways met is one blow.
func TestTotals(t *testing.T) {
	t.Parallel()
	k := &keeping{results: []Result{
		{Drill: "leader-killed", Way: "sarama/safe", At: "1", Kills: 2, Pauses: 1, Written: &ledger.Written{Acked: 10, Repeated: 1}},
		{Drill: "leader-killed", Way: "goka/safe", At: "1", Kills: 2, Pauses: 1, Written: &ledger.Written{Acked: 20}, Consumed: &ledger.Consumed{Acked: 5, Never: 1}},
		{Drill: "leader-killed", Way: "goka/default", At: "2", Kills: 7, Written: &ledger.Written{Acked: 100, Lost: 50}},
	}}
	if kills, pauses, runs := k.blows(careful); kills != 2 || pauses != 1 || runs != 1 {
		t.Errorf("%d kills, %d pauses in %d runs", kills, pauses, runs)
	}
	if got := k.total(careful); got.rounds != 2 || got.blows != 6 || got.acked != 30 || got.repeated != 1 || got.lost != 0 || got.never != 1 {
		t.Errorf("the total is %+v", got)
	}
}

// The compose cluster is touched only by who agreed, and is left whole.
func TestDocker(t *testing.T) {
	t.Parallel()
	var ran []string
	services := "kafka-1\nkafka-2\nkafka-3\n"
	c := &compose{run: func(args ...string) (string, error) {
		line := strings.Join(args, " ")
		ran = append(ran, line)
		switch {
		case strings.HasSuffix(line, "running"):
			return services, nil
		case strings.HasSuffix(line, "paused"):
			return "kafka-3\n", nil
		}
		return "", nil
	}}
	for _, answer := range []string{"n\n", "\n", "", "maybe\n"} {
		if err := c.ask(strings.NewReader(answer), io.Discard); !errors.Is(err, errNotAgreed) {
			t.Errorf("%q is taken for a yes: %v", answer, err)
		}
	}
	if err := c.ask(strings.NewReader("y\n"), io.Discard); err != nil {
		t.Error(err)
	}
	services = "kafka-1\n"
	if err := c.ask(strings.NewReader("y\n"), io.Discard); err == nil || !strings.Contains(err.Error(), "docker compose up") {
		t.Errorf("with one broker: %v", err)
	}
	ran = nil
	if err := errors.Join(c.Kill(2), c.StartBroker(2), c.Pause(3), c.Resume(3), c.Pause(3), c.Close()); err != nil {
		t.Fatal(err)
	}
	want := []string{"kill kafka-2", "start kafka-2", "pause kafka-3", "unpause kafka-3", "pause kafka-3",
		"ps --services --status paused", "unpause kafka-3", "start"}
	if !slices.Equal(ran, want) {
		t.Errorf("docker compose was run with %q, want %q", ran, want)
	}
	file, err := os.ReadFile(filepath.Join(lab.Root(t), "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for i, addr := range c.Addrs() {
		if text := string(file); !strings.Contains(text, "EXTERNAL://"+addr) || !strings.Contains(text, fmt.Sprintf("\n  kafka-%d:\n", i+1)) {
			t.Errorf("docker-compose.yml has no kafka-%d at %s", i+1, addr)
		}
	}
}

// Groups that are to meet the same blow have the same coordinator.
func TestSameCoordinator(t *testing.T) {
	t.Parallel()
	if got := javaHash("message-log"); got != -874267522 { // what Java's "message-log".hashCode() is
		t.Errorf("the hash is %d", got)
	}
	for _, name := range []string{"a", "b", "drill-1-2-group"} {
		if got := (javaHash(sameCoordinator(name)) & 0x7fffffff) % 3; got != 0 {
			t.Errorf("%s is in partition %d", name, got)
		}
	}
}

// citation is a link in the chapter to a line of a client's source, with its code as the text.
var citation = regexp.MustCompile("\\[`([^`]+)`\\]\\(https://github\\.com/([\\w-]+/[\\w-]+)/blob/([^/]+)/([^#)]+)#L(\\d+)\\)")

// What the chapter quotes of the clients' sources stands there, in the line and the
// version that it names, which is the version of this module.
func TestCitations(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(lab.Root(t), filepath.FromSlash(chapter.Path)))
	if err != nil {
		t.Fatal(err)
	}
	found := citation.FindAllStringSubmatch(string(text), -1)
	if links := strings.Count(string(text), "/blob/"); links != len(found) || links == 0 {
		t.Errorf("%d links lead to sources, and %d of them quote a line", links, len(found))
	}
	for _, m := range found {
		code, repository, version, file := m[1], m[2], m[3], m[4]
		module := "github.com/" + repository
		if repository == "confluentinc/confluent-kafka-go" {
			module += "/v2"
		}
		output, err := exec.Command("go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", module).Output()
		if err != nil {
			t.Errorf("%s: %v", module, err)
			continue
		}
		used, dir, _ := strings.Cut(strings.TrimSpace(string(output)), " ")
		if dir == "" { // confluent-kafka-go's, where nothing is built with C.
			t.Logf("not looked at, since the module isn't on this machine: %s", m[0])
			continue
		}
		if used != version {
			t.Errorf("the chapter quotes %s %s, and go.mod has %s", module, version, used)
		}
		source, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if err != nil {
			t.Error(err)
			continue
		}
		lines := strings.Split(string(source), "\n")
		if n, _ := strconv.Atoi(m[5]); n < 1 || n > len(lines) || !strings.Contains(lines[n-1], code) {
			t.Errorf("line %s of %s of %s isn't %q", m[5], file, module, code)
		}
	}
}

// What the chapter says in words about a client is so in every round that is kept:
// some of it in each of the named drills, or none in any.
func TestSentences(t *testing.T) {
	t.Parallel()
	k := committed(t)
	const broker = "leader-killed each-in-turn controller-killed"
	for _, s := range []struct {
		ways    string
		measure string
		drills  string // "" for every drill of the measure's side
		some    bool
	}{
		{"kafka-go/Writer kafka-go/Async", "lost", broker + " leader-paused leader-cut-off disk-full two-gone", true},
		{"kafka-go/Async", "lost", producerKilled, true},
		{"kafka-go/NewWriter", "lost", "", false},
		{"kafka-go/NewWriter kafka-go/safe", "repeated", broker + " leader-paused leader-cut-off", true},
		{"kafka-go/NewWriter", "failed", broker, true},
		{"kafka-go/Writer", "failed", broker, true},
		{"sarama/sync sarama/async", "lost", "leader-paused leader-cut-off", true},
		{"sarama/sync sarama/async", "failed", broker + " two-gone", true},
		{"goka/default", "lost", "leader-paused leader-cut-off", true},
		{"goka/default", "failed", broker + " two-gone", true},
		{"confluent-kafka-go/default franz-go/default", "lost", "", false},
		{"confluent-kafka-go/default franz-go/default", "failed", "", false},
		{"franz-go/default franz-go/safe sarama/safe confluent-kafka-go/safe goka/safe", "repeated", "", false},
		{"kafka-go/NewWriter kafka-go/safe sarama/sync sarama/async sarama/safe " +
			"confluent-kafka-go/safe goka/default goka/safe franz-go/default franz-go/safe", "out of order", "", false},
		{"sarama/async confluent-kafka-go/default goka/default", "never worked on", "partitions-added", true},
		{"confluent-kafka-go/default", "never worked on", "comes-and-goes", true},
		{"04-comparison/goka", "never worked on", "partitions-added", true},
		{"franz-go/default franz-go/safe", "worked on twice", "member-paused", true},
	} {
		for _, side := range []Side{Producers, Consumers} {
			for _, m := range measures(side) {
				if m.name != s.measure {
					continue
				}
				for _, d := range k.drillsOf(side) {
					if s.drills != "" && !slices.Contains(strings.Fields(s.drills), d.ID) {
						continue
					}
					for way := range strings.FieldsSeq(s.ways) {
						for _, n := range counts(k.of(d.ID, way), m) {
							if (n > 0) != s.some {
								t.Errorf("%s, %s, %s: %d, and the chapter says otherwise", d.ID, way, m.name, n)
							}
						}
					}
				}
			}
		}
	}
	for _, r := range k.results {
		if r.Way == "04-comparison/goka" && r.Drill == "partitions-added" {
			continue // It stands still: the chapter says so, and it is checked above.
		}
		losesNothing(t, r)
	}
}
