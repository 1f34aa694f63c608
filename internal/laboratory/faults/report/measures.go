package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

// A measure is one thing that is counted, and of how many it is a part: of 0 where a share
// says nothing. What it means is said in sentences.md.
type measure struct {
	name  string
	count func(Result) (n, of int)
	worst bool // that there is none of it is worth saying
}

var measures = map[workload.Side][]measure{
	workload.Producers: {
		{name: "lost", count: func(r Result) (n, of int) { return r.Written.Lost, r.Written.Acked }, worst: true},
		{name: "repeated", count: func(r Result) (n, of int) { return r.Written.Repeated, r.Written.Acked }},
		{name: "out of order", count: func(r Result) (n, of int) { return r.Written.Disordered, r.Written.Acked }},
		{name: "failed", count: func(r Result) (n, of int) {
			return r.Written.Failed + r.Written.Refused, r.Written.Handed
		}},
		{name: "failed and yet there", count: func(r Result) (n, of int) {
			return r.Written.FailedYetThere, r.Written.Failed
		}},
		{name: "never reported", count: func(r Result) (n, of int) { return r.Written.Unreported, r.Written.Handed }},
		{name: "never reported and there", count: func(r Result) (n, of int) {
			return r.Written.UnreportedThere, r.Written.Unreported
		}},
	},
	workload.Consumers: {
		{name: "never worked on", count: func(r Result) (n, of int) { return r.Consumed.Never, r.Consumed.Acked }, worst: true},
		{name: "worked on twice", count: func(r Result) (n, of int) { return r.Consumed.Twice, r.Consumed.Acked }},
		{name: "worked on out of order", count: func(r Result) (n, of int) {
			return r.Consumed.Disordered, r.Consumed.Acked
		}},
		{name: "commits back", count: func(r Result) (n, of int) { return r.Rewinds, 0 }},
	},
}

// acknowledged is of how many records a drill tells something.
var acknowledged = measure{count: func(r Result) (n, of int) {
	if r.Written != nil {
		return r.Written.Acked, 0
	}
	return r.Consumed.Acked, 0
}}

func measureByName(name string) (m measure, side workload.Side, ok bool) {
	for _, side := range sides {
		for _, m := range measures[side] {
			if m.name == name {
				return m, side, true
			}
		}
	}
	return m, side, false
}

// has tells whether a result says something of a side.
func (r Result) has(side workload.Side) bool {
	if side == workload.Producers {
		return r.Written != nil
	}
	return r.Consumed != nil
}

// stall is the longest time in which nothing happened on that side.
func (r Result) stall(side workload.Side) time.Duration {
	if side == workload.Producers {
		return r.Written.Stall
	}
	return r.Consumed.Stall
}

// A Tally is how many records something happened to in some rounds, of how many.
type Tally struct {
	Count, Of    int // records, in all rounds together
	Rounds, With int // rounds, and those in which it happened to any record
}

// Count counts a measure in those of the results that say something of its side.
func Count(results []Result, name string) (t Tally) {
	m, side, _ := measureByName(name)
	for _, r := range results {
		if !r.has(side) {
			continue
		}
		n, of := m.count(r)
		t.Count, t.Of, t.Rounds = t.Count+n, t.Of+of, t.Rounds+1
		if n > 0 {
			t.With++
		}
	}
	return t
}

// Share is the part of the records that it happened to.
func (t Tally) Share() float64 {
	if t.Of == 0 {
		return 0
	}
	return float64(t.Count) / float64(t.Of)
}

// AtMost is what a number of rounds without something allows to say of all such rounds: if it
// came in a larger share of them than that, so many rounds without it would be a chance of
// less than 1 in 20. It is the exact bound: (1 - share)^rounds = 0.05.
func AtMost(rounds int) float64 { return 1 - math.Pow(0.05, 1/float64(rounds)) }

// String says how many of how many, or in how many rounds there was none.
func (t Tally) String() string {
	if t.With == 0 {
		return fmt.Sprintf("none in %s", kit.Count(t.Rounds, "round"))
	}
	return fmt.Sprintf("%s of %s, %s, in %d of %s", kit.Thousands(t.Count), kit.Thousands(t.Of),
		percent(t.Share()), t.With, kit.Count(t.Rounds, "round"))
}

// percent shows a share with two digits. The space before the sign is one that no line breaks at.
func percent(share float64) string {
	switch p := share * 100; {
	case p == 0:
		return "0\u00a0%"
	case p < 0.01:
		return "<\u00a00.01\u00a0%"
	case p < 1:
		return fmt.Sprintf("%.2g\u00a0%%", p)
	case p < 9.95:
		return fmt.Sprintf("%.1f\u00a0%%", p)
	default:
		return fmt.Sprintf("%.0f\u00a0%%", p)
	}
}

