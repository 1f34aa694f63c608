package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

// A measure is one thing that is counted.
type measure struct {
	name  string
	title string // of its table
	of    func(Result) int
	worst bool // that there is none of it is worth saying
}

var measures = map[workload.Side][]measure{
	workload.Producers: {
		{
			name: "lost", worst: true,
			title: "**Lost**: acknowledged, and not in the log",
			of:    func(r Result) int { return r.Written.Lost },
		},
		{
			name:  "repeated",
			title: "**Repeated**: records that are in the log more than once",
			of:    func(r Result) int { return r.Written.Repeated },
		},
		{
			name: "out of order",
			title: "**Out of order**: records that are first in the log behind a later one with the same key, " +
				"in the same partition",
			of: func(r Result) int { return r.Written.Disordered },
		},
		{
			name:  "failed",
			title: "**Failed**: the program was told that the record is not written, or its client didn't take it",
			of:    func(r Result) int { return r.Written.Failed + r.Written.Refused },
		},
		{
			name:  "failed and yet there",
			title: "**Failed, and yet there**: of those, records that are in the log",
			of:    func(r Result) int { return r.Written.FailedYetThere },
		},
		{
			name:  "never reported",
			title: "**Never reported**: the program was told nothing",
			of:    func(r Result) int { return r.Written.Unreported },
		},
		{
			name:  "never reported and there",
			title: "**Never reported, and there**: of those, records that are in the log",
			of:    func(r Result) int { return r.Written.UnreportedThere },
		},
	},
	workload.Consumers: {
		{
			name: "never worked on", worst: true,
			title: "**Never worked on**: records that were acknowledged to their producer, and that no member worked on",
			of:    func(r Result) int { return r.Consumed.Never },
		},
		{
			name:  "worked on twice",
			title: "**Twice**: records that were worked on more than once",
			of:    func(r Result) int { return r.Consumed.Twice },
		},
		{
			name:  "worked on out of order",
			title: "**Out of order**: records that were first worked on after a later one with the same key",
			of:    func(r Result) int { return r.Consumed.Disordered },
		},
		{
			name:  "commits back",
			title: "**Commits moved back**: times that the group's committed offset was seen to move back",
			of:    func(r Result) int { return r.Rewinds },
		},
	},
}

// stallTitles are the titles of the tables of the longest stalls.
var stallTitles = map[workload.Side]string{
	workload.Producers: "**The longest stall**: the longest time in seconds in which a key got no acknowledgement",
	workload.Consumers: "**The longest stall**: the longest time in seconds in which no record of a key was worked on " +
		"(of a program: of a partition)",
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
