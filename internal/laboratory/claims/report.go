package claims

import (
	"fmt"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// chapter is the README with the generated parts.
var chapter = generated.File{Path: "04-comparison/README.md", Command: "go run ./04-comparison/claims -write"}

// parts are the generated parts of the chapter, by the names in their markers.
func (r Results) parts() (map[string]string, error) {
	claims, err := r.renderClaims()
	if err != nil {
		return nil, err
	}
	defaults, err := r.renderDefaults()
	return map[string]string{"claims": claims, "defaults": defaults, "bad input": r.renderBadInput()}, err
}

const toReadHistory = "To read a client's history again: `git log -1 --format=%cs`, " +
	"`git rev-list --count --no-merges --since=\"1 year ago\" HEAD`, " +
	"`git log --no-merges --since=\"1 year ago\" --format=%an | sort -u`, in a clone of it."

// renderClaims makes the table of the sentences.
func (r Results) renderClaims() (string, error) {
	judgements, err := r.judge()
	if err != nil {
		return "", err
	}
	head := append([]string{"#", "the sentence"}, names()...)
	t := kit.NewTable(append(head, "verdict")...)
	var tests, versions []string
	for i, j := range judgements {
		cells := []string{fmt.Sprint(i + 1), fmt.Sprintf("**%s** %s", j.About, j.Sentence)}
		for _, n := range names() {
			cells = append(cells, j.Measured[n])
		}
		t.Row(append(cells, fmt.Sprintf("**%s.** %s", j.Verdict, j.Because))...)
		tests = append(tests, fmt.Sprintf("%d. %s", i+1, j.Test))
	}
	for _, n := range names() {
		versions = append(versions, fmt.Sprintf("%s %s (%s)", n, r.Counted[n].Version, r.Counted[n].Released))
	}
	return fmt.Sprintf("%s\nHow each is tested, what it counts and what it leaves out:\n\n%s\n\n"+
		"Versions: %s. Measured on %s with %s on %s. Counted for linux/amd64 with cgo.\n\n%s\n",
		t, strings.Join(tests, "\n"), strings.Join(versions, ", "), r.Date, r.Go, r.Machine, toReadHistory), nil
}

// Unread is how many records fail whose errors nobody reads.
func (facts) Unread() string { return kit.Thousands(unread) }

// Patience is how long is waited for what a client does in the end.
func (facts) Patience() string { return human(patience) }

// rowTexts are the sentences about the rows of the defaults: how each was seen, and what its
// marks mean to a user.
func (r Results) rowTexts() (map[string]kit.Section, error) {
	text, err := sentences.ReadFile("sentences/defaults.md")
	if err != nil {
		return nil, fmt.Errorf("reading the sentences: %w", err)
	}
	sections, err := kit.Sections("defaults.md", string(text), facts{r})
	out := make(map[string]kit.Section)
	for _, s := range sections {
		out[s.Title] = s
	}
	return out, err
}

// renderDefaults makes the two tables of defaults, and what their marks mean.
func (r Results) renderDefaults() (string, error) {
	texts, err := r.rowTexts()
	if err != nil {
		return "", err
	}
	var tables, notes strings.Builder
	for _, part := range []struct {
		title string
		side  side
		d     Defaults
	}{
		{"Writing:", producing(), r.ProducerDefault},
		{"Reading, in a group:", consuming(), r.ConsumerDefault},
	} {
		fmt.Fprintf(&tables, "%s\n\n%s\n", part.title, part.side.table(part.d))
		for _, row := range part.side.rows {
			fmt.Fprintf(&notes, "- %s (%s).", row, texts[row].Text)
			for _, mark := range part.d.marks(row) {
				means, ok := texts[row].Items[mark]
				if !ok {
					return "", fmt.Errorf("defaults.md doesn't say what %q means for %s", mark, row)
				}
				fmt.Fprintf(&notes, " **%s**: %s", mark, means)
			}
			notes.WriteString("\n")
		}
	}
	return tables.String() + "What the marks mean to you, and how each default was seen:\n\n" + notes.String(), nil
}

func (s side) table(d Defaults) *kit.Table {
	heads := []string{"default"}
	for _, c := range s.columns {
		heads = append(heads, c.name)
	}
	t := kit.NewTable(heads...)
	for _, row := range s.rows {
		cells := []string{row}
		for _, c := range s.columns {
			cell := d[row][c.name]
			text := orMissing(cell.Value)
			if cell.Mark != "" {
				text += " **" + cell.Mark + "**"
			}
			cells = append(cells, text)
		}
		t.Row(cells...)
	}
	return t
}

// renderBadInput makes a table of what each client says to something bad.
func (r Results) renderBadInput() string {
	t := kit.NewTable(append([]string{"situation", "side"}, names()...)...)
	for _, s := range situations() {
		for _, side := range s.sides() {
			doing := map[load.Kind]string{load.Produce: "writing", load.Consume: "reading"}[side]
			cells := []string{fmt.Sprintf("**%s**: %s", s.name, s.explain), doing}
			for _, c := range clients.All() {
				cells = append(cells, r.BadInput[s.name][side][c.Name()].String())
			}
			t.Row(cells...)
		}
	}
	return fmt.Sprintf("%s\nEach client with its defaults (kafka-go's writer is `kafka.Writer{}`), "+
		"and what its API says first within %s; what it logs isn't looked at. \"At once\" is within two seconds.\n", t, human(listenTime))
}

// String is how the table has an answer.
func (a Answer) String() string {
	switch {
	case a.When == "":
		return notMeasured
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
