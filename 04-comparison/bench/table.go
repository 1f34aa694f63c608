package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kafka-with-go/internal/generated"
)

const readme = "04-comparison/README.md"

// caption says where the figures come from.
func (r Results) caption() string {
	var versions []string
	for _, n := range clientNames() {
		if v := r.Versions[n]; v != "" {
			versions = append(versions, n+" "+v)
		}
	}
	java := ""
	if r.Java != "" {
		java = ", " + r.Java
	}
	return fmt.Sprintf("Measured on %s on %s, with %s%s; %s; on %s, topics with three replicas where there are three brokers. %s of %d ms for each figure, in turn. %s",
		r.Date, r.Machine, r.Go, java, strings.Join(versions, ", "), r.Cluster, many(r.Rounds, "round"), r.Milliseconds, r.Worth)
}

// short says it shorter, for a chart.
func (r Results) short() string {
	return fmt.Sprintf("%s, %s, %s, %s of %d ms; the versions and settings are those of the tables.",
		r.Date, r.Machine, r.Cluster, many(r.Rounds, "round"), r.Milliseconds)
}

// rows are the clients in their ways, at the base point.
func rows() [][2]string {
	var out [][2]string
	for _, n := range clientNames() {
		out = append(out, [2]string{n, asMatched})
	}
	out = append(out, [2]string{"kafka-go", oneByOne})
	for _, n := range clientNames() {
		out = append(out, [2]string{n, asDefaults})
	}
	return append(out, [2]string{javaName, ""}, [2]string{limitName, ""})
}

// renderThroughput is the table of writing or of receiving, at the base point.
func (r Results) renderThroughput(task Task) string {
	var b strings.Builder
	writeRow(&b, "client", "way", "records/s (least to most)", "to Java", "to the limit", "CPU µs/record", "to Java",
		"allocations/record", "bytes/record", "collections/million", "peak MB")
	writeRule(&b, 11)
	for _, row := range rows() {
		c := r.find(task, base, row[0], row[1])
		if row[0] == limitName {
			c = r.find(Limit, base, limitName, "")
		}
		if c == nil {
			continue
		}
		limit, java := r.limit(c), r.java(c)
		if c.Task == Limit {
			limit, java = c, r.find(task, base, javaName, "")
		}
		median, least, most := c.median(rate)
		used, _, _ := c.median(cpu)
		cells := []string{
			"**" + row[0] + "**", row[1], fmt.Sprintf("%s (%s to %s)", short(median), short(least), short(most)),
			times(c.ratio(java, rate)), times(c.ratio(limit, rate)), figure(used), times(c.ratio(java, cpu)),
		}
		for _, f := range []func(Measure) float64{
			func(m Measure) float64 { return m.Allocations },
			func(m Measure) float64 { return m.Bytes },
			func(m Measure) float64 { return m.Collections },
		} {
			value, _, _ := c.median(f)
			if row[0] == javaName {
				cells = append(cells, "")
				continue
			}
			cells = append(cells, figure(value))
		}
		peak, _, _ := c.median(func(m Measure) float64 { return m.PeakMB })
		writeRow(&b, append(cells, figure(peak))...)
	}
	return b.String()
}

// renderLatency is the table of the time from write to receive.
func (r Results) renderLatency() string {
	var b strings.Builder
	writeRow(&b, "client", "way", "p50 ms (least to most)", "p99 ms", "p50 to Java", "p50 to the limit", "records a round", "CPU µs/record", "allocations/record")
	writeRule(&b, 9)
	for _, row := range rows() {
		c := r.find(Latency, base, row[0], row[1])
		if c == nil {
			continue
		}
		median, least, most := c.median(p50)
		tail, _, _ := c.median(p99)
		n, _, _ := c.median(func(m Measure) float64 { return float64(m.Records) })
		used, _, _ := c.median(cpu)
		allocations, _, _ := c.median(func(m Measure) float64 { return m.Allocations })
		cells := []string{
			"**" + row[0] + "**", row[1], fmt.Sprintf("%s (%s to %s)", figure(median), figure(least), figure(most)), figure(tail),
			times(c.ratio(r.java(c), p50)), times(c.ratio(r.limit(c), p50)), short(n), figure(used), figure(allocations),
		}
		if row[0] == javaName {
			cells[7], cells[8] = "", "" // The start of its JVM would be nearly all of it.
		}
		writeRow(&b, cells...)
	}
	return b.String()
}

