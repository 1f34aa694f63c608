package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/laboratory/faults/scenario"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
)

const (
	// Committed is the file of the results that the pages are made of.
	Committed = "04-comparison/faults/results.jsonl"
	// Control is that of the control, in which each way was alone on the brokers.
	Control = "04-comparison/faults/control.jsonl"

	command   = "go run ./04-comparison/faults -tables"
	chartFile = "faults.svg"
)

// The pages with generated parts: what was found, and all numbers.
var (
	Chapter = generated.File{Path: "04-comparison/FAULTS.md", Command: command}
	Numbers = generated.File{Path: "04-comparison/FAULTS-NUMBERS.md", Command: command}
)

var sides = []workload.Side{workload.Producers, workload.Consumers}

// Drills returns the drills of a side of which there are results.
func (r *Results) Drills(side workload.Side) []scenario.Drill {
	return slices.DeleteFunc(scenario.Drills(), func(d scenario.Drill) bool {
		return d.Side != side || !slices.ContainsFunc(r.All, func(one Result) bool { return one.Drill == d.ID })
	})
}

// ways returns the ways that took part in the drills of a side.
func (r *Results) ways(side workload.Side) []workload.Way {
	taken := r.Drills(side)
	return slices.DeleteFunc(workload.Ways(), func(w workload.Way) bool {
		return !slices.ContainsFunc(taken, func(d scenario.Drill) bool { return len(r.Of(d.ID, w.ID)) > 0 })
	})
}

// label is a way's name in a table. Ways that differ only in how they write share a consumer.
func label(w workload.Way, side workload.Side) string {
	switch w.How {
	case workload.Safe:
		return "**" + w.Name + "**"
	case workload.Program:
		return "*" + w.Name + "*"
	}
	if side == workload.Consumers {
		return w.Client
	}
	return w.Name
}

// glances are the words for what is counted, in the table of all drills.
var glances = map[workload.Side][][2]string{
	workload.Producers: {
		{"lost", "lost"}, {"failed", "failed"}, {"repeated", "twice"}, {"out of order", "out of order"},
	},
	workload.Consumers: {
		{"never worked on", "left out"}, {"worked on twice", "twice"}, {"worked on out of order", "out of order"},
	},
}

// glance says in few words what happened in the rounds of a drill.
func glance(rounds []Result, side workload.Side) string {
	var parts []string
	for _, g := range glances[side] {
		m, _, _ := measureByName(g[0])
		c := count(rounds, m)
		text := g[1] + " " + percent(c.share)
		if c.with < c.rounds {
			text = fmt.Sprintf("%s in %d of %d", g[1], c.with, c.rounds)
		}
		if m.worst {
			text = "**" + text + "**"
		}
		if c.with > 0 {
			parts = append(parts, text)
		}
	}
	if parts == nil && len(rounds) > 0 {
		return "—"
	}
	return strings.Join(parts, "<br>")
}

// renderGlance has a row for each drill and a column for each client, as its own
// documentation shows it.
func (r *Results) renderGlance(sums []ClientSummary) string {
	heads := []string{""}
	for _, c := range sums {
		heads = append(heads, c.Client)
	}
	t := kit.NewTable(heads...)
	for _, side := range sides {
		for _, d := range r.Drills(side) {
			row := []string{fmt.Sprintf("[%s](FAULTS-NUMBERS.md#%s)", d.Short, strings.ReplaceAll(d.Short, " ", "-"))}
			for _, c := range sums {
				rounds := r.Of(d.ID, c.Default().Way.ID)
				for _, s := range c.Shown { // The consumer may be drilled with another way.
					if len(rounds) == 0 {
						rounds = r.Of(d.ID, s.Way.ID)
					}
				}
				row = append(row, glance(rounds, side))
			}
			t.Row(row...)
		}
	}
	return t.String()
}

// renderTotals has a row for each thing that is counted and a column for each way of a kind,
// in all drills and rounds together.
func (r *Results) renderTotals(how workload.How, name func(workload.Way) string) string {
	heads := []string{""}
	var sums []Summary
	for _, w := range workload.Ways() {
		if w.How == how {
			heads, sums = append(heads, name(w)), append(sums, r.summary(w))
		}
	}
	t := kit.NewTable(heads...)
	for _, row := range []struct {
		name string
		of   func(Summary) Tally
	}{
		{"lost", func(s Summary) Tally { return s.Lost }},
		{"written twice", func(s Summary) Tally { return s.Repeated }},
		{"written out of order", func(s Summary) Tally { return s.OutOfOrder }},
		{"left out by a group", func(s Summary) Tally { return s.Never }},
		{"worked on twice", func(s Summary) Tally { return s.Twice }},
		{"worked on out of order", func(s Summary) Tally { return s.WorkedOutOfOrder }},
	} {
		cells := []string{row.name}
		for _, s := range sums {
			cells = append(cells, row.of(s).String())
		}
		t.Row(cells...)
	}
	return t.String()
}

// renderControl compares what happened to a way alone with what happened to it among others.
func (r *Results) renderControl(alone *Results) string {
	t := kit.NewTable("", "way", "met by several clients at once", "alone on the brokers")
	for _, side := range sides {
		for _, d := range alone.Drills(side) {
			for _, w := range alone.ways(side) {
				if rounds := alone.Of(d.ID, w.ID); len(rounds) > 0 {
					t.Row(d.Short, label(w, side), glance(r.Of(d.ID, w.ID), side), glance(rounds, side))
				}
			}
		}
	}
	return t.String()
}

