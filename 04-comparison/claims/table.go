package main

import (
	"fmt"
	"slices"
	"strings"

	"kafka-with-go/internal/generated"
)

const readme = "04-comparison/README.md"

// A row of a table of defaults.
type row struct {
	name string
	note string            // how it was seen
	does map[string]string // what a mark means to a user, by mark

	timed bool // a time was measured: noise makes it longer
}

var producerRows = []row{
	{"acks", "in the request that writes", map[string]string{
		"loses": "With 0 a record that no broker has counts as written; with 1 it is gone if the leader dies before another replica has it."}, false},
	{"idempotence", "whether the client asks for a producer id and puts it into its batches", map[string]string{
		"repeats": "When an acknowledgement gets lost, the record is written a second time, and maybe out of order."}, false},
	{"retries", "brokers answered each write with NOT_ENOUGH_REPLICAS, for " + human(patience), map[string]string{
		"loses":  "Nobody learns that a record was refused.",
		"delays": "A record may wait for minutes, or for ever, before anybody learns that it can't be written."}, false},
	{"linger", "the shortest time between a lone record's write and the request, of twelve", map[string]string{
		"delays": "Whoever writes one record and waits for it, waits this long each time."}, true},
	{"batch, at most", "the largest batch after the brokers held their answers back; a limit by count is named where one was met", nil, false},
	{"compression", "in the header of the first batch", nil, false},
	{"partitioner", "the hash that explains where 64 keys are", map[string]string{
		"mixes": "Records with the same key lie in several partitions, so they are read in any order.",
		"moves": "Programs with another client, Java's among them, put the same key into another partition."}, false},
	{"largest record", "the largest value that is sent, without a key, to brokers that take 64 MiB", nil, false},
	{"auto-creation of topics", "a write to a topic that isn't there, on brokers that create topics when asked", map[string]string{
		"surprises": "A misspelt name becomes a topic, with the brokers' default of partitions and replicas."}, false},
	{"errors that nobody reads", fmt.Sprintf("%s records, more for sarama, written without waiting and refused for good", thousands(unread)), map[string]string{
		"loses": "The records are gone, and the program goes on as if they were written.",
		"stops": "The program hangs, at a time when something else is wrong already."}, false},
}

var consumerRows = []row{
	{"start of a new group", "a new group on a topic that has five records", map[string]string{
		"skips": "What was written before the group's first start is never read."}, false},
	{"a commit covers", "the work on one record takes 6.5 s; whether it is committed meanwhile", map[string]string{
		"loses": "If the program dies now, the record is never worked on."}, false},
	{"commit interval", "the time between two commits while a record comes every 50 ms", map[string]string{
		"repeats": "After a crash, what was worked on in this time comes again."}, true},
	{"commit at Close", "the last commit after an orderly end", map[string]string{
		"repeats": "After each restart some records come again.",
		"loses":   "A restart loses the record in hand."}, false},
	{"session timeout", "in the request that joins the group", map[string]string{
		"delays": "When a member is killed, nobody reads its partitions for this long."}, false},
	{"fetch waits for", "in the first request that fetches; waits of seconds are rounded", nil, false},
	{"isolation level", "in the same request", map[string]string{
		"repeats": "Records of transactions that were taken back are read too, and again when they are tried again."}, false},
	{"reading without a group", "one record, with no group named", nil, false},
}

// renderClaims makes the table of the sentences.
func (r Results) renderClaims() string {
	var b strings.Builder
	head := append([]string{"#", "the sentence"}, names()...)
	writeRow(&b, append(head, "verdict"))
	writeRule(&b, len(head)+1)
	claims := r.claims()
	for i, c := range claims {
		cells := []string{fmt.Sprint(i + 1), fmt.Sprintf("**%s** %s", c.About, c.Sentence)}
		for _, n := range names() {
			cells = append(cells, c.Measured[n])
		}
		writeRow(&b, append(cells, fmt.Sprintf("**%s.** %s", c.Verdict, c.Because)))
	}
	b.WriteString("\nHow each is tested, what it counts and what it leaves out:\n\n")
	for i, c := range claims {
		fmt.Fprintf(&b, "%d. %s\n", i+1, c.Test)
	}
	b.WriteString("\nVersions: ")
	for i, n := range names() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %s (%s)", n, r.Counted[n].Version, r.Counted[n].Released)
	}
	fmt.Fprintf(&b, ". Measured on %s with %s on %s. Counted for linux/amd64 with cgo.\n", r.Date, r.Go, r.Machine)
	b.WriteString("\nTo read a client's history again: `git log -1 --format=%cs`, `git rev-list --count --no-merges --since=\"1 year ago\" HEAD`, " +
		"`git log --no-merges --since=\"1 year ago\" --format=%an | sort -u`, in a clone of it.\n")
	return b.String()
}