// A Summary is what became of a way in all drills and rounds together.
type Summary struct {
	Way workload.Way

	Lost, Repeated, OutOfOrder     Tally // of the records that were acknowledged to it
	Failed                         Tally // of those that it was handed
	Never, Twice, WorkedOutOfOrder Tally // of those that its group had to work on
}

func (r *Results) summary(w workload.Way) Summary {
	all := r.of(func(one Result) bool { return one.Way == w.ID })
	return Summary{
		Way: w, Lost: Count(all, "lost"), Repeated: Count(all, "repeated"), OutOfOrder: Count(all, "out of order"),
		Failed: Count(all, "failed"), Never: Count(all, "never worked on"), Twice: Count(all, "worked on twice"),
		WorkedOutOfOrder: Count(all, "worked on out of order"),
	}
}

// A ClientSummary is what became of a client's records: as its own documentation shows it,
// and made safe.
type ClientSummary struct {
	Client string
	Shown  []Summary
	Safe   Summary
}

// Default is the way of the documentation that stands for the client: of several, the one
// that lost the largest share. Its group is that of the way whose consumer was drilled.
func (c ClientSummary) Default() Summary {
	worst := slices.MaxFunc(c.Shown, func(a, b Summary) int {
		return cmp.Compare(a.Lost.Share(), b.Lost.Share())
	})
	for _, s := range c.Shown {
		if s.Never.Rounds > 0 {
			worst.Never, worst.Twice, worst.WorkedOutOfOrder = s.Never, s.Twice, s.WorkedOutOfOrder
		}
	}
	return worst
}

// Summaries sums up what became of each client.
func (r *Results) Summaries() []ClientSummary {
	var out []ClientSummary
	for _, w := range workload.Ways() {
		if len(out) == 0 || out[len(out)-1].Client != w.Client {
			out = append(out, ClientSummary{Client: w.Client})
		}
		c := &out[len(out)-1]
		switch w.How {
		case workload.AsShown:
			c.Shown = append(c.Shown, r.summary(w))
		case workload.Safe:
			c.Safe = r.summary(w)
		}
	}
	return out
}

// counted is what was counted of a measure in the rounds of a drill.
type counted struct {
	median, least, most float64 // records
	share, largest      float64 // the median share, and the largest
	with, rounds        int     // rounds with any, and all
}

func count(rounds []Result, m measure) (c counted) {
	var values, shares []float64
	for _, r := range rounds {
		n, of := m.count(r)
		values, shares = append(values, float64(n)), append(shares, Tally{Count: n, Of: of}.Share())
		if n > 0 {
			c.with++
		}
	}
	c.rounds = len(rounds)
	c.median, c.least, c.most = kit.Spread(values)
	c.share, _, c.largest = kit.Spread(shares)
	return c
}

// cell shows what was counted: the median, its share, and the range. Where only some rounds
// have any, it says so.
func (c counted) cell() string {
	part := func(share float64) string {
		if share == 0 {
			return ""
		}
		return ", " + percent(share)
	}
	switch {
	case c.rounds == 0:
		return ""
	case c.with == 0:
		return "none"
	case c.with < c.rounds:
		return fmt.Sprintf("%d of %d rounds:<br>up to %s%s", c.with, c.rounds, amount(c.most), part(c.largest))
	case c.least == c.most:
		return "**" + amount(c.most) + "**" + part(c.share)
	}
	return fmt.Sprintf("**%s**%s<br>%s to %s", amount(c.median), part(c.share), amount(c.least), amount(c.most))
}

// amount shows a number of records. The median of an even number of rounds may be a half.
func amount(n float64) string {
	whole := kit.Thousands(int(n))
	if n != math.Trunc(n) {
		return whole + ".5"
	}
	return whole
}

// seconds shows times in seconds.
func seconds(times []time.Duration) string {
	if len(times) == 0 {
		return ""
	}
	show := func(d time.Duration) string {
		if d < 10*time.Second {
			return fmt.Sprintf("%.1f", d.Seconds())
		}
		return fmt.Sprintf("%.0f", d.Seconds())
	}
	middle, shortest, longest := kit.Spread(times)
	if show(shortest) == show(longest) {
		return show(middle)
	}
	return fmt.Sprintf("%s<br>%s to %s", show(middle), show(shortest), show(longest))
}

// Sum says in a line what became of a way.
func (r Result) Sum() string {
	var parts []string
	for _, side := range sides {
		if !r.has(side) {
			continue
		}
		if side == workload.Producers {
			parts = append(parts, fmt.Sprintf("acknowledged %d of %d", r.Written.Acked, r.Written.Handed))
		} else {
			parts = append(parts, fmt.Sprintf("of %d acknowledged", r.Consumed.Acked))
		}
		for _, m := range measures[side] {
			if n, _ := m.count(r); n > 0 || m.worst {
				parts = append(parts, fmt.Sprintf("%s %d", m.name, n))
			}
		}
		parts = append(parts, fmt.Sprintf("longest stall %v", r.stall(side).Round(10*time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}
