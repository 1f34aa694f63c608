package claims

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/testing/testkit"
)

const toMakeAgain = "go run ./04-comparison/claims -write (or -tables, if only a program changed) makes the tables again"

func TestMain(m *testing.M) { kit.RunTests(m) }

func committed(t *testing.T) (r Results) {
	t.Helper()
	if err := resultsFile.Load(testkit.Root(t), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func quiet(string) {}

// The tables in the README are those that the committed results make.
func TestTables(t *testing.T) {
	t.Parallel()
	parts, err := committed(t).parts()
	if err := errors.Join(err, chapter.Check(testkit.Root(t), parts)); err != nil {
		t.Errorf("%v; %s", err, toMakeAgain)
	}
}

// Every sentence has a verdict, and a cell for each client that it is about.
func TestClaims(t *testing.T) {
	t.Parallel()
	judgements, err := committed(t).judge()
	if err != nil {
		t.Fatal(err)
	}
	about := make(map[string]int)
	for _, j := range judgements {
		about[j.About]++
		if !slices.Contains([]verdict{still, half, noLonger, untested}, j.Verdict) || j.Test == "" {
			t.Errorf("%q: verdict %q, tested by %q", j.Sentence, j.Verdict, j.Test)
		}
		for _, n := range names() {
			if len(j.Measured) > 1 && (j.Measured[n] == "" || j.Measured[n] == notMeasured) {
				t.Errorf("%q: nothing was measured of %s", j.Sentence, n)
			}
		}
	}
	want := map[string]int{"kafka-go": 2, "sarama": 9, "confluent-kafka-go": 4, "goka": 3, "the producer": 2, "the consumer": 3}
	if diff := cmp.Diff(want, about); diff != "" {
		t.Errorf("sentences about (-want +got):\n%s", diff)
	}
}

// A verdict follows what was measured, and one for which no sentence is written is an error.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	verdictOf := func(r Results, sentence string) verdict {
		for _, s := range subjects() {
			for _, c := range s.claims {
				if c.sentence == sentence {
					return c.judge(r)
				}
			}
		}
		t.Fatalf("there is no sentence %q", sentence)
		return ""
	}
	r := committed(t)
	r.NewWriterIsOld, r.ReadMessage.Waits = false, false
	r.Crashes = map[string]Crash{"kafka-go": {}}
	r.ProducerDefault = Defaults{"partitioner": {newWriter: {Mark: moves}, "sarama": {Mark: mixes}}}
	r.ConsumerDefault = Defaults{"reading without a group": {"kafka-go": {Value: refuses}, "sarama": {Value: refuses}}}
	for sentence, want := range map[string]verdict{
		aboutProducer[0].sentence: still,
		aboutProducer[1].sentence: half,
		aboutConsumer[0].sentence: still,
		aboutConsumer[1].sentence: still,
		aboutConsumer[2].sentence: noLonger,
	} {
		if got := verdictOf(r, sentence); got != want {
			t.Errorf("%q is %s, want %s", sentence, got, want)
		}
	}
	if _, err := r.judge(); err == nil {
		t.Error("verdicts without a sentence are no error")
	}
}

// What is counted is counted again, and agrees exactly.
func TestCounted(t *testing.T) {
	t.Parallel()
	r, want := committed(t), committed(t)
	if err := r.count(testkit.Root(t)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what is counted differs (-committed +counted):\n%s\n%s", diff, toMakeAgain)
	}
}

// untimed keeps of a cell what noise doesn't change: whether there is a time of
// any length. What length does harm is in its mark.
func untimed(value string) string {
	return regexp.MustCompile(`^none$|\d+ m?s$`).ReplaceAllString(value, "some time")
}

