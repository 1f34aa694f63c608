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

// kept loads the results that are committed in a file.
func kept(t *testing.T, path string) *report.Results {
	t.Helper()
	r, err := report.Load(filepath.Join(testkit.Root(t), filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Text, tables and chart are those that the kept results make.
func TestChapter(t *testing.T) {
	t.Parallel()
	r, root := kept(t, report.Committed), testkit.Root(t)
	chapter, numbers, err := r.Parts(kept(t, report.Control))
	err = errors.Join(err, report.Chapter.Check(root, chapter), report.Numbers.Check(root, numbers))
	if err != nil {
		t.Error(err)
	}
	want, err := r.Chart()
	if err != nil {
		t.Fatal(err)
	}
	testkit.CheckChart(t, filepath.Join(root, "04-comparison", "faults", "faults.svg"), want, report.Chapter.Command)
}

// The histories that are committed are judged by today's checker as it stands in the results,
// and so on the pages. Those of all drills take a minute: -recount judges them.
func TestRecount(t *testing.T) {
	t.Parallel()
	drills := slices.DeleteFunc(scenario.Drills(), func(d scenario.Drill) bool {
		return !slices.Contains([]string{"leader-paused", "leader-cut-off", "comes-and-goes"}, d.ID)
	})
	all := 0
	for _, path := range []string{report.Committed, report.Control} {
		changed, of, err := kept(t, path).Recount(drills, judge)
		if err != nil {
			t.Error(err)
		}
		for _, text := range changed {
			t.Error(text)
		}
		t.Logf("%s: %d histories are judged again", path, of)
		all += of
	}
	if all == 0 {
		t.Error("no history is kept")
	}
}

// What is committed is a whole set: every drill, for every way that takes part in it,
// three rounds at least, with the versions of this module's clients.
func TestCommittedSet(t *testing.T) {
	t.Parallel()
	r := kept(t, report.Committed)
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
	r, err := newRunner(Options{Rate: 300, Embedded: true}, testkit.Root(t))
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
// careful ones lose nothing. Histories that were kept are judged as they were at first, and one
// from which a record is missing isn't.
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
			kept, _, err := report.Open(filepath.Join(t.TempDir(), "results.jsonl"), report.Setup{}, false)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range results {
				losesNothing(t, one.Result)
				if one.Written != nil && one.Written.Acked == 0 {
					t.Errorf("%s wrote nothing: %v", one.Way, one.Says)
				}
				if err := kept.Keep(one.Result, one.history); err != nil {
					t.Fatal(err)
				}
			}
			if changed, of, err := kept.Recount([]scenario.Drill{d}, judge); err != nil || changed != nil || of != len(ways) {
				t.Errorf("%d are judged again: %v, %v", of, changed, err)
			}
			changed, _, err := kept.Recount([]scenario.Drill{d}, func(h history.Run) (report.Result, error) {
				h.Entries = slices.DeleteFunc(h.Entries, func(e history.Entry) bool { return e.Kind == history.Acked && e.Number == 7 })
				return judge(h)
			})
			if err != nil || len(changed) == 0 {
				t.Errorf("histories with an acknowledgement less are judged the same: %v", err)
			}
		})
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
	start, setup, err := o.cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kept, _, err := report.Open(filepath.Join(t.TempDir(), "results.jsonl"), setup, false)
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
	if changed, of, err := kept.Recount(o.Drills, judge); err != nil || changed != nil || of != want {
		t.Errorf("%d are judged again: %v, %v", of, changed, err)
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

// A run goes on where it was. What another set-up has measured is set aside, with its histories,
// and a sentence says where.
func TestResume(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "results.jsonl")
	setup := report.Setup{Cluster: "one", Rate: 100, Versions: map[string]string{"kafka-go": "v1"}}
	kept, said, err := report.Open(path, setup, false)
	if err != nil || said != "" {
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
		if err := kept.Keep(one, history.Run{Drill: one.Drill, Way: one.Way, Round: 1}.Pack()); err != nil {
			t.Fatal(err)
		}
	}
	again, said, err := report.Open(path, setup, false)
	if err != nil || said != "" {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all[1:], show(o.plans(again, anything))); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if got := again.Of("leader-killed", "sarama/safe"); len(got) != 1 || got[0].Written.Lost != 1 {
		t.Errorf("kept was %+v", got)
	}
	aside := func(n int) string { return strings.TrimSuffix(path, ".jsonl") + fmt.Sprintf("-%d.jsonl", n) }
	setup.Versions = map[string]string{"kafka-go": "v2"}
	for n, anew := range []bool{false, true} {
		other, said, err := report.Open(path, setup, anew)
		if err != nil || !strings.Contains(said, aside(n+1)) || len(other.All) != 0 {
			t.Errorf("beginning with a different version: %q, %v, %d results", said, err, len(other.All))
		}
	}
	first, err := report.Load(aside(1))
	if err != nil || len(first.All) != 3 || first.Setup.Versions["kafka-go"] != "v1" {
		t.Errorf("set aside are %+v, %v", first, err)
	}
	if _, err := os.Stat(filepath.Join(first.Histories(), "leader-killed.zst")); err != nil {
		t.Error(err)
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

// What the chapter says in words about a client is so in every round that is kept: some of it
// in each of the named drills, or none in any, and where it names a part, about that part.
func TestSentences(t *testing.T) {
	t.Parallel()
	r := kept(t, report.Committed)
	const broker = "leader-killed each-in-turn controller-killed"
	type sentence struct {
		ways    string
		measure string
		drills  string // "" for every drill of the side
		some    bool
		part    [2]float64 // of the records that it is counted of, at least and at most
	}
	for side, sentences := range map[workload.Side][]sentence{
		workload.Producers: {
			{ways: "kafka-go/Writer kafka-go/Async", measure: "lost", drills: broker + " leader-paused disk-full two-gone", some: true},
			{ways: "kafka-go/Writer kafka-go/Async sarama/sync sarama/async goka/default", measure: "lost",
				drills: "leader-cut-off", some: true, part: [2]float64{0.15, 0.27}}, // about a fifth
			{ways: "kafka-go/Async", measure: "lost", drills: scenario.ProducerKilled, some: true},
			{ways: "kafka-go/NewWriter", measure: "lost"},
			{ways: "kafka-go/NewWriter kafka-go/safe", measure: "repeated", drills: broker + " leader-paused leader-cut-off", some: true},
			{ways: "kafka-go/NewWriter kafka-go/Writer", measure: "failed", drills: broker, some: true},
			{ways: "sarama/sync sarama/async goka/default", measure: "lost", drills: "leader-paused", some: true},
			{ways: "sarama/sync sarama/async goka/default", measure: "failed", drills: broker + " two-gone", some: true},
			{ways: "confluent-kafka-go/default franz-go/default", measure: "lost"},
			{ways: "confluent-kafka-go/default franz-go/default", measure: "failed"},
			{ways: "franz-go/default franz-go/safe sarama/safe confluent-kafka-go/safe goka/safe", measure: "repeated"},
			{ways: "kafka-go/NewWriter kafka-go/safe sarama/sync sarama/async sarama/safe confluent-kafka-go/safe " +
				"goka/default goka/safe franz-go/default franz-go/safe", measure: "out of order"},
		},
		workload.Consumers: {
			{ways: "sarama/async confluent-kafka-go/default goka/default", measure: "never worked on",
				drills: "partitions-added", some: true, part: [2]float64{0.2, 0.3}}, // more than a fifth
			{ways: "kafka-go/Writer confluent-kafka-go/default", measure: "never worked on", drills: "comes-and-goes", some: true},
			{ways: "04-comparison/goka", measure: "never worked on", drills: "partitions-added", some: true},
			{ways: "franz-go/default franz-go/safe", measure: "worked on twice", drills: "member-paused", some: true},
		},
	} {
		for _, s := range sentences {
			for _, d := range r.Drills(side) {
				if s.drills != "" && !slices.Contains(strings.Fields(s.drills), d.ID) {
					continue
				}
				for way := range strings.FieldsSeq(s.ways) {
					rounds := r.Of(d.ID, way)
					if !report.CountIs(rounds, s.measure, s.some) {
						t.Errorf("%s, %s, %s: the chapter says otherwise (some: %v)", d.ID, way, s.measure, s.some)
					}
					for _, one := range rounds {
						share := report.Count([]report.Result{one}, s.measure).Share()
						if s.part[1] > 0 && (share < s.part[0] || share > s.part[1]) {
							t.Errorf("%s, %s, %s: %.3f is not the part that the chapter names", d.ID, way, s.measure, share)
						}
					}
				}
			}
		}
	}
	disordered := r.Of("each-in-turn", "confluent-kafka-go/default")
	if !slices.ContainsFunc(disordered, func(one report.Result) bool { return one.Written.Disordered >= 1000 }) {
		t.Error("the chapter says that confluent-kafka-go put thousands of records out of order")
	}
	for _, one := range append(r.All, kept(t, report.Control).All...) {
		if one.Way == "04-comparison/goka" && one.Drill == "partitions-added" {
			continue // It stands still: the chapter says so, and it is checked above.
		}
		losesNothing(t, one)
	}
}

// What the chapter says about how long a client stands still is so, and each sentence that
// does is one of these.
func TestSentencesAboutStalls(t *testing.T) {
	t.Parallel()
	r := kept(t, report.Committed)
	stalls := func(drill, way string) (median, least, most time.Duration) {
		var all []time.Duration
		for _, one := range r.Of(drill, way) {
			if one.Written != nil {
				all = append(all, one.Written.Stall)
			} else {
				all = append(all, one.Consumed.Stall)
			}
		}
		return kit.Spread(all)
	}
	const confluent, async = "confluent-kafka-go/default", "kafka-go/Async"
	var sentences []string
	says := func(sentence string, so bool) {
		t.Helper()
		sentences = append(sentences, sentence)
		if !so {
			t.Errorf("the results say otherwise: %q", sentence)
		}
	}
	ten, longest, longer, goka := true, true, true, true
	for _, w := range workload.Ways() {
		median, _, _ := stalls("leader-killed", w.ID)
		if w.ID != async && w.ID != confluent {
			ten = ten && median > 8*time.Second && median < 13*time.Second
		}
		for _, drill := range []string{"leader-killed", "each-in-turn", "controller-killed"} {
			ours, _, _ := stalls(drill, confluent)
			other, _, _ := stalls(drill, w.ID)
			longest = longest && (w.ID == confluent || ours > other)
			if w.ID == "confluent-kafka-go/safe" {
				longer = longer && ours > other*3/2
			}
		}
		for _, g := range workload.Ways() {
			_, least, _ := stalls("comes-and-goes", g.ID)
			_, _, most := stalls("comes-and-goes", w.ID)
			goka = goka && (g.Client != "goka" || w.Client == "goka" || least > most)
		}
	}
	says("**A killed leader stops a client that waits for answers for about ten seconds**", ten)
	says("confluent-kafka-go's defaults took longer", longest)
	says("a killed broker stopped it for longer than any other client, and for much longer than itself made safe",
		longest && longer)
	says("which takes it longer than any other client", goka)
	stand := true
	for _, way := range []string{confluent, "franz-go/default"} {
		_, least, most := stalls("member-killed", way)
		stand = stand && least > 44*time.Second && most < 50*time.Second
	}
	says("stand still for about 45 s with confluent-kafka-go and franz-go", stand)

	text, err := os.ReadFile(filepath.Join(testkit.Root(t), filepath.FromSlash(report.Chapter.Path)))
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(text)), " ")
	for _, s := range sentences {
		if strings.Count(page, s) != 1 {
			t.Errorf("the chapter doesn't say %q once", s)
		}
		page = strings.ReplaceAll(page, s, "")
	}
	if also := regexp.MustCompile(`[^.]*(stalls? |longest|longer than|took longer|stand still|stops writing)[^.]*`).FindString(page); also != "" {
		t.Errorf("the chapter also says, and no test looks at it: %q", also)
	}
}
