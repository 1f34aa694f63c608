package report

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/faults/scenario"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
)

// Committed is the file of the results that the chapter is made of.
const Committed = "04-comparison/faults/results.jsonl"

// Chapter is the text with the generated parts.
var Chapter = generated.File{Path: "04-comparison/FAULTS.md", Command: "go run ./04-comparison/faults -tables"}

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

// renderSide makes the tables of a side: one for each thing that is counted, with the ways
// that have any of it, and one of the longest stalls.
func (r *Results) renderSide(side workload.Side, say sentences) string {
	var parts []string
	for _, m := range measures[side] {
		parts = append(parts, r.renderMeasure(side, m, say[m.name]))
	}
	stalls := r.table(side, r.ways(side), func(rounds []Result) string { return seconds(stalls(rounds, side)) })
	return strings.Join(parts, "\n") + "\n" + say["stall of "+string(side)] + ":\n\n" + stalls
}

func (r *Results) renderMeasure(side workload.Side, m measure, title string) string {
	var some []workload.Way
	var none []string
	for _, w := range r.ways(side) {
		if r.has(side, w, m) {
			some = append(some, w)
		} else {
			none = append(none, label(w, side))
		}
	}
	if some == nil {
		return title + ": none, with any client in any drill.\n"
	}
	text := title + ":\n\n" + r.table(side, some, func(rounds []Result) string { return cell(counts(rounds, m)) })
	if none != nil {
		text += "\nNone in any drill: " + strings.Join(none, "; ") + ".\n"
	}
	return text
}

// has tells whether any was counted of a measure for a way, in any round of any drill.
func (r *Results) has(side workload.Side, w workload.Way, m measure) bool {
	return slices.ContainsFunc(r.Drills(side), func(d scenario.Drill) bool {
		return !CountIs(r.Of(d.ID, w.ID), m.name, false)
	})
}

// table has a row for each way and a column for each drill.
func (r *Results) table(side workload.Side, ways []workload.Way, show func([]Result) string) string {
	heads := []string{"client"}
	for _, d := range r.Drills(side) {
		heads = append(heads, d.Short)
	}
	t := kit.NewTable(heads...)
	for _, w := range ways {
		row := []string{label(w, side)}
		for _, d := range r.Drills(side) {
			row = append(row, show(r.Of(d.ID, w.ID)))
		}
		t.Row(row...)
	}
	return t.String()
}

// A total adds up what a way went through.
type total struct {
	Rounds                                   int
	Faults                                   int // brokers killed or paused while it worked
	Acked, Lost, Repeated, Disordered        int
	ToWorkOn, Never, Twice, WorkedOutOfOrder int
}

func (r *Results) total(include func(workload.Way) bool) (t total) {
	for _, one := range r.All {
		w, err := workload.ByID(one.Way)
		if err != nil || !include(w) {
			continue
		}
		t.Rounds++
		t.Faults += one.Kills + one.Pauses
		if w := one.Written; w != nil {
			t.Acked += w.Acked
			t.Lost += w.Lost
			t.Repeated += w.Repeated
			t.Disordered += w.Disordered
		}
		if c := one.Consumed; c != nil {
			t.ToWorkOn += c.Acked
			t.Never += c.Never
			t.Twice += c.Twice
			t.WorkedOutOfOrder += c.Disordered
		}
	}
	return t
}

func (t total) row(name string) []string {
	cells := []string{name}
	for _, n := range []int{
		t.Rounds, t.Faults, t.Acked, t.Lost, t.Repeated, t.Disordered,
		t.ToWorkOn, t.Never, t.Twice, t.WorkedOutOfOrder,
	} {
		cells = append(cells, kit.Thousands(n))
	}
	return cells
}

// faults counts the brokers that were really killed and paused: several ways meet one fault.
func (r *Results) faults(include func(workload.Way) bool) (kills, pauses, runs int) {
	seen := make(map[string]bool)
	for _, one := range r.All {
		w, err := workload.ByID(one.Way)
		id := one.Drill + one.At
		if err != nil || !include(w) || seen[id] {
			continue
		}
		seen[id] = true
		runs++
		kills += one.Kills
		pauses += one.Pauses
	}
	return kills, pauses, runs
}

