package claims

import (
	"errors"
	"fmt"
	"strings"

	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// The pages with generated parts.
var (
	history      = generated.File{Path: "04-comparison/HISTORY.md", Command: resultsFile.Command}
	defaultsPage = generated.File{Path: "04-comparison/DEFAULTS.md", Command: resultsFile.Command}
)

// eachPage calls do with the pages and their generated parts, by the names in their markers.
func (r Results) eachPage(do func(generated.File, map[string]string) error) error {
	verdicts, counts, err := r.renderClaims()
	if err != nil {
		return err
	}
	defaults, err := r.renderDefaults()
	if err != nil {
		return err
	}
	return errors.Join(
		do(history, map[string]string{"verdicts": verdicts, "counts": counts}),
		do(defaultsPage, map[string]string{"defaults": defaults, "bad input": r.renderBadInput()}),
		do(errorsPage, r.renderMessages()))
}

// measuredOn says when and where, and of which clients.
func (r Results) measuredOn() string {
	var versions []string
	for _, n := range names() {
		versions = append(versions, n+" "+r.Counted[n].Version)
	}
	return fmt.Sprintf("Measured on %s with %s on %s: %s.\n", r.Date, r.Go, r.Machine, strings.Join(versions, ", "))
}

// renderClaims makes the list of the verdicts, and the one of what was counted and measured.
func (r Results) renderClaims() (verdicts, counts string, err error) {
	judgements, err := r.judge()
	if err != nil {
		return "", "", err
	}
	var list, details strings.Builder
	about := ""
	for i, j := range judgements {
		if j.About != about {
			about = j.About
			fmt.Fprintf(&list, "\n## %s\n\n", about)
		}
		fmt.Fprintf(&list, "%d. “%s”: **%s.** %s\n", i+1, j.Sentence, j.Verdict, j.Because)
		text := strings.TrimSpace(j.Test + " " + strings.Join(j.Measured, " "))
		fmt.Fprintf(&details, "%d. %s\n", i+1, text)
	}
	return strings.TrimSpace(list.String()) + "\n", details.String() + "\n" + r.measuredOn(), nil
}

// renderDefaults makes the two tables of defaults, and what their marks mean.
func (r Results) renderDefaults() (string, error) {
	sections, err := r.sections("defaults.md")
	if err != nil {
		return "", err
	}
	texts := make(map[string]kit.Section)
	for _, s := range sections {
		texts[s.Title] = s
	}
	var b strings.Builder
	for _, side := range sides() {
		fmt.Fprintf(&b, "## %s\n\n%s\n", side.title, r.table(side))
		for _, row := range side.rows {
			fmt.Fprintf(&b, "- **%s**: %s", row, texts[row].Text)
			for _, mark := range r.marks(side, row) {
				means, ok := texts[row].Items[mark]
				if !ok {
					return "", fmt.Errorf("defaults.md doesn't say what %q means for %s", mark, row)
				}
				fmt.Fprintf(&b, " *%s*: %s", mark, means)
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
	return b.String() + r.measuredOn(), nil
}

// marks returns the marks in a row, sorted as its clients are.
func (r Results) marks(s side, row string) (marks []string) {
	seen := map[string]bool{"": true}
	for _, c := range s.columns {
		if mark := r.cell(row, c.name).Mark; !seen[mark] {
			seen[mark] = true
			marks = append(marks, mark)
		}
	}
	return marks
}

func (r Results) table(s side) *kit.Table {
	heads := []string{""}
	for _, c := range s.columns {
		heads = append(heads, c.name)
	}
	t := kit.NewTable(heads...)
	for _, row := range s.rows {
		cells := []string{row}
		for _, c := range s.columns {
			cell, times := r.seen(row, c.name)
			text := cell.Value
			if times < len(r.Defaults) {
				text += fmt.Sprintf(" (%d of %d times)", times, len(r.Defaults))
			}
			if cell.Mark != "" {
				text += " *" + cell.Mark + "*"
			}
			cells = append(cells, text)
		}
		t.Row(cells...)
	}
	return t
}

// renderBadInput makes a table of whether each client says something about bad input.
func (r Results) renderBadInput() string {
	t := kit.NewTable(append([]string{"what is bad", ""}, names()...)...)
	for _, s := range situations() {
		for _, side := range s.sides() {
			doing := map[load.Kind]string{load.Produce: "writing", load.Consume: "reading"}[side]
			cells := []string{fmt.Sprintf("**%s**: %s", s.name, s.explain), doing}
			for _, n := range names() {
				cells = append(cells, r.answers(s.name, side, n).summary())
			}
			t.Row(cells...)
		}
	}
	return t.String()
}

// answers are those of a client in one situation, in all rounds.
type answers []Answer

func (r Results) answers(situation string, side load.Kind, client string) (all answers) {
	for _, round := range r.BadInput {
		all = append(all, round[situation][side][client])
	}
	return all
}

// firstError is the first error that was said, or "".
func (a answers) firstError() string {
	for _, one := range a {
		if one.Said != nothing && one.Said != acknowledged {
			return one.Said
		}
	}
	return ""
}

// summary is how the table has answers: in how many rounds something was said.
func (a answers) summary() string {
	var silent, taken, late int
	for _, one := range a {
		switch {
		case one.Said == nothing:
			silent++
		case one.Said == acknowledged:
			taken++
		case one.Late:
			late++
		}
	}
	switch n := len(a); {
	case silent == n:
		return "*nothing*"
	case taken == n:
		return "*acknowledged*"
	case silent+taken > 0:
		return fmt.Sprintf("an error %d times of %d", n-silent-taken, n)
	case late == n: // Noise makes an answer later, and never sooner.
		return "an error within 8 s"
	}
	return "an error at once"
}
