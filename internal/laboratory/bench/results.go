package bench

import (
	"maps"
	"math/big"
	"reflect"
	"slices"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// Results are what tables and charts are made of.
type Results struct {
	Date         string
	Seconds      float64 // that all rounds took
	Machine      string
	Go           string
	Java         string // "" without
	Cluster      string
	Versions     map[string]string
	Rounds       int
	Milliseconds int // that each process measured
	Settings     map[string][]adapter.Setting
	Cases        []Case
}

// What was measured, and what was measured of a run that didn't come to its end.
var (
	resultsFile    = kit.ResultsFile{Path: "04-comparison/bench/results.json", Command: "go run ./04-comparison/bench -write"}
	unfinishedFile = kit.ResultsFile{Path: "04-comparison/bench/unfinished.json", Command: resultsFile.Command}
)

// find returns a case that was measured, or nil.
func (r Results) find(kind load.Kind, p load.Point, client, way string) *Case {
	i := slices.IndexFunc(r.Cases, Case{Kind: kind, Point: p, Client: client, Way: way}.same)
	if i < 0 || len(r.Cases[i].Rounds) == 0 {
		return nil
	}
	return &r.Cases[i]
}

// java returns what Java's tool did at a point, or nil. It has one producing thread, and was
// measured with three partitions.
func (r Results) java(kind load.Kind, p load.Point) *Case {
	p.Goroutines, p.Partitions = base.Goroutines, base.Partitions
	return r.find(kind, p, javaName, "")
}

// goOn takes over what an unfinished run has measured, if it was the same one.
func (r *Results) goOn(from Results) {
	if from.Machine != r.Machine || from.Cluster != r.Cluster || from.Milliseconds != r.Milliseconds ||
		!reflect.DeepEqual(from.Settings, r.Settings) || !maps.Equal(from.Versions, r.Versions) {
		return
	}
	r.Seconds = from.Seconds
	for i := range r.Cases {
		if j := slices.IndexFunc(from.Cases, r.Cases[i].same); j >= 0 {
			r.Cases[i].Rounds = from.Cases[j].Rounds
		}
	}
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

// chance is how often two equals would differ in as many rounds as these two do, or in more: the
// exact sign test, for both sides. Rounds in which they are equal don't count.
func chance(ratios []float64) float64 {
	over, n := 0, 0
	for _, r := range ratios {
		if r > 1 {
			over++
		}
		if r != 1 {
			n++
		}
	}
	ways := new(big.Int)
	for k := range min(over, n-over) + 1 {
		ways.Add(ways, new(big.Int).Binomial(int64(n), int64(k)))
	}
	all := new(big.Int).Lsh(big.NewInt(1), uint(max(n, 1)-1)) // half of 2^n, since either may be ahead
	p, _ := new(big.Rat).SetFrac(ways, all).Float64()
	return min(p, 1)
}

// told is the chance below which two are told apart.
const told = 0.05

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

// settings returns what is set as shipped, at the base point.
func settings(names []string) map[string][]adapter.Setting {
	out := make(map[string][]adapter.Setting)
	for _, c := range clients.All() {
		if slices.Contains(names, c.Name()) {
			out[c.Name()] = c.Settings(adapter.Config{Way: adapter.Matched, Tuning: tuning(load.Produce, base)})
		}
	}
	return out
}
