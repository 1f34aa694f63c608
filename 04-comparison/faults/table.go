package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/clients/all"
	"kafka-with-go/internal/generated"
)

const committedResults = "04-comparison/faults/results.jsonl"

// chapter is the text with the generated parts.
var chapter = generated.File{Path: "04-comparison/FAULTS.md", Command: "go run ./04-comparison/faults -tables"}

// A measure is one thing that is counted.
type measure struct {
	name  string
	title string // of its table
	of    func(Result) int
}

var producerMeasures = []measure{
	{"lost", "**Lost**: acknowledged, and not in the log", func(r Result) int { return r.Written.Lost }},
	{"repeated", "**Repeated**: records that are in the log more than once", func(r Result) int { return r.Written.Repeated }},
	{"out of order", "**Out of order**: records that are first in the log behind a later one with the same key, in the same partition",
		func(r Result) int { return r.Written.Disordered }},
	{"failed", "**Failed**: the program was told that the record is not written, or its client didn't take it",
		func(r Result) int { return r.Written.Failed + r.Written.Refused }},
	{"failed and yet there", "**Failed, and yet there**: of those, records that are in the log", func(r Result) int { return r.Written.FailedYetThere }},
	{"never reported", "**Never reported**: the program was told nothing", func(r Result) int { return r.Written.Unreported }},
	{"never reported and there", "**Never reported, and there**: of those, records that are in the log", func(r Result) int { return r.Written.UnreportedThere }},
}

var consumerMeasures = []measure{
	{"never worked on", "**Never worked on**: records that were acknowledged to their producer, and that no member worked on", func(r Result) int { return r.Consumed.Never }},
	{"worked on twice", "**Twice**: records that were worked on more than once", func(r Result) int { return r.Consumed.Twice }},
	{"worked on out of order", "**Out of order**: records that were first worked on after a later one with the same key", func(r Result) int { return r.Consumed.Disordered }},
	{"commits back", "**Commits moved back**: times that the group's committed offset was seen to move back", func(r Result) int { return r.Rewinds }},
}

func measures(side Side) []measure {
	if side == Producers {
		return producerMeasures
	}
	return consumerMeasures
}

// counts returns what was counted in each round.
func counts(rounds []Result, m measure) []int {
	var out []int
	for _, r := range rounds {
		out = append(out, m.of(r))
	}
	return out
}

// spread returns the median and the range.
func spread(values []int) (median, least, most int) {
	if len(values) == 0 {
		return 0, 0, 0
	}
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2], values[0], values[len(values)-1]
}