// Each default is provoked again, and agrees exactly; times agree in their marks.
// On a busy computer a client may be seen at another moment, so there are three
// attempts.
func TestDefaults(t *testing.T) {
	t.Parallel()
	r := committed(t)
	for attempt := 1; ; attempt++ {
		producer, consumer, err := observeDefaults(t.Context(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		differ := append(compareDefaults(t, producing(), producer, r.ProducerDefault),
			compareDefaults(t, consuming(), consumer, r.ConsumerDefault)...)
		if differ == nil {
			return
		}
		if attempt == 3 {
			t.Fatal(strings.Join(differ, "\n"))
		}
		t.Logf("attempt %d: %s", attempt, strings.Join(differ, "\n"))
	}
}

// compareDefaults says what differs from what is committed.
func compareDefaults(t *testing.T, side side, got, want Defaults) (differ []string) {
	t.Helper()
	if len(want) != len(side.rows) {
		t.Errorf("%d rows are committed, want %d", len(want), len(side.rows))
	}
	for _, row := range side.rows {
		for _, c := range side.columns {
			if c.client.Available() != nil {
				t.Logf("%s of %s isn't compared: %v", row, c.name, c.client.Available())
				continue
			}
			g, w := got[row][c.name], want[row][c.name]
			if slices.Contains(timed, row) {
				g.Value, w.Value = untimed(g.Value), untimed(w.Value)
			}
			if g != w || g.Value == "" {
				differ = append(differ, fmt.Sprintf("%s of %s: observed is %+v, committed is %+v", row, c.name, g, w))
			}
		}
	}
	return differ
}

// A consumer is killed again: what was lost or repeated, or not, is so again. On
// a busy computer the kill may hit another moment, so there are three attempts.
func TestCrashes(t *testing.T) {
	t.Parallel()
	r := committed(t)
	differ := func(a, b Crash) bool { return (a.Repeated > 0) != (b.Repeated > 0) || (a.Lost > 0) != (b.Lost > 0) }
	for attempt := 1; ; attempt++ {
		crashes, err := crashAll(t.Context(), quiet)
		if err != nil {
			t.Fatal(err)
		}
		var wrong []string
		for n, c := range crashes {
			if w := r.Crashes[n]; differ(c, w) {
				wrong = append(wrong, fmt.Sprintf("%s: %d repeated and %d lost, committed is %d and %d", n, c.Repeated, c.Lost, w.Repeated, w.Lost))
			}
		}
		if wrong == nil {
			return
		}
		if attempt == 3 {
			t.Fatal(strings.Join(wrong, "\n"))
		}
	}
}

// Each client says the same to bad input again. An answer that isn't the same
// each time is compared with what was said, if anything was.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := committed(t)
	answers, err := observeBadInput(t.Context(), 1, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range situations() {
		if s.unsteady {
			continue // What a client says there depends on which packet comes first.
		}
		for side, byClient := range answers[s.name] {
			for _, c := range clients.All() {
				if c.Available() != nil {
					continue
				}
				want, got := r.BadInput[s.name][side][c.Name()], byClient[c.Name()]
				if !agree(got, want) {
					t.Errorf("%s, %s, %s: %+v, committed is %+v", s.name, side, c.Name(), got, want)
				}
			}
		}
	}
}

// agree compares answers. How soon isn't compared, only whether; and what the
// system says differs between systems.
func agree(got, want Answer) bool {
	if want.Unsteady && got.When == never {
		return true
	}
	return (got.When == never) == (want.When == never) && (runtime.GOOS != "linux" || got.Said == want.Said)
}

// What is measured comes out in the same order again, where the difference is
// more than noise.
func TestRuns(t *testing.T) {
	if raceDetector {
		t.Skip("with -race a process allocates differently: run it without")
	}
	t.Parallel()
	r := committed(t)
	fresh, err := measureRuns(t.Context(), r.RunRecords/2, 1, quiet)
	if err != nil {
		t.Fatal(err)
	}
	figures := map[string]func(Run) float64{
		"allocations": func(r Run) float64 { return r.Allocations },
		"bytes":       func(r Run) float64 { return r.Bytes },
	}
	for side, byClient := range fresh {
		for a := range byClient {
			for b := range byClient {
				for what, f := range figures {
					was, is := f(r.Runs[side][a])/f(r.Runs[side][b]), f(byClient[a])/f(byClient[b])
					if was > 1.5 && is < 1 {
						t.Errorf("%s, %s: %s to %s is %.2f, committed is %.2f", side, what, a, b, is, was)
					}
				}
			}
		}
	}
}

// The cells are made of what was seen, and say so of each case.
func TestCells(t *testing.T) {
	t.Parallel()
	for measured, want := range map[time.Duration]Cell{
		300 * time.Microsecond:  {Value: "none"},
		5300 * time.Microsecond: {Value: "5 ms"},
		11 * time.Millisecond:   {Value: "10 ms"},
		101 * time.Millisecond:  {"100 ms", "delays"},
		time.Second:             {"1 s", "delays"},
	} {
		if got := lingerCell(measured); got != want {
			t.Errorf("%v: %+v, want %+v", measured, got, want)
		}
	}
	keys := make(map[string]int32)
	for _, key := range []string{"a", "bb", "ccc", "dddd", "eeeee", "key-1", "key-2", "key-3"} {
		keys[key] = testkit.Murmur2([]byte(key), 3)
	}
	if got := partitionerCell(keys); got.Mark != "" || !strings.Contains(got.Value, "murmur2") {
		t.Errorf("murmur2 is seen as %+v", got)
	}
	keys["a"] = (keys["a"] + 1) % 3
	if got := partitionerCell(keys); got.Mark != "mixes" {
		t.Errorf("no hash is seen as %+v", got)
	}
	for acks, mark := range map[int16]string{0: "loses", 1: "loses", -1: ""} {
		if got := acksCell(acks); got.Mark != mark {
			t.Errorf("acks %d: %+v, want the mark %q", acks, got, mark)
		}
	}
}

func TestTidy(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"making the emitter: no: dial tcp 127.0.0.1:4711: refused\ndial tcp 127.0.0.1:4712: refused": "no: dial tcp <broker>: refused …",
		"read tcp 127.0.0.1:1->127.0.0.1:2: i/o timeout":                                             "read tcp <broker>: i/o timeout",
		"127.0.0.1:4711/bootstrap: failed (after 12ms)":                                              "<broker>: failed (after <time>)",
	} {
		if got := tidy(message); got != want {
			t.Errorf("%q becomes %q, want %q", message, got, want)
		}
	}
}
