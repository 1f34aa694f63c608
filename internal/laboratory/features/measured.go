package features

import (
	"path/filepath"

	"kafka-with-go/internal/laboratory/bench"
	"kafka-with-go/internal/laboratory/faults/report"
)

// A measured row is one that another command of this chapter has measured, with the page
// that says how.
type measured struct {
	name, page string
	cells      map[string]string // by client
}

// measuredRows are the first rows of the matrix.
func measuredRows(root string) ([]measured, error) {
	drills, err := report.Load(filepath.Join(root, "04-comparison", "faults", "results.jsonl"))
	if err != nil {
		return nil, err
	}
	writing, reading, err := bench.CPU(root)
	if err != nil {
		return nil, err
	}
	var rows []measured
	for _, row := range []struct {
		name string
		of   func(report.Summary) report.Tally
	}{
		{"lost", func(s report.Summary) report.Tally { return s.Lost }},
		{"written twice", func(s report.Summary) report.Tally { return s.Repeated }},
		{"written out of order", func(s report.Summary) report.Tally { return s.OutOfOrder }},
		{"left out by a group", func(s report.Summary) report.Tally { return s.Never }},
	} {
		cells := make(map[string]string)
		for _, c := range drills.Summaries() {
			cells[c.Client] = seen(row.of(c.Default())) + " → " + seen(row.of(c.Safe))
		}
		rows = append(rows, measured{row.name, "FAULTS.md", cells})
	}
	return append(rows,
		measured{"CPU µs a record, writing", "BENCHMARK.md#what-a-record-costs", writing},
		measured{"CPU µs a record, reading", "BENCHMARK.md#what-a-record-costs", reading},
	), nil
}

func seen(t report.Tally) string {
	if t.With > 0 {
		return yes
	}
	return "none"
}
