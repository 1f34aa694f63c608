package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"kafka-with-go/internal/laboratory/faults/checker"
	"kafka-with-go/internal/laboratory/faults/workload"
)

// lost makes rounds of a drill in which so many of a thousand acknowledged records are lost.
func lost(values ...int) (rounds []Result) {
	for i, n := range values {
		rounds = append(rounds, Result{
			Drill: "leader-killed", Way: "sarama/safe", Round: i + 1, Written: &checker.Written{Acked: 1000, Lost: n},
		})
	}
	return rounds
}

// A cell shows the median, its share and the range, and says so where only some rounds have any.
func TestCell(t *testing.T) {
	t.Parallel()
	m, _, _ := measureByName("lost")
	for _, test := range []struct {
		values       []int
		cell, glance string
	}{
		{nil, "", ""},
		{[]int{0, 0, 0}, "none", "—"},
		{[]int{7, 7, 7}, "**7**, 0.7 %", "**lost 0.7 %**"},
		{[]int{900, 1, 50}, "**50**, 5.0 %<br>1 to 900", "**lost 5.0 %**"},
		{[]int{0, 3, 0}, "1 of 3 rounds:<br>up to 3, 0.3 %", "**lost in 1 of 3**"},
		// The median of an even number of rounds lies in the middle of the middle pair.
		{[]int{4, 1, 3, 900}, "**3.5**, 0.35 %<br>1 to 900", "**lost 0.35 %**"},
	} {
		if got := count(lost(test.values...), m).cell(); got != test.cell {
			t.Errorf("%v is shown as %q, want %q", test.values, got, test.cell)
		}
		if got := glance(lost(test.values...), workload.Producers); got != test.glance {
			t.Errorf("%v is at a glance %q, want %q", test.values, got, test.glance)
		}
	}
	if got := seconds([]time.Duration{12 * time.Second, 2500 * time.Millisecond, 11 * time.Second}); got != "11<br>2.5 to 12" {
		t.Errorf("times are shown as %q", got)
	}
}

// What so many rounds with none allow, as tables of the exact binomial bound have it.
func TestAtMost(t *testing.T) {
	t.Parallel()
	for rounds, want := range map[int]float64{1: 0.95, 3: 0.6316, 5: 0.4507, 24: 0.1173, 100: 0.0295} {
		if got := AtMost(rounds); math.Abs(got-want) > 0.0001 {
			t.Errorf("none in %d rounds allows %.4f, want %.4f", rounds, got, want)
		}
	}
}

// A fault that several ways met is one fault, and of a client's own ways the one that lost most
// stands for it.
func TestSummaries(t *testing.T) {
	t.Parallel()
	r := &Results{All: []Result{
		{Drill: "leader-killed", Way: "sarama/safe", At: "1", Kills: 2, Pauses: 1, Written: &checker.Written{Acked: 10, Repeated: 1}},
		{Drill: "leader-killed", Way: "sarama/sync", At: "1", Kills: 2, Pauses: 1, Written: &checker.Written{Acked: 20}},
		{Drill: "leader-killed", Way: "sarama/sync", At: "2", Kills: 7, Written: &checker.Written{Acked: 80, Lost: 50}},
		{Drill: "leader-killed", Way: "sarama/async", At: "2", Kills: 7, Written: &checker.Written{Acked: 100, Lost: 30}},
		{Drill: "member-killed", Way: "sarama/async", At: "3", Consumed: &checker.Consumed{Acked: 5, Never: 1}},
	}}
	if kills, pauses, runs := r.faults(); kills != 9 || pauses != 1 || runs != 3 {
		t.Errorf("%d kills, %d pauses in %d runs", kills, pauses, runs)
	}
	// Its group was drilled with the other way.
	if text := r.renderGlance(r.Summaries()); !strings.Contains(text, "**left out 20 %**") {
		t.Errorf("at a glance nothing is left out:\n%s", text)
	}
	for _, c := range r.Summaries() {
		if c.Client != "sarama" {
			continue
		}
		if d := c.Default(); d.Way.ID != "sarama/sync" || d.Lost != (Tally{50, 100, 2, 1}) || d.Never != (Tally{1, 5, 1, 1}) {
			t.Errorf("its default is %+v", d)
		}
		if got := c.Default().Lost.String(); got != "50 of 100, 50 %, in 1 of 2 rounds" {
			t.Errorf("its loss is shown as %q", got)
		}
		if c.Safe.Repeated != (Tally{1, 10, 1, 1}) || c.Safe.Lost.String() != "none in 1 round" {
			t.Errorf("made safe it is %+v", c.Safe)
		}
	}
}

// On a cluster with one copy of each record, nothing is said of losses that it can't have.
func TestOneCopy(t *testing.T) {
	t.Parallel()
	for copies, want := range map[int]bool{0: false, 1: true} {
		text, err := (&Results{Setup: Setup{Copies: copies}, All: lost(0)}).Tables()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(text, "none lost\" says nothing"); got != want {
			t.Errorf("with %d copies, that none can be lost is said: %v", copies, got)
		}
	}
}
