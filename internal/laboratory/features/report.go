package features

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
)

var (
	page    = generated.File{Path: "04-comparison/FEATURES.md", Command: "go run ./04-comparison/features -write"}
	chapter = generated.File{Path: "04-comparison/README.md", Command: page.Command}
)

// part is the name of the generated part in both pages.
const part = "features"

//go:embed features.md
var sentences string

// matrix is the table: first the rows that were measured, then those of features; the columns
// are the clients. Each row's name leads to what is behind it.
func (r Results) matrix(rows []measured) string {
	t := kit.NewTable(append([]string{""}, clients.Names()...)...)
	for _, row := range rows {
		cells := []string{fmt.Sprintf("[%s](%s)", row.name, row.page)}
		for _, name := range clients.Names() {
			cells = append(cells, row.cells[name])
		}
		t.Row(cells...)
	}
	for _, f := range features() {
		cells := []string{fmt.Sprintf("[%s](FEATURES.md#%s)", f.name, anchor(f.name))}
		for _, name := range clients.Names() {
			cells = append(cells, r.Cells[f.name][name].Answer)
		}
		t.Row(cells...)
	}
	return t.String()
}

// anchor is the name by which GitHub links to a heading.
func anchor(heading string) string {
	kept := strings.Map(func(r rune) rune {
		if strings.ContainsRune("',.", r) {
			return -1
		}
		return r
	}, strings.ToLower(heading))
	return strings.ReplaceAll(kept, " ", "-")
}

// notes are the sections of the page: how a row was found, and what is to be said of a client.
func (r Results) notes() (string, error) {
	sections, err := kit.Sections("features.md", sentences, nil)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, f := range features() {
		i := slices.IndexFunc(sections, func(s kit.Section) bool { return s.Title == f.name })
		if i < 0 {
			return "", fmt.Errorf("features.md has no section %q", f.name)
		}
		fmt.Fprintf(&b, "### %s\n\n%s\n\n", f.name, sections[i].Text)
		for _, name := range clients.Names() {
			cell := r.Cells[f.name][name]
			note := sections[i].Items[name]
			if note == "" && (cell.Answer == option || cell.Answer == notRun) {
				return "", fmt.Errorf("features.md doesn't say why %s of %s is %q", f.name, name, cell.Answer)
			}
			fmt.Fprintf(&b, "- **%s**: %s.", name, cell.Answer)
			if note != "" {
				b.WriteString(" " + note)
			}
			if cell.Why != "" {
				fmt.Fprintf(&b, " Found: %s.", escape(cell.Why))
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "Found on %s with %s on %s.\n", r.Date, r.Go, r.Machine)
	return b.String(), nil
}

// escape keeps an answer's own signs from being read as Markdown, outside of code.
func escape(text string) string {
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.NewReplacer("<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`).Replace(parts[i])
	}
	return strings.Join(parts, "`")
}

// publish puts the matrix into the chapter, and the sections into the page.
func (r Results) publish(root string) error {
	notes, err := r.notes()
	if err != nil {
		return err
	}
	rows, err := measuredRows(root)
	if err != nil {
		return err
	}
	return errors.Join(page.Write(root, map[string]string{part: notes}),
		chapter.Write(root, map[string]string{part: r.matrix(rows)}))
}
