package kit

import (
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Thousands writes a number with commas.
func Thousands(n int) string { return message.NewPrinter(language.English).Sprint(n) }

// Count is a number of things, such as "1 round" or "3 rounds".
func Count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return Thousands(n) + " " + one + "s"
}

// Spread returns the median of several values, and their range. The median of an even
// number of values lies in the middle of the middle pair.
func Spread[T ~int | ~int64 | ~float64](values []T) (median, least, most T) {
	n := len(values)
	if n == 0 {
		return 0, 0, 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]
}

// A Table is a table in Markdown.
type Table struct{ text strings.Builder }

// NewTable returns a table with the heads of its columns.
func NewTable(heads ...string) *Table {
	t := new(Table)
	t.Row(heads...)
	t.text.WriteString(strings.Repeat("|---", len(heads)) + "|\n")
	return t
}

// Row adds a row.
func (t *Table) Row(cells ...string) {
	for _, c := range cells {
		t.text.WriteString("| " + strings.ReplaceAll(strings.TrimSpace(c), "|", "\\|") + " ")
	}
	t.text.WriteString("|\n")
}

// String returns the table as Markdown.
func (t *Table) String() string { return t.text.String() }
