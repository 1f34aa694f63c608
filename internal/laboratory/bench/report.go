package bench

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// report has the sentences; what stands between them is made here.
//
//go:embed report.md
var report embed.FS

// chapter is the README with the generated part.
var chapter = generated.File{Path: "04-comparison/README.md", Command: "go run ./04-comparison/bench -write"}

// templates are the parts of report.md.
var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"size":  bytesText,
	"count": kit.Count,
}).ParseFS(report, "report.md"))

// render makes a part of report.md.
func (r Results) render(part string) (string, error) {
	var b strings.Builder
	if err := templates.ExecuteTemplate(&b, part, r); err != nil {
		return "", fmt.Errorf("writing the report: %w", err)
	}
	return strings.TrimSpace(b.String()) + "\n", nil
}

// parts are the generated parts of the chapter, by the names in their markers.
func (r Results) parts() (map[string]string, error) {
	text, err := r.render("chapter")
	return map[string]string{"bench": text}, err
}

// write puts the tables into the chapter, and the charts beside the command.
func (r Results) write(root string) error {
	parts, err := r.parts()
	if err != nil {
		return err
	}
	charts, err := r.charts()
	if err != nil {
		return err
	}
	errs := []error{chapter.Write(root, parts)}
	for name, svg := range charts {
		path := filepath.Join(root, "04-comparison", "bench", name)
		if err := os.WriteFile(path, svg, 0o644); err != nil {
			errs = append(errs, fmt.Errorf("writing a chart: %w", err))
		}
	}
	return errors.Join(errs...)
}

// What the sentences of report.md refer to.

// Linger, Batch, InHand, KeySize and Handful are settings of the matched way.
func (Results) Linger() string { return linger.String() }

// Batch is the size of a partition's batch.
func (Results) Batch() string { return bytesText(batchBytes) }

// InHand is how much may be unacknowledged.
func (Results) InHand() string { return bytesText(inHand) }

// KeySize is the size of a key in bytes.
func (Results) KeySize() int { return load.KeySize }

// Handful is how many records are handed over together.
func (Results) Handful() int { return load.Handful }

// VersionList names the clients with their versions.
func (r Results) VersionList() string {
	var list []string
	for _, n := range clients.Names() {
		if v := r.Versions[n]; v != "" {
			list = append(list, n+" "+v)
		}
	}
	return strings.Join(list, ", ")
}

// Sweeps tells whether more than the base point was measured.
func (r Results) Sweeps() bool {
	return slices.ContainsFunc(r.Cases, func(c Case) bool { return c.Point != base })
}

// A contest orders the matched clients by a figure.
type contest struct {
	of   func(load.Measure) float64
	more bool // more is better
	show func(float64) string
}

var contests = map[string]contest{
	"rate":   {of: rate, more: true, show: short},
	"cpu":    {of: cpu, show: func(f float64) string { return figure(f) + " µs" }},
	"memory": {of: memory, show: func(f float64) string { return figure(f) + " MB" }},
	"p50":    {of: p50, show: func(f float64) string { return figure(f) + " ms" }},
}

// Complete tells whether all clients were measured, so that they can be compared.
func (r Results) Complete() bool {
	return len(r.contestants(load.Produce, contests["rate"])) == len(clients.All())
}

// contestants returns the cases of the matched clients, the best first.
func (r Results) contestants(kind load.Kind, c contest) []*Case {
	var cases []*Case
	for _, n := range clients.Names() {
		if one := r.matched(kind, base, n); one != nil {
			cases = append(cases, one)
		}
	}
	slices.SortStableFunc(cases, func(a, b *Case) int {
		x, y := a.median(c.of), b.median(c.of)
		switch {
		case x == y:
			return 0
		case (x > y) == c.more:
			return -1
		}
		return 1
	})
	return cases
}

// Leaders names the best by a figure, and those that the rounds don't tell apart from it:
// whose median lies between its least and its most.
func (r Results) Leaders(kind load.Kind, name string) string {
	c := contests[name]
	order := r.contestants(kind, c)
	_, least, most := order[0].spread(c.of)
	var leaders []string
	for i, one := range order {
		if median := one.median(c.of); i == 0 || median >= least && median <= most {
			leaders = append(leaders, one.Client)
		}
	}
	return strings.Join(leaders, " or ")
}

// Ranking lists the clients with their figures, the best first.
func (r Results) Ranking(kind load.Kind, name string) string {
	c := contests[name]
	var parts []string
	for _, one := range r.contestants(kind, c) {
		parts = append(parts, one.Client+" "+c.show(one.median(c.of)))
	}
	return strings.Join(parts, ", ")
}

// A row of a table: a client, and the way in which it was measured.
type row struct{ client, way string }

// rows are the clients in their ways, at the base point.
func rows() []row {
	var out []row
	for _, n := range clients.Names() {
		out = append(out, row{n, asMatched})
	}
	out = append(out, row{"kafka-go", oneByOne})
	for _, n := range clients.Names() {
		out = append(out, row{n, asDefaults})
	}
	return append(out, row{javaName, ""}, row{limitName, ""})
}

// at returns the case of a row at the base point, or nil.
func (r Results) at(kind load.Kind, row row) *Case {
	if row.client == limitName {
		return r.matched(kind, base, limitName)
	}
	return r.find(kind, base, row.client, row.way)
}