// cell shows what was counted in some rounds: the median and the range. Where only
// some rounds have any, it says so.
func cell(values []int) string {
	median, least, most := spread(values)
	switch {
	case len(values) == 0:
		return ""
	case most == 0:
		return "0"
	case least == 0:
		with := 0
		for _, v := range values {
			if v > 0 {
				with++
			}
		}
		return fmt.Sprintf("varies: up to %s, in %d of %d rounds", thousands(most), with, len(values))
	case least == most:
		return "**" + thousands(most) + "**"
	}
	return fmt.Sprintf("**%s** (%s to %s)", thousands(median), thousands(least), thousands(most))
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// many is a number of things.
func many(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return thousands(n) + " " + thing + "s"
}

// seconds shows times in seconds.
func seconds(times []time.Duration) string {
	if len(times) == 0 {
		return ""
	}
	times = slices.Sorted(slices.Values(times))
	show := func(d time.Duration) string {
		if d < 10*time.Second {
			return fmt.Sprintf("%.1f", d.Seconds())
		}
		return fmt.Sprintf("%.0f", d.Seconds())
	}
	least, median, most := show(times[0]), show(times[len(times)/2]), show(times[len(times)-1])
	if least == most {
		return median
	}
	return fmt.Sprintf("%s (%s to %s)", median, least, most)
}

// sum says in a line what became of a way.
func (r Result) sum() string {
	var parts []string
	if w := r.Written; w != nil {
		parts = append(parts, fmt.Sprintf("acknowledged %d of %d", w.Acked, w.Handed))
		for _, m := range producerMeasures {
			if n := m.of(r); n > 0 || m.name == "lost" {
				parts = append(parts, fmt.Sprintf("%s %d", m.name, n))
			}
		}
		parts = append(parts, fmt.Sprintf("longest stall %v", w.Stall.Round(10*time.Millisecond)))
	}
	if c := r.Consumed; c != nil {
		parts = append(parts, fmt.Sprintf("of %d acknowledged", c.Acked))
		for _, m := range consumerMeasures {
			if n := m.of(r); n > 0 || m.name == "never worked on" {
				parts = append(parts, fmt.Sprintf("%s %d", m.name, n))
			}
		}
		parts = append(parts, fmt.Sprintf("longest stall %v", c.Stall.Round(10*time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}

// drillsOf returns the drills of a side of which there are results.
func (k *keeping) drillsOf(side Side) []Drill {
	return slices.DeleteFunc(drills(), func(d Drill) bool {
		return d.Side != side || !slices.ContainsFunc(k.results, func(r Result) bool { return r.Drill == d.ID })
	})
}

// waysOf returns the ways that took part in the drills of a side.
func (k *keeping) waysOf(side Side) []Way {
	taken := k.drillsOf(side)
	return slices.DeleteFunc(ways(), func(w Way) bool {
		return !slices.ContainsFunc(taken, func(d Drill) bool { return len(k.of(d.ID, w.ID)) > 0 })
	})
}

// renderSide makes the tables of a side: one for each thing that is counted, with
// the ways that have any of it, and one of the longest stalls.
func (k *keeping) renderSide(side Side) string {
	var b strings.Builder
	taken, taking := k.drillsOf(side), k.waysOf(side)
	table := func(title string, rows []Way, show func([]Result) string) {
		fmt.Fprintf(&b, "%s:\n\n", title)
		head := []string{"client"}
		for _, d := range taken {
			head = append(head, d.Short)
		}
		writeRow(&b, head)
		b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
		for _, w := range rows {
			row := []string{w.label(side)}
			for _, d := range taken {
				row = append(row, show(k.of(d.ID, w.ID)))
			}
			writeRow(&b, row)
		}
		b.WriteString("\n")
	}
	for _, m := range measures(side) {
		var some []Way
		var none []string
		for _, w := range taking {
			most := 0
			for _, d := range taken {
				most = max(most, slices.Max(append(counts(k.of(d.ID, w.ID), m), 0)))
			}
			if most > 0 {
				some = append(some, w)
			} else {
				none = append(none, w.label(side))
			}
		}
		if some == nil {
			fmt.Fprintf(&b, "%s: none, with any client in any drill.\n\n", m.title)
			continue
		}
		table(m.title, some, func(rounds []Result) string { return cell(counts(rounds, m)) })
		if none != nil {
			fmt.Fprintf(&b, "None in any drill: %s.\n\n", strings.Join(none, "; "))
		}
	}
	stall := "**The longest stall**: the longest time in seconds in which a key got no acknowledgement"
	if side == Consumers {
		stall = "**The longest stall**: the longest time in seconds in which no record of a key was worked on (of a program: of a partition)"
	}
	table(stall, taking, func(rounds []Result) string {
		var times []time.Duration
		for _, r := range rounds {
			if side == Producers {
				times = append(times, r.Written.Stall)
			} else {
				times = append(times, r.Consumed.Stall)
			}
		}
		return seconds(times)
	})
	return strings.TrimSuffix(b.String(), "\n")
}

// label is a way's name in a table. Ways that differ only in how they write share a consumer.
func (w Way) label(side Side) string {
	name := w.Name
	if side == Consumers && w.How == AsShown {
		name = w.Client
	}
	switch w.How {
	case AsShown:
		return name
	case Safe:
		return "**" + w.Client + ", made safe**"
	}
	return "*" + name + "*"
}

func writeRow(b *strings.Builder, cells []string) {
	for _, c := range cells {
		b.WriteString("| " + c + " ")
	}
	b.WriteString("|\n")
}

// A total adds up what a way went through.
type total struct {
	rounds                                   int
	blows                                    int // brokers killed or paused while it worked
	acked, lost, repeated, disordered        int
	toWorkOn, never, twice, workedOutOfOrder int
}

func (k *keeping) total(include func(Way) bool) (t total) {
	for _, r := range k.results {
		w, err := wayByID(r.Way)
		if err != nil || !include(w) {
			continue
		}
		t.rounds++
		t.blows += r.Kills + r.Pauses
		if r.Written != nil {
			t.acked += r.Written.Acked
			t.lost += r.Written.Lost
			t.repeated += r.Written.Repeated
			t.disordered += r.Written.Disordered
		}
		if r.Consumed != nil {
			t.toWorkOn += r.Consumed.Acked
			t.never += r.Consumed.Never
			t.twice += r.Consumed.Twice
			t.workedOutOfOrder += r.Consumed.Disordered
		}
	}
	return t
}

// blows counts the brokers that were really killed and paused: several ways meet one blow.
func (k *keeping) blows(include func(Way) bool) (kills, pauses, runs int) {
	seen := make(map[string]bool)
	for _, r := range k.results {
		w, err := wayByID(r.Way)
		id := r.Drill + r.At
		if err != nil || !include(w) || seen[id] {
			continue
		}
		seen[id] = true
		runs++
		kills += r.Kills
		pauses += r.Pauses
	}
	return kills, pauses, runs
}

func anyWay(Way) bool    { return true }
func careful(w Way) bool { return w.How != AsShown }

// renderTotals adds up what the safe ways and the programs went through.
func (k *keeping) renderTotals() string {
	var b strings.Builder
	writeRow(&b, []string{"client", "runs", "brokers killed or paused meanwhile", "records acknowledged", "lost", "repeated", "out of order",
		"records to work on", "never worked on", "worked on twice", "worked on out of order"})
	b.WriteString(strings.Repeat("|---", 11) + "|\n")
	row := func(name string, t total) {
		cells := []string{name}
		for _, n := range []int{t.rounds, t.blows, t.acked, t.lost, t.repeated, t.disordered, t.toWorkOn, t.never, t.twice, t.workedOutOfOrder} {
			cells = append(cells, thousands(n))
		}
		writeRow(&b, cells)
	}
	for _, how := range []How{Safe, Program} {
		for _, w := range ways() {
			if t := k.total(func(other Way) bool { return other.ID == w.ID }); w.How == how && t.rounds > 0 {
				row(w.label(Producers), t)
			}
		}
	}
	row("all of them", k.total(careful))
	kills, pauses, runs := k.blows(careful)
	fmt.Fprintf(&b, "\nSeveral of them meet each blow: the blows were %s kills and %s pauses of brokers, in %s runs.\n",
		thousands(kills), thousands(pauses), thousands(runs))
	return b.String()
}

// renderSetup says on what, with what and when it was run.
func (k *keeping) renderSetup() string {
	var b strings.Builder
	kills, pauses, runs := k.blows(anyWay)
	together, rounds := 0, 0
	for _, r := range k.results {
		together, rounds = max(together, r.Together), max(rounds, r.Round)
	}
	var versions []string
	for _, c := range all.Clients() {
		versions = append(versions, c.Name()+" "+k.setup.Versions[c.Name()])
	}
	fmt.Fprintf(&b, "Run on %s: %s; %s; %s; %s. %s, each producer asked for %s records of 100 B a second with %d keys, "+
		"each group for %d a second; up to %d ways met a blow at the same time. In all %s, with %s and %s of brokers.\n",
		k.setup.Date, k.setup.Cluster, k.setup.Machine, k.setup.Go, strings.Join(versions, ", "), many(rounds, "round"),
		thousands(k.setup.Rate), keys, consumerRate, together, many(runs, "run"), many(kills, "kill"), many(pauses, "pause"))
	return b.String()
}

// renderSettings lists what each way sets, and where its code is from.
func (k *keeping) renderSettings() string {
	var b strings.Builder
	for _, w := range ways() {
		fmt.Fprintf(&b, "- %s: as in %s", w.label(Producers), w.source)
		var set []string
		for _, s := range w.settings() {
			set = append(set, fmt.Sprintf("`%s` %s", s.Name, s.Value))
		}
		if set != nil {
			b.WriteString("; " + strings.Join(set, ", "))
		}
		b.WriteString(".\n")
	}
	return b.String()
}

// renderClient lists what each way of a client did, but what was 0 everywhere.
func (k *keeping) renderClient(client string) string {
	var b strings.Builder
	for _, w := range ways() {
		if w.Client != client {
			continue
		}
		fmt.Fprintf(&b, "- %s:\n", w.label(Producers))
		for _, side := range []Side{Producers, Consumers} {
			measured := false
			for _, m := range measures(side) {
				var where []string
				for _, d := range k.drillsOf(side) {
					rounds := k.of(d.ID, w.ID)
					measured = measured || len(rounds) > 0
					if _, _, most := spread(counts(rounds, m)); most > 0 {
						where = append(where, fmt.Sprintf("%s %s", d.Short, cell(counts(rounds, m))))
					}
				}
				switch never := m.name == "lost" || m.name == "never worked on"; {
				case where != nil:
					fmt.Fprintf(&b, "  - %s: %s\n", m.name, strings.Join(where, "; "))
				case measured && never:
					fmt.Fprintf(&b, "  - %s: none\n", m.name)
				}
			}
		}
	}
	return b.String()
}

// renderDrills says what is done in each drill.
func renderDrills() string {
	var b strings.Builder
	for _, side := range []Side{Producers, Consumers} {
		fmt.Fprintf(&b, "%s:\n\n", map[Side]string{
			Producers: "While a producer writes", Consumers: "While the " + fmt.Sprint(members) + " members of a group work on records",
		}[side])
		for _, d := range drills() {
			if d.Side == side {
				fmt.Fprintf(&b, "- **%s**: %s (`-drills %s`).\n", d.Short, d.Title, d.ID)
			}
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// parts are the generated parts of the chapter, by the names in their markers.
func (k *keeping) parts() map[string]string {
	c := k.chart()
	out := map[string]string{
		"setup":     k.renderSetup(),
		"drills":    renderDrills(),
		"chart":     fmt.Sprintf("![%s](faults/%s)\n\n*%s* %s\n", c.title, chartFile, c.title, c.text),
		"totals":    k.renderTotals(),
		"producers": k.renderSide(Producers),
		"consumers": k.renderSide(Consumers),
		"settings":  k.renderSettings(),
	}
	for _, c := range all.Clients() {
		out[c.Name()] = k.renderClient(c.Name())
	}
	return out
}

// renderTables is what is printed after a run.
func (k *keeping) renderTables() string {
	var b strings.Builder
	b.WriteString(k.renderSetup())
	for _, side := range []Side{Producers, Consumers} {
		if len(k.drillsOf(side)) > 0 {
			b.WriteString("\n" + k.renderSide(side) + "\n")
		}
	}
	b.WriteString("\nWhat each way sets:\n\n" + k.renderSettings())
	return b.String()
}

// writeChapter puts tables and chart into the chapter.
func (k *keeping) writeChapter(root string) error {
	svg, err := k.chart().draw()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "04-comparison", "faults", chartFile), svg, 0o644); err != nil {
		return fmt.Errorf("writing the chart: %w", err)
	}
	return chapter.Write(root, k.parts())
}
