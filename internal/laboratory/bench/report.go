package bench

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// page is the text with the generated parts.
var page = generated.File{Path: "04-comparison/BENCHMARK.md", Command: "go run ./04-comparison/bench -write"}

// parts are the generated parts of the page, by the names in their markers.
func (r Results) parts() map[string]string {
	return map[string]string{
		"measured":  r.measured(),
		"choice":    r.choice(),
		"writing":   r.rates(load.Produce),
		"reading":   r.rates(load.Consume),
		"cost":      r.cost(),
		"larger":    r.largerTable(),
		"more":      r.moreTable(),
		"memory":    r.memoryTable(),
		"latency":   r.latencyTable(),
		"handicaps": r.handicaps(),
		"settings":  r.settingsList(),
	}
}

// write puts the tables into the page, and the charts beside the command.
func (r Results) write(root string) error {
	charts, err := r.charts()
	if err != nil {
		return err
	}
	errs := []error{page.Write(root, r.parts())}
	for name, svg := range charts {
		path := filepath.Join(root, "04-comparison", "bench", name)
		if err := os.WriteFile(path, svg, 0o644); err != nil {
			errs = append(errs, fmt.Errorf("writing a chart: %w", err))
		}
	}
	return errors.Join(errs...)
}

// measured says when, on what and with what it was measured, and what its rounds can tell.
func (r Results) measured() string {
	var versions []string
	for _, n := range clients.Names() {
		versions = append(versions, n+" "+r.Versions[n])
	}
	needed := r.Rounds
	for needed > 0 && chance(wins(needed-1, r.Rounds)) < told {
		needed--
	}
	again := fmt.Sprintf("go run ./04-comparison/bench -rounds %d -time %dms", r.Rounds, r.Milliseconds)
	if r.Cluster == embeddedName {
		again += " -embedded"
	}
	return fmt.Sprintf("- **again**: `"+again+"`\n- **when and where**: %s, on %s, with %s and %s\n"+
		"- **clients**: %s\n- **brokers**: %s\n- **rounds**: %d, and %g s a client in each; together %s\n"+
		"- **told apart** are two of which one is ahead in %d of %d rounds: among equals that happens in %.1f %% of runs\n",
		r.Date, r.Machine, r.Go, r.Java, strings.Join(versions, ", "), r.Cluster, r.Rounds,
		float64(r.Milliseconds)/1000, r.took(), needed, r.Rounds, 100*chance(wins(needed, r.Rounds)))
}

// took is the time that all rounds took.
func (r Results) took() string {
	return (time.Duration(r.Seconds) * time.Second).String()
}

// wins are ratios of which some are ahead.
func wins(ahead, of int) []float64 {
	return append(slices.Repeat([]float64{2}, ahead), slices.Repeat([]float64{0.5}, of-ahead)...)
}

// A contest orders the clients, as shipped, by a figure.
type contest struct {
	wish  string
	kind  load.Kind
	point load.Point
	of    func(load.Measure) float64
	more  bool // more is better
}

var contests = []contest{
	{"to write as much as you can", load.Produce, base, rate, true},
	{"to read as much as you can", load.Consume, base, rate, true},
	{"to write with little processor", load.Produce, base, cpu, false},
	{"to read with little processor", load.Consume, base, cpu, false},
	{"to write with little memory, 10,000 records in hand", load.Produce, windows[1], memory, false},
	{"that a record is there soon", load.Latency, base, p50, false},
}

// order returns the clients, the best first.
func (r Results) order(c contest) []*Case {
	var cases []*Case
	for _, n := range clients.Names() {
		if one := r.find(c.kind, c.point, n, asShipped); one != nil {
			cases = append(cases, one)
		}
	}
	slices.SortStableFunc(cases, func(a, b *Case) int {
		sign := 1
		if c.more {
			sign = -1
		}
		return sign * cmp.Compare(a.median(c.of), b.median(c.of))
	})
	return cases
}