// faults counts the brokers that were really killed and paused: several ways meet one fault.
func (r *Results) faults() (kills, pauses, runs int) {
	seen := make(map[string]bool)
	for _, one := range r.All {
		if id := one.Drill + one.At; !seen[id] {
			seen[id] = true
			runs, kills, pauses = runs+1, kills+one.Kills, pauses+one.Pauses
		}
	}
	return kills, pauses, runs
}

// renderDrill has a row for each way that met the fault, and a column for each thing that was
// counted of many ways. What was counted of few is told below.
func (r *Results) renderDrill(d scenario.Drill) string {
	ways := slices.DeleteFunc(r.ways(d.Side), func(w workload.Way) bool { return len(r.Of(d.ID, w.ID)) == 0 })
	var columns []measure
	below := ""
	for _, m := range measures[d.Side] {
		var some []string
		for _, w := range ways {
			if c := count(r.Of(d.ID, w.ID), m); c.with > 0 {
				some = append(some, label(w, d.Side)+" "+strings.ReplaceAll(c.cell(), "<br>", " "))
			}
		}
		const few = 3
		switch {
		case len(some) > few || m.worst:
			columns = append(columns, m)
		case some != nil:
			below += fmt.Sprintf("\n- %s: %s; no other.", m.name, strings.Join(some, "; "))
		default:
			below += fmt.Sprintf("\n- %s: none, with any client in any round.", m.name)
		}
	}
	heads := []string{"client", "acknowl&shy;edged"}
	for _, m := range columns {
		heads = append(heads, m.name)
	}
	t := kit.NewTable(append(heads, "longest stall, s")...)
	for _, w := range ways {
		rounds := r.Of(d.ID, w.ID)
		row := []string{label(w, d.Side), amount(count(rounds, acknowledged).median)}
		for _, m := range columns {
			row = append(row, count(rounds, m).cell())
		}
		var stalls []time.Duration
		for _, one := range rounds {
			stalls = append(stalls, one.stall(d.Side))
		}
		t.Row(append(row, seconds(stalls))...)
	}
	return t.String() + below + "\n"
}

// renderDrills has a section for each drill.
func (r *Results) renderDrills() string {
	var parts []string
	for _, side := range sides {
		for _, d := range r.Drills(side) {
			parts = append(parts, fmt.Sprintf("## %s\n\n%s (`-drills %s`).\n\n%s",
				d.Short, strings.ToUpper(d.Title[:1])+d.Title[1:], d.ID, r.renderDrill(d)))
		}
	}
	return strings.Join(parts, "\n")
}

// renderSettings lists what each way sets, and where its code is from.
func renderSettings() string {
	var b strings.Builder
	for _, w := range workload.Ways() {
		fmt.Fprintf(&b, "- %s: as in %s", label(w, workload.Producers), w.Source)
		for i, s := range w.Settings() {
			b.WriteString([]string{"; ", ", "}[min(i, 1)])
			fmt.Fprintf(&b, "`%s` %s", s.Name, s.Value)
		}
		b.WriteString(".\n")
	}
	return b.String()
}

// Parts are the generated parts of the two pages, by the names in their markers.
func (r *Results) Parts(control *Results) (chapter, numbers map[string]string, err error) {
	say, err := r.sentences()
	sayOfControl, controlErr := control.sentences()
	sums, title := r.Summaries(), say["chart title"]
	chapter = map[string]string{
		"setup":   say["setup"] + "\n",
		"glance":  r.renderGlance(sums) + "\n" + say["below the glance"] + "\n",
		"safe":    r.renderTotals(workload.Safe, func(w workload.Way) string { return w.Client }) + "\n" + say["below the safe"] + "\n",
		"chart":   fmt.Sprintf("![%s](faults/%s)\n\n%s\n", title, chartFile, say["chart"]),
		"control": sayOfControl["control"] + "\n\n" + r.renderControl(control),
	}
	numbers = map[string]string{
		"setup":    say["numbers"] + "\n",
		"drills":   r.renderDrills(),
		"programs": r.renderTotals(workload.Program, func(w workload.Way) string { return w.Name }),
		"settings": renderSettings(),
	}
	return chapter, numbers, errors.Join(err, controlErr)
}

// Tables is what is printed after a run. Of the pages' HTML nothing is left in it.
func (r *Results) Tables() (string, error) {
	say, err := r.sentences()
	plain := strings.NewReplacer(":<br>", ": ", "<br>", "; ", "&shy;", "")
	text := say["setup"] + "\n\n" + plain.Replace(r.renderDrills()) + "\nWhat the words mean stands in " + Numbers.Path + ".\n"
	if r.Setup.Copies == 1 {
		text += "\n" + say["one copy"] + "\n"
	}
	return text, err
}

// Write puts tables and chart into the pages.
func (r *Results) Write(root string, control *Results) error {
	svg, err := r.Chart()
	if err != nil {
		return err
	}
	path := filepath.Join(root, "04-comparison", "faults", chartFile)
	if err := os.WriteFile(path, svg, 0o644); err != nil {
		return fmt.Errorf("writing the chart: %w", err)
	}
	chapter, numbers, err := r.Parts(control)
	if err != nil {
		return err
	}
	return errors.Join(Chapter.Write(root, chapter), Numbers.Write(root, numbers))
}
