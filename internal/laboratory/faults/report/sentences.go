package report

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

//go:embed sentences.md
var sentencesText string

// sentences are those of sentences.md by their heads.
type sentences map[string]string

// sentences reads the sentences about the results.
func (r *Results) sentences() (sentences, error) {
	sections, err := kit.Sections("sentences.md", sentencesText, newFacts(r))
	out := make(sentences)
	for _, s := range sections {
		out[s.Title] = s.Text
	}
	for _, side := range sides {
		for _, m := range measures[side] {
			if out[m.name] == "" {
				err = errors.Join(err, fmt.Errorf("sentences.md doesn't say what is counted as %q", m.name))
			}
		}
	}
	return out, err
}

// facts are what sentences.md puts into its sentences.
type facts struct {
	Setup       Setup
	VersionList string
	Rate        string // records a second

	Keys, GroupRate, Members, Together int

	Rounds, RunsOfAll, KillsOfAll, PausesOfAll string
	Runs, Kills, Pauses                        string // of the careful ways
}

func newFacts(r *Results) facts {
	f := facts{
		Setup: r.Setup, Rate: kit.Thousands(r.Setup.Rate),
		Keys: workload.Keys, GroupRate: workload.ConsumerRate, Members: workload.Members,
	}
	var versions []string
	for _, n := range clients.Names() {
		versions = append(versions, n+" "+r.Setup.Versions[n])
	}
	f.VersionList = strings.Join(versions, ", ")
	rounds := 0
	for _, one := range r.All {
		f.Together, rounds = max(f.Together, one.Together), max(rounds, one.Round)
	}
	f.Rounds = kit.Count(rounds, "round")
	kills, pauses, runs := r.faults(func(workload.Way) bool { return true })
	f.KillsOfAll, f.PausesOfAll, f.RunsOfAll = kit.Count(kills, "kill"), kit.Count(pauses, "pause"), kit.Count(runs, "run")
	kills, pauses, runs = r.faults(workload.Way.Careful)
	f.Kills, f.Pauses, f.Runs = kit.Thousands(kills), kit.Thousands(pauses), kit.Thousands(runs)
	return f
}