// choice says for each wish who is first, and whom the rounds don't tell apart from it.
func (r Results) choice() string {
	t := kit.NewTable("you want", "first", "not told apart from it", "then")
	for _, c := range contests {
		order := r.order(c)
		if len(order) == 0 {
			continue
		}
		var equals, rest []string
		for _, one := range order[1:] {
			if chance(order[0].ratios(one, c.of)) < told {
				rest = append(rest, one.Client)
			} else {
				equals = append(equals, one.Client)
			}
		}
		t.Row(c.wish, "**"+order[0].Client+"**", cmp.Or(strings.Join(equals, ", "), "nobody"), strings.Join(rest, ", "))
	}
	return t.String()
}

// rates is the table of writing or of receiving, at the base point.
func (r Results) rates(kind load.Kind) string {
	t := kit.NewTable("client", "records a second", "least to most", "beside Java's", "beside the limit")
	java, limit := r.java(kind, base), r.find(load.Limit, base, limitName, "")
	row := func(c *Case, name string) {
		if c == nil {
			return
		}
		median, least, most := c.spread(rate)
		t.Row(name, short(median), short(least)+" to "+short(most), times(c.ratio(java, rate)), times(c.ratio(limit, rate)))
	}
	for _, c := range r.order(contest{kind: kind, point: base, of: rate, more: true}) {
		row(c, "**"+c.Client+"**")
	}
	for _, n := range clients.Names() {
		row(r.find(kind, base, n, asTuned), n+", tuned: "+tuned(n, kind))
		row(r.find(kind, base, n, unthrottled), n+", without its throttle (fetch.queue.backoff.ms 1)")
	}
	row(java, "Java's own tool")
	row(limit, "the limit")
	return t.String()
}

// cost is the table of what a record takes.
func (r Results) cost() string {
	t := kit.NewTable("client", "CPU µs, writing", "reading", "allocations, writing", "reading")
	for _, n := range clients.Names() {
		cells := []string{"**" + n + "**"}
		for _, of := range []func(load.Measure) float64{cpu, func(m load.Measure) float64 { return m.Allocations }} {
			for _, kind := range []load.Kind{load.Produce, load.Consume} {
				if c := r.find(kind, base, n, asShipped); c != nil {
					cells = append(cells, figure(c.median(of)))
				}
			}
		}
		t.Row(cells...)
	}
	return t.String()
}

// CPU says what a record costs each client as shipped, in µs of a processor, by the kept results.
func CPU(root string) (writing, reading map[string]string, err error) {
	var r Results
	if err := resultsFile.Load(root, &r); err != nil {
		return nil, nil, err
	}
	of := func(kind load.Kind) map[string]string {
		figures := make(map[string]string)
		for _, n := range clients.Names() {
			if c := r.find(kind, base, n, asShipped); c != nil {
				figures[n] = figure(c.median(cpu))
			}
		}
		return figures
	}
	return of(load.Produce), of(load.Consume), nil
}

// largerTable is the table of rates with larger records.
func (r Results) largerTable() string {
	t := kit.NewTable("client", "writing, records a second", "beside Java's", "reading, records a second", "beside Java's")
	for _, n := range append(clients.Names(), javaName) {
		cells := []string{"**" + n + "**"}
		for _, kind := range []load.Kind{load.Produce, load.Consume} {
			c := r.find(kind, larger, n, asShipped)
			if n == javaName {
				c = r.java(kind, larger)
			}
			if c != nil {
				cells = append(cells, withSpread(c, rate, short), times(c.ratio(r.java(kind, larger), rate)))
			}
		}
		t.Row(cells...)
	}
	return t.String()
}

// moreTable is the table of what more goroutines change.
func (r Results) moreTable() string {
	t := kit.NewTable("client", "records a second, from 16 goroutines", "beside one goroutine")
	for _, n := range clients.Names() {
		if c := r.find(load.Produce, goroutines, n, asShipped); c != nil {
			one := r.find(load.Produce, base, n, asShipped)
			t.Row("**"+n+"**", withSpread(c, rate, short), times(c.ratio(one, rate)))
		}
	}
	return t.String()
}