// Throughput is the table of writing or of receiving, at the base point.
func (r Results) Throughput(kind load.Kind) string {
	t := kit.NewTable("client", "way", "records/s (least to most)", "to Java", "to the limit",
		"CPU µs/record", "to Java", "allocations/record", "bytes/record", "collections/million", "peak MB")
	java := r.matched(kind, base, javaName)
	for _, row := range rows() {
		c := r.at(kind, row)
		if c == nil {
			continue
		}
		median, least, most := c.spread(rate)
		limit := r.limit(c)
		cells := []string{
			"**" + row.client + "**", row.way,
			fmt.Sprintf("%s (%s to %s)", short(median), short(least), short(most)),
			times(c.ratio(java, rate)), times(c.ratio(limit, rate)),
			figure(c.median(cpu)), times(c.ratio(java, cpu)),
		}
		for _, of := range []func(load.Measure) float64{
			func(m load.Measure) float64 { return m.Allocations },
			func(m load.Measure) float64 { return m.Bytes },
			func(m load.Measure) float64 { return m.Collections },
		} {
			cell := figure(c.median(of))
			if row.client == javaName {
				cell = ""
			}
			cells = append(cells, cell)
		}
		t.Row(append(cells, figure(c.median(memory)))...)
	}
	return t.String()
}

// LatencyTable is the table of the time from write to receive.
func (r Results) LatencyTable() string {
	t := kit.NewTable("client", "way", "p50 ms (least to most)", "p99 ms", "p50 to Java", "p50 to the limit",
		"records a round", "CPU µs/record", "allocations/record")
	for _, row := range rows() {
		c := r.at(load.Latency, row)
		if c == nil {
			continue
		}
		median, least, most := c.spread(p50)
		used := figure(c.median(cpu))
		allocations := figure(c.median(func(m load.Measure) float64 { return m.Allocations }))
		if row.client == javaName {
			used, allocations = "", "" // The start of its JVM would be nearly all of it.
		}
		t.Row("**"+row.client+"**", row.way,
			fmt.Sprintf("%s (%s to %s)", figure(median), figure(least), figure(most)), figure(c.median(p99)),
			times(c.ratio(r.java(c), p50)), times(c.ratio(r.limit(c), p50)),
			short(c.median(func(m load.Measure) float64 { return float64(m.Records) })), used, allocations)
	}
	return t.String()
}

// Growth is the table of what changes when one thing does.
func (r Results) Growth(kind load.Kind) string {
	heads := []string{"client"}
	for _, p := range points[kind] {
		heads = append(heads, head(kind, p))
	}
	t := kit.NewTable(heads...)
	for _, n := range append(clients.Names(), javaName, limitName) {
		cells := []string{"**" + n + "**"}
		for _, p := range points[kind] {
			cells = append(cells, r.growthCell(r.matched(kind, p, n)))
		}
		t.Row(cells...)
	}
	return t.String()
}

// head says how a point differs from base.
func head(kind load.Kind, p load.Point) string {
	switch {
	case p == base && kind == load.Consume:
		return fmt.Sprintf("%s, %d partitions", bytesText(p.Size), p.Partitions)
	case p == base:
		return fmt.Sprintf("%s, %s, %d partitions", bytesText(p.Size), kit.Count(p.Goroutines, "goroutine"), p.Partitions)
	case p.Size != base.Size:
		return "**" + bytesText(p.Size) + "**"
	case p.Goroutines != base.Goroutines:
		return "**" + kit.Count(p.Goroutines, "goroutine") + "**"
	}
	return "**" + kit.Count(p.Partitions, "partition") + "**"
}

func (r Results) growthCell(c *Case) string {
	if c == nil {
		return ""
	}
	text := fmt.Sprintf("%s/s, %s µs", short(c.median(rate)), figure(c.median(cpu)))
	if c.Client == limitName {
		return text
	}
	ratios := times(c.ratio(r.java(c), rate)) + ", " + times(c.ratio(r.limit(c), rate))
	return text + "; " + strings.TrimPrefix(ratios, ", ")
}

// SettingsList lists what the matched way sets.
func (r Results) SettingsList() string {
	var b strings.Builder
	for _, n := range clients.Names() {
		var parts []string
		for _, s := range r.Settings[n] {
			parts = append(parts, s.Name+" "+s.Value)
		}
		if len(parts) > 0 {
			fmt.Fprintf(&b, "- **%s**: %s.\n", n, strings.Join(parts, "; "))
		}
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

// SharesTable is the table of where processor time goes.
func (r Results) SharesTable() string {
	t := kit.NewTable(append([]string{"client", "task"}, kinds...)...)
	for _, n := range clients.Names() {
		for _, kind := range []load.Kind{load.Produce, load.Consume} {
			s, ok := r.Shares[n+", "+string(kind)]
			if !ok {
				continue
			}
			cells := []string{"**" + n + "**", string(kind)}
			for _, k := range kinds {
				cells = append(cells, fmt.Sprintf("%.0f %%", s[k]))
			}
			t.Row(cells...)
		}
	}
	return t.String()
}

// Most says in which kinds of functions a client spends most of its time.
func (r Results) Most(client string, kind load.Kind, n int) string {
	s := r.Shares[client+", "+string(kind)]
	var parts []string
	for _, k := range s.Biggest(n) {
		parts = append(parts, fmt.Sprintf("%s (%.0f %%)", k, s[k]))
	}
	return strings.Join(parts, " and ")
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
	case f < 0.0001:
		return "less than 0.0001"
	case f < 0.01:
		return fmt.Sprintf("%.4f", f)
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
	case f < 10 && f != float64(int(f)):
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}
