package report

import (
	"testing"
	"time"

	"kafka-with-go/internal/laboratory/faults/checker"
	"kafka-with-go/internal/laboratory/faults/workload"
)

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
}

// A fault that several ways met is one fault.
func TestTotals(t *testing.T) {
	t.Parallel()
	k := &Results{All: []Result{
		{Drill: "leader-killed", Way: "sarama/safe", At: "1", Kills: 2, Pauses: 1, Written: &checker.Written{Acked: 10, Repeated: 1}},
		{Drill: "leader-killed", Way: "goka/safe", At: "1", Kills: 2, Pauses: 1, Written: &checker.Written{Acked: 20}, Consumed: &checker.Consumed{Acked: 5, Never: 1}},
		{Drill: "leader-killed", Way: "goka/default", At: "2", Kills: 7, Written: &checker.Written{Acked: 100, Lost: 50}},
	}}
	if kills, pauses, runs := k.faults(workload.Way.Careful); kills != 2 || pauses != 1 || runs != 1 {
		t.Errorf("%d kills, %d pauses in %d runs", kills, pauses, runs)
	}
	if got := k.total(workload.Way.Careful); got.Rounds != 2 || got.Faults != 6 || got.Acked != 30 || got.Repeated != 1 || got.Lost != 0 || got.Never != 1 {
		t.Errorf("the total is %+v", got)
	}
}
