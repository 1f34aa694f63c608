package kit

import (
	"fmt"
	"strings"
	"text/template"
)

// A Section is a part of a text in Markdown under a head of the second level: its
// paragraphs, and below them a list whose items begin with a key, as in "- key: text". An
// item with several keys, separated by commas, is that of each of them.
type Section struct {
	Title string
	Text  string
	Items map[string]string
}

// Sections reads the sections of a text, after what stands in it between double braces was
// put in as in text/template.
func Sections(name, text string, data any) ([]Section, error) {
	parsed, err := template.New(name).Funcs(template.FuncMap{"join": strings.Join}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the sentences: %w", err)
	}
	var b strings.Builder
	if err := parsed.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("writing the sentences: %w", err)
	}
	var sections []Section
	for _, part := range strings.Split("\n"+b.String(), "\n## ")[1:] {
		part, _, _ = strings.Cut(part, "\n# ") // Heads of the first level are for people.
		title, rest, _ := strings.Cut(part, "\n")
		rest, list, _ := strings.Cut(rest, "\n- ")
		s := Section{Title: title, Text: oneLine(rest), Items: make(map[string]string)}
		for item := range strings.SplitSeq(list, "\n- ") {
			keys, text, ok := strings.Cut(item, ": ")
			if !ok {
				continue
			}
			for key := range strings.SplitSeq(keys, ", ") {
				s.Items[key] = oneLine(text)
			}
		}
		sections = append(sections, s)
	}
	return sections, nil
}

// oneLine joins the lines of a paragraph.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