// renderTotals adds up what the safe ways and the programs went through.
func (r *Results) renderTotals(say sentences) string {
	t := kit.NewTable("client", "runs", "brokers killed or paused meanwhile", "records acknowledged", "lost", "repeated",
		"out of order", "records to work on", "never worked on", "worked on twice", "worked on out of order")
	for _, how := range []workload.How{workload.Safe, workload.Program} {
		for _, w := range workload.Ways() {
			sum := r.total(func(other workload.Way) bool { return other.ID == w.ID })
			if w.How == how && sum.Rounds > 0 {
				t.Row(sum.row(label(w, workload.Producers))...)
			}
		}
	}
	t.Row(r.total(workload.Way.Careful).row("all of them")...)
	return t.String() + "\n" + say["below the totals"] + "\n"
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

// renderClient lists what each way of a client did, but what was 0 everywhere.
func (r *Results) renderClient(client string) string {
	var b strings.Builder
	for _, w := range workload.Ways() {
		if w.Client != client {
			continue
		}
		fmt.Fprintf(&b, "- %s:\n", label(w, workload.Producers))
		for _, side := range sides {
			if !slices.ContainsFunc(r.ways(side), func(other workload.Way) bool { return other.ID == w.ID }) {
				continue
			}
			for _, m := range measures[side] {
				b.WriteString(r.renderWay(side, w, m))
			}
		}
	}
	return b.String()
}

// renderWay lists the drills in which a way has some of a measure.
func (r *Results) renderWay(side workload.Side, w workload.Way, m measure) string {
	var where []string
	for _, d := range r.Drills(side) {
		if rounds := r.Of(d.ID, w.ID); !CountIs(rounds, m.name, false) {
			where = append(where, d.Short+" "+cell(counts(rounds, m)))
		}
	}
	switch {
	case where != nil:
		return fmt.Sprintf("  - %s: %s\n", m.name, strings.Join(where, "; "))
	case m.worst:
		return fmt.Sprintf("  - %s: none\n", m.name)
	}
	return ""
}

// renderDrills says what is done in each drill.
func renderDrills(say sentences) string {
	var parts []string
	for _, side := range sides {
		text := say["drills of "+string(side)] + "\n\n"
		for _, d := range scenario.Drills() {
			if d.Side == side {
				text += fmt.Sprintf("- **%s**: %s (`-drills %s`).\n", d.Short, d.Title, d.ID)
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "\n")
}

const chartFile = "faults.svg"

// Parts are the generated parts of the chapter, by the names in their markers.
func (r *Results) Parts() (map[string]string, error) {
	say, err := r.sentences()
	title := say["chart title"]
	out := map[string]string{
		"setup":     say["setup"] + "\n",
		"drills":    renderDrills(say),
		"chart":     fmt.Sprintf("![%s](faults/%s)\n\n*%s* %s\n", title, chartFile, title, say["chart"]),
		"totals":    r.renderTotals(say),
		"producers": r.renderSide(workload.Producers, say),
		"consumers": r.renderSide(workload.Consumers, say),
		"settings":  renderSettings(),
	}
	for _, c := range clients.All() {
		out[c.Name()] = r.renderClient(c.Name())
	}
	return out, err
}

// Tables is what is printed after a run.
func (r *Results) Tables() (string, error) {
	say, err := r.sentences()
	text := say["setup"] + "\n"
	for _, side := range sides {
		if len(r.Drills(side)) > 0 {
			text += "\n" + r.renderSide(side, say) + "\n"
		}
	}
	return text + "\nWhat each way sets:\n\n" + renderSettings(), err
}

// Write puts tables and chart into the chapter.
func (r *Results) Write(root string) error {
	svg, err := r.Chart()
	if err != nil {
		return err
	}
	path := filepath.Join(root, "04-comparison", "faults", chartFile)
	if err := os.WriteFile(path, svg, 0o644); err != nil {
		return fmt.Errorf("writing the chart: %w", err)
	}
	parts, err := r.Parts()
	if err != nil {
		return err
	}
	return Chapter.Write(root, parts)
}
