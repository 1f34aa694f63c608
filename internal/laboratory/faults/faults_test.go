package faults

import (
	"context"
	"errors"
	"fmt"
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

	"github.com/google/go-cmp/cmp"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/faults/checker"
	"kafka-with-go/internal/laboratory/faults/history"
	"kafka-with-go/internal/laboratory/faults/report"
	"kafka-with-go/internal/laboratory/faults/scenario"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/testing/testkit"
)

func TestMain(m *testing.M) { kit.RunTests(m) }

func committed(t *testing.T) *report.Results {
	t.Helper()
	r, err := report.Load(filepath.Join(testkit.Root(t), filepath.FromSlash(report.Committed)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Text, tables and chart are those that the kept results make.
func TestChapter(t *testing.T) {
	t.Parallel()
	r, root := committed(t), testkit.Root(t)
	parts, err := r.Parts()
	if err := errors.Join(err, report.Chapter.Check(root, parts)); err != nil {
		t.Error(err)
	}
	want, err := r.Chart()
	if err != nil {
		t.Fatal(err)
	}
	testkit.CheckChart(t, filepath.Join(root, "04-comparison", "faults", "faults.svg"), want, report.Chapter.Command)
}

// What is committed is a whole set: every drill, for every way that takes part in it,
// three rounds at least, with the versions of this module's clients.
func TestCommittedSet(t *testing.T) {
	t.Parallel()
	r := committed(t)
	for _, d := range scenario.Drills() {
		var few []string
		for _, w := range workload.Ways() {
			if d.Takes(w) && len(r.Of(d.ID, w.ID)) < 3 {
				few = append(few, w.ID)
			}
		}
		if few != nil {
			t.Errorf("%s: fewer than three rounds are kept of %s: go run ./04-comparison/faults -drills %s -write",
				d.ID, strings.Join(few, ", "), d.ID)
		}
	}
	mod, err := os.ReadFile(filepath.Join(testkit.Root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients.All() {
		version := r.Setup.Versions[c.Name()]
		if !strings.Contains(string(mod), c.Module+" "+version+"\n") {
			t.Errorf("%s %q was drilled, and go.mod has another version", c.Name(), version)
		}
	}
}

// brokerDies is a drill for the embedded cluster: a broker dies, and comes back.
var brokerDies = scenario.Drill{
	ID: "broker-dies", Side: workload.Producers,
	Fault: scenario.Sequence(
		scenario.Choose(2), scenario.Kill, scenario.Wait[*scenario.Run](time.Second), scenario.Restart),
}

// memberDies is a drill for a group: a member dies, and another comes at once.
var memberDies = scenario.Drill{
	ID: "member-dies", Side: workload.Consumers,
	Fault: scenario.Each(func(_ context.Context, w *workload.Workload) error {
		if err := w.First().Kill(); err != nil {
			return err
		}
		return w.Begin(0)
	}),
}

// embeddedRunner is a runner on an embedded cluster of its own, in a hurry: no test here
// depends on how long a workload runs before its fault.
func embeddedRunner(t *testing.T) *runner {
	t.Helper()
	r, err := newRunner(Options{Rate: 300, Embedded: true, Histories: t.TempDir()}, testkit.Root(t))
	if err != nil {
		t.Fatal(err)
	}
	start, _, err := r.o.cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.open(t.Context(), start, false); err != nil {
		t.Fatal(err)
	}
	r.pace = scenario.Pace{Settle: 500 * time.Millisecond, Warm: time.Second, Hold: time.Second}
	t.Cleanup(func() {
		if err := errors.Join(r.closeCluster(), os.RemoveAll(r.dir)); err != nil {
			t.Error(err)
		}
	})
	return r
}

func availableWays(d scenario.Drill, include func(workload.Way) bool) []workload.Way {
	return slices.DeleteFunc(workload.Ways(), func(w workload.Way) bool {
		return w.Unavailable() != nil || !d.Takes(w) || !include(w)
	})
}

// Each client goes through a short drill: as shown, made safe, and as a program. The
// careful ones lose nothing, and a history that was kept is judged as it was at first.
func TestEachClient(t *testing.T) {
	for _, d := range []scenario.Drill{brokerDies, memberDies} {
		t.Run(d.ID, func(t *testing.T) {
			t.Parallel()
			include := func(workload.Way) bool { return true }
			if d.Side == workload.Consumers {
				include = workload.Way.Careful // The sessions of the others are up to 45 s.
			}
			ways := availableWays(d, include)
			r := embeddedRunner(t)
			results, err := r.run(t.Context(), d, 1, ways)
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != len(ways) {
				t.Fatalf("%d results of %d ways", len(results), len(ways))
			}
			for i, one := range results {
				losesNothing(t, one)
				if one.Written != nil && one.Written.Acked == 0 {
					t.Errorf("%s wrote nothing: %v", one.Way, one.Says)
				}
				judgedAgain(t, r.o.Histories, d, ways[i], one)
			}
		})
	}
}

// judgedAgain checks that a history that was kept is judged as it was at first, but for what
// is less than a millisecond.
func judgedAgain(t *testing.T, dir string, d scenario.Drill, way workload.Way, first report.Result) {
	t.Helper()
	h, err := history.Load(historyPath(dir, d.ID, way.ID, 1))
	if err != nil {
		t.Fatal(err)
	}
	again := judge(d, way, h)
	for _, one := range []*report.Result{&first, &again} {
		if one.Written != nil {
			one.Written.Stall, one.Written.Waits = one.Written.Stall.Round(time.Millisecond), nil
		}
		if one.Consumed != nil {
			one.Consumed.Stall = one.Consumed.Stall.Round(time.Millisecond)
		}
	}
	if diff := cmp.Diff(first.Written, again.Written); diff != "" {
		t.Errorf("%s is judged differently from its history:\n%s", way.ID, diff)
	}
	if diff := cmp.Diff(first.Consumed, again.Consumed); diff != "" {
		t.Errorf("%s is judged differently from its history:\n%s", way.ID, diff)
	}
}

// losesNothing checks what can't depend on noise: a careful way loses nothing.
func losesNothing(t *testing.T, r report.Result) {
	t.Helper()
	w, err := workload.ByID(r.Way)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s, %s: %s", r.Drill, r.Way, r.Sum())
	if !w.Careful() {
		return
	}
	if r.Written != nil && r.Written.Lost > 0 {
		t.Errorf("%s, %s: %d acknowledged records are lost; events: %v; it said: %q",
			r.Drill, r.Way, r.Written.Lost, r.Events, r.Says)
	}
	if r.Consumed != nil && r.Consumed.Never > 0 {
		t.Errorf("%s, %s: nobody worked on %d acknowledged records; events: %v; it said: %q",
			r.Drill, r.Way, r.Consumed.Never, r.Events, r.Says)
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
	o.leaveOutMissing()
	start, name, err := o.cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := report.Open(filepath.Join(t.TempDir(), "results.jsonl"), report.Setup{Cluster: name})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.measure(t.Context(), testkit.Root(t), kept, start); err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, d := range o.Drills {
		for _, w := range o.Ways {
			if d.Takes(w) {
				want++
			}
		}
	}
	if len(kept.All) != want {
		t.Errorf("%d results, want %d", len(kept.All), want)
	}
	for _, r := range kept.All {
		losesNothing(t, r)
	}
	again, err := report.Load(kept.Path)
	if err != nil {
		t.Fatal(err)
	}
	if left := o.plans(again, func(scenario.Drill) bool { return true }); len(left) > 0 {
		t.Errorf("what is kept would be run again: %v", left)
	}
}

// Ctrl-C in the middle ends every process, and leaves no topic behind.
func TestStop(t *testing.T) {
	t.Parallel()
	r := embeddedRunner(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var processes []*workload.Process
	d := scenario.Drill{ID: "stopped", Side: workload.Producers, Fault: func(ctx context.Context, run *scenario.Run) error {
		for _, w := range run.Workloads() {
			processes = append(processes, w.Started()...)
		}
		cancel()
		return kit.Sleep(ctx, time.Minute)
	}}
	ways := availableWays(d, func(w workload.Way) bool {
		return w.ID == "franz-go/safe" || w.ID == "04-comparison/franz-go"
	})
	if _, err := r.run(ctx, d, 1, ways); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if len(processes) != len(ways) {
		t.Errorf("%d processes were started for %d ways", len(processes), len(ways))
	}
	for _, p := range processes {
		if p.Alive() {
			t.Errorf("process %d lives", p.PID())
		}
	}
	topics, err := r.view.ListTopics(t.Context())
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
	setup := report.Setup{Cluster: "one", Rate: 100, Versions: map[string]string{"kafka-go": "v1"}}
	kept, err := report.Open(path, setup)
	if err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-rounds", "2", "-drills", "leader-killed,leader-cut-off", "-clients", "safe", "-together", "3"})
	if err != nil {
		t.Fatal(err)
	}
	anything := func(scenario.Drill) bool { return true }
	show := func(plans []plan) (out []string) {
		for _, p := range plans {
			out = append(out, fmt.Sprint(p.round, p.drill.ID, ids(p.ways)))
		}
		return out
	}
	all := show(o.plans(kept, anything))
	if len(all) != 8 || !strings.HasPrefix(all[0], "1leader-killed[kafka-go/safe sarama/safe confluent") {
		t.Errorf("the plans are %q", all)
	}
	for _, w := range o.Ways[:3] {
		one := report.Result{Drill: "leader-killed", Way: w.ID, Round: 1, Written: &checker.Written{Lost: 1}}
		if err := kept.Add(one); err != nil {
			t.Fatal(err)
		}
	}
	again, err := report.Open(path, setup)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all[1:], show(o.plans(again, anything))); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if got := again.Of("leader-killed", "sarama/safe"); len(got) != 1 || got[0].Written.Lost != 1 {
		t.Errorf("kept was %+v", got)
	}
	setup.Versions = map[string]string{"kafka-go": "v2"}
	_, err = report.Open(path, setup)
	if err == nil || !strings.Contains(err.Error(), "kafka-go v1") || !strings.Contains(err.Error(), "-fresh") {
		t.Errorf("results of different versions: %v", err)
	}
}

// A drill that the cluster can't do is left out.
func TestNeeds(t *testing.T) {
	t.Parallel()
	for id, embeddedCan := range map[string]bool{
		"leader-killed": true, "leader-paused": false, "leader-cut-off": false, "disk-full": false,
	} {
		d, ok := scenario.ByID(id)
		if !ok {
			t.Fatalf("there is no drill %s", id)
		}
		if got := d.Can(cluster.Embedded{}); got != embeddedCan {
			t.Errorf("the embedded cluster can do %s: %v", id, got)
		}
	}
	for _, d := range scenario.Drills() {
		if !d.Can(&apache.Cluster{}) && runtime.GOOS != "windows" {
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

// citation is a link in the chapter to a line of a client's source, with its code as the text.
var citation = regexp.MustCompile("\\[`([^`]+)`\\]\\(https://github\\.com/([\\w-]+/[\\w-]+)/blob/([^/]+)/([^#)]+)#L(\\d+)\\)")

// What the chapter quotes of the clients' sources stands there, in the line and the
// version that it names, which is the version of this module.
func TestCitations(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), filepath.FromSlash(report.Chapter.Path)))
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
	r := committed(t)
	const broker = "leader-killed each-in-turn controller-killed"
	type sentence struct {
		ways    string
		measure string
		drills  string // "" for every drill of the side
		some    bool
	}
	for side, sentences := range map[workload.Side][]sentence{
		workload.Producers: {
			{"kafka-go/Writer kafka-go/Async", "lost", broker + " leader-paused leader-cut-off disk-full two-gone", true},
			{"kafka-go/Async", "lost", scenario.ProducerKilled, true},
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
		},
		workload.Consumers: {
			{"sarama/async confluent-kafka-go/default goka/default", "never worked on", "partitions-added", true},
			{"confluent-kafka-go/default", "never worked on", "comes-and-goes", true},
			{"04-comparison/goka", "never worked on", "partitions-added", true},
			{"franz-go/default franz-go/safe", "worked on twice", "member-paused", true},
		},
	} {
		for _, s := range sentences {
			for _, d := range r.Drills(side) {
				if s.drills != "" && !slices.Contains(strings.Fields(s.drills), d.ID) {
					continue
				}
				for way := range strings.FieldsSeq(s.ways) {
					if !report.CountIs(r.Of(d.ID, way), s.measure, s.some) {
						t.Errorf("%s, %s, %s: the chapter says otherwise (some: %v)", d.ID, way, s.measure, s.some)
					}
				}
			}
		}
	}
	for _, one := range r.All {
		if one.Way == "04-comparison/goka" && one.Drill == "partitions-added" {
			continue // It stands still: the chapter says so, and it is checked above.
		}
		losesNothing(t, one)
	}
}