// renderGrowth is the table of what changes when one thing does.
func (r Results) renderGrowth(task Task) string {
	points := slices.Concat(sizes, goroutines[1:], partitions[1:])
	heads := []string{"100 B, 1 goroutine, 3 partitions", "**1 KiB**", "**10 KiB**", "**4 goroutines**", "**16 goroutines**", "**48 partitions**"}
	if task == Consume {
		points = slices.Concat(sizes, partitions[1:])
		heads = []string{"100 B, 3 partitions", "**1 KiB**", "**10 KiB**", "**48 partitions**"}
	}
	var b strings.Builder
	writeRow(&b, append([]string{"client"}, heads...)...)
	writeRule(&b, len(heads)+1)
	for _, n := range append(clientNames(), javaName, limitName) {
		cells := []string{"**" + n + "**"}
		for _, p := range points {
			way := asMatched
			if n == javaName {
				way = ""
			}
			c := r.find(task, p, n, way)
			if n == limitName && p.Goroutines == base.Goroutines && p.Partitions == base.Partitions {
				c = r.find(Limit, p, limitName, "")
			}
			if n == javaName {
				c = r.warm(c)
			}
			if c == nil {
				cells = append(cells, "")
				continue
			}
			median, _, _ := c.median(rate)
			used, _, _ := c.median(cpu)
			text := fmt.Sprintf("%s/s, %s µs", short(median), figure(used))
			if n != limitName {
				text += "; " + strings.TrimPrefix(times(c.ratio(r.java(c), rate))+", "+times(c.ratio(r.limit(c), rate)), ", ")
			}
			cells = append(cells, text)
		}
		writeRow(&b, cells...)
	}
	return b.String()
}

// renderSettings lists what the matched way sets.
func (r Results) renderSettings() string {
	var b strings.Builder
	for _, n := range clientNames() {
		var parts []string
		for _, s := range r.Settings[n] {
			parts = append(parts, fmt.Sprintf("%s %s", s.Name, s.Value))
		}
		if len(parts) > 0 {
			fmt.Fprintf(&b, "- **%s**: %s.\n", n, strings.Join(parts, "; "))
		}
	}
	for _, task := range []Task{Produce, Consume, Latency} {
		name, args := javaRun{task: task, brokers: []string{"…"}, topic: "…", group: "…", point: base}.tool()
		for i, a := range args {
			if i > 0 && slices.Contains([]string{"--num-records", "--warmup-records"}, args[i-1]) {
				a = "…"
			}
			args[i] = a
		}
		fmt.Fprintf(&b, "- **Java**: `%s %s`.\n", name, strings.Join(args, " "))
	}
	return b.String()
}

// renderShares is the table of where processor time goes.
func renderShares(shares map[string]Shares) string {
	if len(shares) == 0 {
		return ""
	}
	var b strings.Builder
	writeRow(&b, append([]string{"client", "task"}, kinds...)...)
	writeRule(&b, len(kinds)+2)
	for _, n := range clientNames() {
		for _, task := range []Task{Produce, Consume} {
			s, ok := shares[n+", "+string(task)]
			if !ok {
				continue
			}
			cells := []string{"**" + n + "**", string(task)}
			for _, k := range kinds {
				cells = append(cells, fmt.Sprintf("%.0f %%", s[k]))
			}
			writeRow(&b, cells...)
		}
	}
	return b.String()
}