// memoryTable is the table of memory over the records in hand.
func (r Results) memoryTable() string {
	heads := []string{"MB at most, with so many records in hand"}
	for _, p := range windows {
		heads = append(heads, kit.Thousands(p.InHand))
	}
	t := kit.NewTable(heads...)
	for _, n := range clients.Names() {
		cells := []string{"**" + n + "**"}
		for _, p := range windows {
			if c := r.find(load.Produce, p, n, asShipped); c != nil {
				cells = append(cells, withSpread(c, memory, figure))
			}
		}
		t.Row(cells...)
	}
	return t.String()
}

// latencies are the rows of the time from write to receive.
func (r Results) latencies() []*Case {
	cases := r.order(contest{kind: load.Latency, point: base, of: p50})
	for _, way := range flowWays {
		cases = append(cases, r.find(load.Latency, base, flowName, way))
	}
	cases = append(cases, r.java(load.Latency, base))
	return slices.DeleteFunc(cases, func(c *Case) bool { return c == nil })
}

func latencyName(c *Case) string {
	if c.Client == flowName {
		return flowName + ", " + c.Way
	}
	return c.Client
}

// latencyTable is the table of the time from write to receive.
func (r Results) latencyTable() string {
	t := kit.NewTable("client", "half within, ms", "99 of 100 within, ms", "half, beside Java's", "99 of 100, beside Java's")
	java := r.java(load.Latency, base)
	for _, c := range r.latencies() {
		t.Row("**"+latencyName(c)+"**", withSpread(c, p50, figure), withSpread(c, p99, figure),
			times(c.ratio(java, p50)), times(c.ratio(java, p99)))
	}
	return t.String()
}

// handicaps is the table of what one client alone is given.
func (r Results) handicaps() string {
	t := kit.NewTable("client", "it has, and not all others", "because")
	for _, n := range clients.Names() {
		for _, s := range r.Settings[n] {
			if s.Own != "" {
				t.Row(n, "`"+s.Name+"` "+s.Value, s.Own)
			}
		}
	}
	return t.String()
}

// settingsList lists what is set as shipped.
func (r Results) settingsList() string {
	var b strings.Builder
	for _, n := range clients.Names() {
		var parts []string
		for _, s := range r.Settings[n] {
			parts = append(parts, strings.TrimSpace(s.Name+" "+s.Value))
		}
		fmt.Fprintf(&b, "- **%s**: %s.\n", n, strings.Join(parts, "; "))
	}
	for _, kind := range []load.Kind{load.Produce, load.Consume, load.Latency} {
		name, args := javaRun{kind: kind, brokers: []string{"…"}, topic: "…", group: "…", point: base}.tool()
		for i, a := range args {
			if a == "--num-records" || a == "--warmup-records" {
				args[i+1] = "…"
			}
		}
		fmt.Fprintf(&b, "- **Java**: `%s %s`.\n", name, strings.Join(args, " "))
	}
	return b.String()
}

// withSpread is a median and, in brackets, the least and the most of the rounds.
func withSpread(c *Case, of func(load.Measure) float64, show func(float64) string) string {
	median, least, most := c.spread(of)
	return fmt.Sprintf("%s (%s to %s)", show(median), show(least), show(most))
}

// times is a ratio.
func times(ratio float64) string {
	if ratio == 0 {
		return ""
	}
	return "× " + figure(ratio)
}

// figure is a number with two or three digits that count.
func figure(f float64) string {
	switch {
	case f == 0:
		return "0"
	case f < 0.01:
		return "less than 0.01"
	case f < 10:
		return fmt.Sprintf("%.2f", f)
	case f < 100:
		return fmt.Sprintf("%.1f", f)
	}
	return short(f)
}

// short is a large number.
func short(f float64) string {
	switch {
	case f >= 1e6:
		return fmt.Sprintf("%.2f M", f/1e6)
	case f >= 10e3:
		return fmt.Sprintf("%.0f k", f/1e3)
	case f >= 1e3:
		return fmt.Sprintf("%.1f k", f/1e3)
	}
	return fmt.Sprintf("%.0f", f)
}