// renderDefaults makes the two tables of defaults, and what their marks mean.
func (r Results) renderDefaults() string {
	var b strings.Builder
	table := func(title string, d Defaults, rows []row, columns []string) {
		fmt.Fprintf(&b, "%s\n\n", title)
		writeRow(&b, append([]string{"default"}, columns...))
		writeRule(&b, len(columns)+1)
		for _, row := range rows {
			cells := []string{row.name}
			for _, c := range columns {
				cell, ok := d[row.name][c]
				text := orMissing(cell.Value)
				if ok && cell.Mark != "" {
					text += " **" + cell.Mark + "**"
				}
				cells = append(cells, text)
			}
			writeRow(&b, cells)
		}
		b.WriteString("\n")
	}
	var producerColumns, consumerColumns []string
	for _, c := range producers() {
		producerColumns = append(producerColumns, c.name)
	}
	for _, c := range consumers() {
		consumerColumns = append(consumerColumns, c.name)
	}
	table("Writing:", r.ProducerDefault, producerRows, producerColumns)
	table("Reading, in a group:", r.ConsumerDefault, consumerRows, consumerColumns)
	b.WriteString("What the marks mean to you, and how each default was seen:\n\n")
	for _, rows := range []struct {
		rows []row
		d    Defaults
	}{{producerRows, r.ProducerDefault}, {consumerRows, r.ConsumerDefault}} {
		for _, row := range rows.rows {
			fmt.Fprintf(&b, "- %s (%s).", row.name, row.note)
			for _, mark := range marksOf(rows.d[row.name]) {
				fmt.Fprintf(&b, " **%s**: %s", mark, row.does[mark])
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// marksOf returns the marks in a row, sorted.
func marksOf(cells map[string]Cell) []string {
	var marks []string
	for _, c := range cells {
		if c.Mark != "" && !slices.Contains(marks, c.Mark) {
			marks = append(marks, c.Mark)
		}
	}
	slices.Sort(marks)
	return marks
}

// renderBadInput makes a table of what each client says to something bad.
func (r Results) renderBadInput() string {
	var b strings.Builder
	head := []string{"situation", "side"}
	writeRow(&b, append(head, names()...))
	writeRule(&b, len(head)+len(names()))
	for _, s := range situations() {
		for _, side := range []Side{Produce, Consume} {
			if side == Consume && !s.reads {
				continue
			}
			cells := []string{fmt.Sprintf("**%s**: %s", s.name, s.explain), map[Side]string{Produce: "writing", Consume: "reading"}[side]}
			for _, n := range names() {
				cells = append(cells, r.BadInput[s.name][side][n].String())
			}
			writeRow(&b, cells)
		}
	}
	fmt.Fprintf(&b, "\nEach client with its defaults (kafka-go's writer is `kafka.Writer{}`), and what its API says first within %s; "+
		"what it logs isn't looked at. \"At once\" is within two seconds.\n", human(listenTime))
	return b.String()
}

// String is how the table has an answer.
func (a Answer) String() string {
	switch {
	case a.When == "":
		return "not measured"
	case a.When == never:
		return "**" + never + "**"
	case a.Said == acknowledged:
		return "**" + acknowledged + "**"
	}
	text := a.When + ": "
	if a.Unsteady {
		text = "sometimes **" + never + "**, sometimes " + text
	}
	return text + strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(a.Said)
}

func writeRow(b *strings.Builder, cells []string) {
	for _, c := range cells {
		b.WriteString("| " + strings.ReplaceAll(strings.TrimSpace(c), "|", "\\|") + " ")
	}
	b.WriteString("|\n")
}

func writeRule(b *strings.Builder, n int) { b.WriteString(strings.Repeat("|---", n) + "|\n") }

// blocks are the generated parts of the README, by the name in their markers.
func (r Results) blocks() map[string]string {
	return map[string]string{
		"claims":    r.renderClaims(),
		"defaults":  r.renderDefaults(),
		"bad input": r.renderBadInput(),
	}
}

// chapter is the README with the generated parts.
var chapter = generated.File{Path: readme, Command: "go run ./04-comparison/claims -write"}