// render makes everything for a terminal and for the README.
func (r Results) render() string {
	var b strings.Builder
	quick := r.find(Produce, Point{1 << 10, 1, 3}, clientNames()[0], asMatched) == nil
	say := func(text string) { b.WriteString(text + "\n\n") }
	say(r.caption())
	say("Rates of a shared machine wander: read the columns \"to Java\" and \"to the limit\", which are medians of the ratios within a round, and the spread beside a median before you believe a small difference. " +
		"CPU is that of the whole process, threads of C included, and Java's has the start of its JVM and its compiler in it. " +
		"Allocations, bytes and collections are Go's: what C allocates is only in the peak.")
	say("Writing, records of 100 B from one goroutine to three partitions:")
	say(r.renderThroughput(Produce))
	say("Receiving the same through a group, with commits:")
	say(r.renderThroughput(Consume))
	say("From write to receive, one record at a time, without linger where it is matched:")
	say(r.renderLatency())
	if !quick {
		say("How it grows when one thing changes, matched. Each cell has records a second and CPU µs a record; then the rate's ratio to Java's tool (for several goroutines: to its one thread) and to the limit of that size. Java's cell is empty where its tool took fewer than 40,000 records in a round: its compiler was not done then, and the one ratio left is that to the limit. Writing:")
		say(r.renderGrowth(Produce))
		say("Receiving. The clock of a client starts with its first record, so what it has fetched by then (up to 1 MiB a partition) costs it nothing: 3 of the 96 MiB at three partitions, but up to half at 48. That column flatters the clients beside Java's tool, and those most that fetch ahead:")
		say(r.renderGrowth(Consume))
	}
	say("What each row is:")
	say(strings.Join([]string{
		"- **matched**: the same meaning for all: acks of all in-sync replicas, linger " + linger.String() + " (none for the time from write to receive), batches of a partition up to " + human(batchBytes) + ", no compression, records in hand up to " + human(inHand) + ", commits every second; keys of " + fmt.Sprint(keySize) + " B spread by murmur2. Idempotent, but for kafka-go, whose Writer isn't: a retry may write its records twice.",
		"- **" + oneByOne + "**: kafka-go with the same settings, one record a call. Its matched row is tuned beyond settings: it hands over " + fmt.Sprint(handful) + " records a call, and a small transport (`internal/clients/kafkago`) keeps the topic's metadata for a second instead of asking for it with each record, as the Writer does. The other clients take one record a call anyway.",
		"- **defaults**: what a newcomer gets, driven like the client's own first example. They promise different things (see the table of defaults above): the rates can't be compared with each other without that.",
		"- **" + javaName + "**: `kafka-producer-perf-test` (four times as many records before them, for its compiler to warm up), `kafka-consumer-perf-test`, `EndToEndLatency` (no group, no commits, linger 0). It writes no keys, and then fills one partition's batch at a time.",
		"- **" + limitName + "**: the same records encoded into batches with their checksums, and the bytes moved over loopback to three sockets and back. No broker, no replica, no waiting. Both ends of the sockets are in its process, and so in its CPU.",
	}, "\n"))
	say("The matched settings, at 100 B:")
	say(r.renderSettings())
	return strings.TrimRight(b.String(), "\n") + "\n"
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

func writeRow(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		b.WriteString("| " + c + " ")
	}
	b.WriteString("|\n")
}

func writeRule(b *strings.Builder, n int) { b.WriteString(strings.Repeat("|---", n) + "|\n") }

// block is what stands between the markers of the README.
func (r Results) block() string {
	var b strings.Builder
	b.WriteString(r.renderChoice() + "\n")
	for _, c := range r.charts() {
		fmt.Fprintf(&b, "![%s](bench/%s)\n\n*%s* %s\n\n", c.title, c.file, c.title, c.text)
	}
	b.WriteString(r.render() + "\n")
	b.WriteString(r.renderProfiles())
	return b.String()
}

// chapter is the README with the generated part.
var chapter = generated.File{Path: readme, Command: "go run ./04-comparison/bench -write"}

// blocks are the generated parts of the README, by the name in their markers.
func (r Results) blocks() map[string]string { return map[string]string{"bench": r.block()} }

// writeAll puts the tables into the README, and the charts beside this program.
func (r Results) writeAll(root string) error {
	errs := []error{chapter.Write(root, r.blocks())}
	for _, c := range r.charts() {
		svg, err := c.draw()
		if err == nil {
			err = os.WriteFile(filepath.Join(root, "04-comparison", "bench", c.file), svg, 0o644)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("drawing %s: %w", c.file, err))
		}
	}
	return errors.Join(errs...)
}
