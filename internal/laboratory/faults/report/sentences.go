package report

import (
	_ "embed"
	"fmt"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

//go:embed sentences.md
var sentencesText string

// sentences reads the sentences about the results, by their heads.
func (r *Results) sentences() (map[string]string, error) {
	sections, err := kit.Sections("sentences.md", sentencesText, newFacts(r))
	out := make(map[string]string)
	for _, s := range sections {
		out[s.Title] = s.Text
	}
	return out, err
}

// facts are what sentences.md puts into its sentences.
type facts struct {
	Setup       Setup
	VersionList string
	Rate        string // records a second

	Keys, GroupRate, Members int

	Rounds, Runs, Kills, Pauses string
	Together                    string // ways that met a fault at the same time, at most
	Results, Histories          string // results, and those of which the history is kept
	Shown                       string // the ways that stand for clients with several

	// What so many rounds with none allow.
	Bound, SafeRounds, SafeBound, GroupRounds, GroupBound string
}

func newFacts(r *Results) facts {
	kills, pauses, runs := r.faults()
	f := facts{
		Setup: r.Setup, Rate: kit.Thousands(r.Setup.Rate),
		Keys: workload.Keys, GroupRate: r.Setup.ForGroups(), Members: workload.Members,
		Runs: kit.Count(runs, "run"), Kills: kit.Count(kills, "kill"), Pauses: kit.Count(pauses, "pause"),
		Results:   kit.Count(len(r.All), "result"),
		Histories: kit.Thousands(len(r.of(func(one Result) bool { return one.History }))),
	}
	var versions, shown []string
	for _, n := range clients.Names() {
		versions = append(versions, n+" "+r.Setup.Versions[n])
	}
	f.VersionList = strings.Join(versions, ", ")
	rounds, together, safe, group := 0, 0, 0, 0
	for _, one := range r.All {
		together, rounds = max(together, one.Together), max(rounds, one.Round)
	}
	for _, c := range r.Summaries() {
		safe, group = max(safe, c.Safe.Lost.Rounds), max(group, c.Safe.Never.Rounds)
		if len(c.Shown) > 1 {
			shown = append(shown, fmt.Sprintf("of %s `%s`", c.Client, strings.TrimPrefix(c.Default().Way.Name, c.Client+", ")))
		}
	}
	f.Together = kit.Count(together, "way")
	f.Rounds, f.Bound = kit.Count(rounds, "round"), percent(AtMost(rounds))
	f.SafeRounds, f.SafeBound = kit.Count(safe, "round"), percent(AtMost(safe))
	f.GroupRounds, f.GroupBound = kit.Count(group, "round"), percent(AtMost(group))
	f.Shown = strings.Join(shown, " and ")
	return f
}
