package claims

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
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

// The generated parts of the pages are those that the committed results make.
func TestPages(t *testing.T) {
	t.Parallel()
	err := committed(t).eachPage(func(f generated.File, parts map[string]string) error {
		return f.Check(testkit.Root(t), parts)
	})
	if err != nil {
		t.Errorf("%v; %s", err, toMakeAgain)
	}
}

// No table is wider than a page on GitHub shows, which is 838 pixels: a cell is as wide as its
// longest word at least, 8 pixels a letter, and has 27 beside it.
func TestWidths(t *testing.T) {
	t.Parallel()
	for _, page := range []string{history.Path, defaultsPage.Path} {
		text, err := os.ReadFile(filepath.Join(testkit.Root(t), page))
		if err != nil {
			t.Fatal(err)
		}
		var widths []int
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "|") {
				widths = nil
				continue
			}
			cells := strings.Split(strings.Trim(line, "|\n"), "|")
			widths = append(widths, make([]int, max(0, len(cells)-len(widths)))...)
			sum := 0
			for i, cell := range cells {
				for _, word := range strings.FieldsFunc(cell, func(r rune) bool { return r == ' ' || r == '-' }) {
					widths[i] = max(widths[i], 27+8*len(strings.Trim(word, "*")))
				}
				sum += widths[i]
			}
			if sum > 838 {
				t.Errorf("%s: a table is %d pixels wide or wider: %s", page, sum, line)
			}
		}
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
		for _, m := range j.Measured {
			if strings.HasSuffix(m, ": ") {
				t.Errorf("%q: nothing was measured of %s", j.Sentence, m)
			}
		}
	}
	want := map[string]int{"kafka-go": 2, "sarama": 9, "confluent-kafka-go": 4, "goka": 3, "The producer": 2, "The consumer": 3}
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
	r.Counted["kafka-go"] = Counted{Lines: 100}
	r.Counted["sarama"] = Counted{Lines: 114}
	r.Runs = []Runs{runsOf(1.3, 1), runsOf(1.3, 1.3), runsOf(1.2, 1.1)}
	r.Crashes = []map[string]Crash{{"kafka-go": {}}}
	r.Defaults = []Defaults{{
		"partitioner": {newWriter: {Mark: moves}, "sarama": {Mark: mixes}, "confluent-kafka-go": {Mark: mixes},
			"goka": {Mark: mixes}, "franz-go": {Mark: mixes}},
		"reading without a group": {"kafka-go": {Value: refuses}, "sarama": {Value: refuses}},
	}}
	for sentence, want := range map[string]verdict{
		aboutProducer[0].sentence: still,
		aboutProducer[1].sentence: half,
		aboutConsumer[0].sentence: still,
		aboutConsumer[1].sentence: still,
		aboutConsumer[2].sentence: noLonger,
		aboutSarama[1].sentence:   noLonger, // 14 % more lines are not more.
		aboutSarama[6].sentence:   half,     // Reading, one round of three was no more than 10 % above.
	} {
		if got := verdictOf(r, sentence); got != want {
			t.Errorf("%q is %s, want %s", sentence, got, want)
		}
	}
	r.Counted["goka"] = Counted{Places: 1}
	r.Counted["confluent-kafka-go"] = Counted{C: []string{"a"}}
	if _, err := r.judge(); err == nil {
		t.Error("a verdict without a sentence is no error")
	}
}

// runsOf is a round in which sarama uses so many times what kafka-go uses.
func runsOf(writing, reading float64) Runs {
	of := func(ratio float64) map[string]load.Measure {
		return map[string]load.Measure{"kafka-go": {Allocations: 10}, "sarama": {Allocations: 10 * ratio}}
	}
	return Runs{load.Produce: of(writing), load.Consume: of(reading)}
}

// What is counted is counted again, and agrees exactly.
func TestCounted(t *testing.T) {
	t.Parallel()
	r, want := committed(t), committed(t)
	if err := r.count(t.Context(), testkit.Root(t)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, r, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("what is counted differs (-committed +counted):\n%s\n%s", diff, toMakeAgain)
	}
}

// untimed keeps of a cell what noise doesn't change: whether there is a time of any length. What
// length does harm is in its mark, and TestConstants compares the committed one.
func untimed(c Cell) Cell {
	c.Value = regexp.MustCompile(`^none$|^(every )?\d+ m?s$`).ReplaceAllString(c.Value, "some time")
	return c
}

