package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

// A measure is one thing that is counted. What it means is said in sentences.md.
type measure struct {
	name  string
	of    func(Result) int
	worst bool // that there is none of it is worth saying
}

var measures = map[workload.Side][]measure{
	workload.Producers: {
		{name: "lost", of: func(r Result) int { return r.Written.Lost }, worst: true},
		{name: "repeated", of: func(r Result) int { return r.Written.Repeated }},
		{name: "out of order", of: func(r Result) int { return r.Written.Disordered }},
		{name: "failed", of: func(r Result) int { return r.Written.Failed + r.Written.Refused }},
		{name: "failed and yet there", of: func(r Result) int { return r.Written.FailedYetThere }},
		{name: "never reported", of: func(r Result) int { return r.Written.Unreported }},
		{name: "never reported and there", of: func(r Result) int { return r.Written.UnreportedThere }},
	},
	workload.Consumers: {
		{name: "never worked on", of: func(r Result) int { return r.Consumed.Never }, worst: true},
		{name: "worked on twice", of: func(r Result) int { return r.Consumed.Twice }},
		{name: "worked on out of order", of: func(r Result) int { return r.Consumed.Disordered }},
		{name: "commits back", of: func(r Result) int { return r.Rewinds }},
	},
}

func measureByName(name string) (measure, bool) {
	for _, side := range sides {
		for _, m := range measures[side] {
			if m.name == name {
				return m, true
			}
		}
	}
	return measure{}, false
}

// counts returns what was counted in each round.
func counts(rounds []Result, m measure) []int {
	var out []int
	for _, r := range rounds {
		out = append(out, m.of(r))
	}
	return out
}

// stalls returns the longest stall of each round.
func stalls(rounds []Result, side workload.Side) []time.Duration {
	var out []time.Duration
	for _, r := range rounds {
		if side == workload.Producers {
			out = append(out, r.Written.Stall)
		} else {
			out = append(out, r.Consumed.Stall)
		}
	}
	return out
}

// cell shows what was counted in some rounds: the median and the range. Where only some
// rounds have any, it says so.
func cell(values []int) string {
	median, least, most := kit.Spread(values)
	switch {
	case len(values) == 0:
		return ""
	case most == 0:
		return "0"
	case least == 0:
		with := len(slices.DeleteFunc(slices.Clone(values), func(n int) bool { return n == 0 }))
		return fmt.Sprintf("varies: up to %s, in %d of %d rounds", kit.Thousands(most), with, len(values))
	case least == most:
		return "**" + kit.Thousands(most) + "**"
	}
	return fmt.Sprintf("**%s** (%s to %s)", kit.Thousands(median), kit.Thousands(least), kit.Thousands(most))
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
	return fmt.Sprintf("%s (%s to %s)", show(middle), show(shortest), show(longest))
}

// Sum says in a line what became of a way.
func (r Result) Sum() string {
	var parts []string
	add := func(side workload.Side, stall time.Duration) {
		for _, m := range measures[side] {
			if n := m.of(r); n > 0 || m.worst {
				parts = append(parts, fmt.Sprintf("%s %d", m.name, n))
			}
		}
		parts = append(parts, fmt.Sprintf("longest stall %v", stall.Round(10*time.Millisecond)))
	}
	if w := r.Written; w != nil {
		parts = append(parts, fmt.Sprintf("acknowledged %d of %d", w.Acked, w.Handed))
		add(workload.Producers, w.Stall)
	}
	if c := r.Consumed; c != nil {
		parts = append(parts, fmt.Sprintf("of %d acknowledged", c.Acked))
		add(workload.Consumers, c.Stall)
	}
	return strings.Join(parts, ", ")
}
