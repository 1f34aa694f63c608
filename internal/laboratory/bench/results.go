package bench

import (
	"slices"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// Results are what tables and charts are made of.
type Results struct {
	Date         string
	Machine      string
	Go           string
	Java         string // "" without
	Cluster      string
	Worth        string // what figures from that cluster are worth
	Versions     map[string]string
	Rounds       int
	Milliseconds int // that each process measured
	Settings     map[string][]adapter.Setting
	Cases        []Case
	Shares       map[string]Shares `json:",omitempty"` // by client and kind
}

var resultsFile = kit.ResultsFile{
	Path:    "04-comparison/bench/results.json",
	Command: "go run ./04-comparison/bench -write",
}

// find returns a case, or nil.
func (r Results) find(kind load.Kind, p load.Point, client, way string) *Case {
	i := slices.IndexFunc(r.Cases, func(c Case) bool {
		return c.Kind == kind && c.Point == p && c.Client == client && c.Way == way
	})
	if i < 0 || len(r.Cases[i].Rounds) == 0 {
		return nil
	}
	return &r.Cases[i]
}

// matched returns the case of a client, of Java's tool or of the limit at a point, for a
// comparison with the matched clients. It is nil where nothing was measured.
func (r Results) matched(kind load.Kind, p load.Point, name string) *Case {
	switch {
	case name == limitName && kind == load.Latency:
		return r.find(kind, p, limitName, "")
	case name == limitName:
		return r.find(load.Limit, p, limitName, "")
	case name == javaName:
		return r.warm(r.find(kind, p, javaName, ""))
	}
	return r.find(kind, p, name, asMatched)
}

// limit returns the limit of a case: that of its size, whatever else its point is.
func (r Results) limit(c *Case) *Case {
	p := base
	p.Size = c.Point.Size
	return r.matched(c.Kind, p, limitName)
}

// java returns what Java's tool did at the same point. It has one producing thread, so that
// is what several goroutines are compared with too.
func (r Results) java(c *Case) *Case {
	p := c.Point
	p.Goroutines = base.Goroutines
	return r.matched(c.Kind, p, javaName)
}

// fewest is how many records a tool of Java's has to take in each round before its rate says
// more of Java than of its compiler's first seconds.
const fewest = 40_000

// warm returns the case of a tool that took enough records, or nil.
func (r Results) warm(java *Case) *Case {
	if java == nil || java.Kind == load.Latency {
		return java
	}
	_, records, _ := java.spread(func(m load.Measure) float64 { return float64(m.Records) })
	if java.Kind == load.Produce {
		records *= javaWarmUp + 1
	}
	if records < fewest {
		return nil
	}
	return java
}

// spread returns the median of a figure over the rounds, and its extremes.
func (c *Case) spread(figure func(load.Measure) float64) (median, least, most float64) {
	var values []float64
	for _, m := range c.Rounds {
		values = append(values, figure(m))
	}
	return kit.Spread(values)
}

func (c *Case) median(figure func(load.Measure) float64) float64 {
	median, _, _ := c.spread(figure)
	return median
}

// ratios returns a figure divided by another case's, round by round: what disturbed one of
// them in a round disturbed the other.
func (c *Case) ratios(other *Case, figure func(load.Measure) float64) []float64 {
	if other == nil {
		return nil
	}
	var out []float64
	for i := range min(len(c.Rounds), len(other.Rounds)) {
		if f := figure(other.Rounds[i]); f > 0 {
			out = append(out, figure(c.Rounds[i])/f)
		}
	}
	return out
}

// ratio returns the median of the ratios, or 0 without any.
func (c *Case) ratio(other *Case, figure func(load.Measure) float64) float64 {
	median, _, _ := kit.Spread(c.ratios(other, figure))
	return median
}

func rate(m load.Measure) float64   { return m.Rate }
func cpu(m load.Measure) float64    { return m.CPU }
func memory(m load.Measure) float64 { return m.PeakMB }
func p50(m load.Measure) float64    { return m.P50 }
func p99(m load.Measure) float64    { return m.P99 }

// versions returns the clients' versions in this program.
func versions() map[string]string {
	found := make(map[string]string)
	for _, c := range clients.All() {
		found[c.Name()] = kit.ModuleVersion(c.Module)
	}
	return found
}

// settings returns what the matched way sets, at the base point.
func settings(names []string) map[string][]adapter.Setting {
	out := make(map[string][]adapter.Setting)
	for _, c := range clients.All() {
		if slices.Contains(names, c.Name()) {
			out[c.Name()] = c.Settings(adapter.Config{Way: adapter.Matched, Tuning: tuning(load.Produce, base.Size)})
		}
	}
	return out
}