// Each default is provoked again, and agrees. On a busy computer a client may be seen at another
// moment, so there are three attempts.
func TestDefaults(t *testing.T) {
	t.Parallel()
	r := committed(t)
	inThreeAttempts(t, func() (differ []string, err error) {
		fresh, err := observeDefaults(t.Context())
		for _, s := range sides() {
			for _, row := range s.rows {
				for _, c := range s.columns {
					got, want := fresh[row][c.name], r.cell(row, c.name)
					if row == "linger" || row == "commit interval" {
						got, want = untimed(got), untimed(want)
					}
					if got != want && c.client.Available() == nil {
						differ = append(differ, fmt.Sprintf("%s of %s: observed is %+v, committed is %+v", row, c.name, got, want))
					}
				}
			}
		}
		return differ, err
	})
}

// inThreeAttempts tries up to three times, until nothing differs.
func inThreeAttempts(t *testing.T, try func() (differ []string, err error)) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		differ, err := try()
		switch {
		case err != nil:
			t.Fatal(err)
		case differ == nil:
			return
		case attempt == 3:
			t.Fatal(strings.Join(differ, "\n"))
		}
		t.Logf("attempt %d: %s", attempt, strings.Join(differ, "\n"))
	}
}

// A consumer is killed again: what was lost or repeated, or not, is so again. On a busy
// computer the kill may hit another moment.
func TestCrashes(t *testing.T) {
	t.Parallel()
	r := committed(t)
	inThreeAttempts(t, func() (differ []string, err error) {
		crashes, err := crashAll(t.Context())
		for n, c := range crashes {
			same := func(round map[string]Crash) bool {
				w := round[n]
				return (c.Repeated > 0) == (w.Repeated > 0) && (c.Lost > 0) == (w.Lost > 0)
			}
			if !slices.ContainsFunc(r.Crashes, same) {
				differ = append(differ, fmt.Sprintf("%s: %+v, committed are %+v", n, c, r.Crashes))
			}
		}
		return differ, err
	})
}

// Each client says to bad input what it said in one of the rounds. What the system says differs
// between systems.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := committed(t)
	inThreeAttempts(t, func() (differ []string, err error) {
		fresh, err := observeBadInput(t.Context())
		for name, bySide := range fresh {
			for side, byClient := range bySide {
				for client, got := range byClient {
					same := func(a Answer) bool {
						return (a.Said == nothing) == (got.Said == nothing) && (runtime.GOOS != "linux" || a.Said == got.Said)
					}
					if want := r.answers(name, side, client); !slices.ContainsFunc(want, same) {
						differ = append(differ, fmt.Sprintf("%s, %s, %s: %+v, committed are %+v", name, side, client, got, want))
					}
				}
			}
		}
		return differ, err
	})
}

// What is measured comes out in the same order again, where the difference is more than noise.
func TestRuns(t *testing.T) {
	if raceDetector {
		t.Skip("with -race a process allocates differently: run it without")
	}
	t.Parallel()
	r := committed(t)
	fresh, err := measureRuns(t.Context(), r.RunRecords/2)
	if err != nil {
		t.Fatal(err)
	}
	for side, byClient := range fresh {
		for a := range byClient {
			for b := range byClient {
				was := r.Runs[0][side][a].Allocations / r.Runs[0][side][b].Allocations
				if is := byClient[a].Allocations / byClient[b].Allocations; was > 1.5 && is < 1 {
					t.Errorf("%s: allocations of %s to %s are %.2f, committed is %.2f", side, a, b, is, was)
				}
			}
		}
	}
}

// Who stops the command goes on later, without what was measured already.
func TestStopped(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(unfinishedFile.Path)), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	measured := 0
	parts := func(r *Results, second func(context.Context) error) []part {
		return []part{
			{"first", 1, 2, len(r.Crashes), func(context.Context) error {
				measured++
				return add(&r.Crashes)(nil, nil)
			}},
			{"second", 1, 1, len(r.Runs), second},
		}
	}
	var r Results
	err := r.run(ctx, root, parts(&r, func(context.Context) error {
		cancel()
		select {}
	}), func(string) {})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("when it was stopped: %v", err)
	}
	var kept Results
	if err := unfinishedFile.Load(root, &kept); err != nil {
		t.Fatal(err)
	}
	err = kept.run(t.Context(), root, parts(&kept, func(context.Context) error { return nil }), func(string) {})
	if err != nil || measured != 2 || len(kept.Crashes) != 2 {
		t.Errorf("%d rounds were measured and %d kept, %v; want 2 and 2", measured, len(kept.Crashes), err)
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
