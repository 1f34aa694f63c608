package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
)

// Results are what tables and charts are made of. They are kept in
// results.json, so that both can be made again without measuring again.
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
	Settings     map[string][]clients.Setting
	Cases        []Case
	Shares       map[string]Shares `json:",omitempty"` // by client and task
}

const resultsFile = "04-comparison/bench/results.json"

func load(root string) (Results, error) {
	var r Results
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(resultsFile)))
	if err != nil {
		return r, fmt.Errorf("reading what was measured: %w (go run ./04-comparison/bench -write measures it)", err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("reading what was measured, %s: %w", resultsFile, err)
	}
	return r, nil
}

func (r Results) save(root string) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("writing what was measured: %w", err)
	}
	if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(resultsFile)), text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing what was measured: %w", err)
	}
	return nil
}

// find returns the case of a task, or nil.
func (r Results) find(task Task, p Point, client, way string) *Case {
	i := slices.IndexFunc(r.Cases, func(c Case) bool {
		return c.Task == task && c.Point == p && c.Client == client && c.Way == way
	})
	if i < 0 || len(r.Cases[i].Rounds) == 0 {
		return nil
	}
	return &r.Cases[i]
}

// limit returns the limit of a case: that of its size, whatever else its point is.
func (r Results) limit(c *Case) *Case {
	if c.Task == Latency {
		return r.find(Latency, c.Point, limitName, "")
	}
	return r.find(Limit, Point{c.Point.Size, base.Goroutines, base.Partitions}, limitName, "")
}

// java returns what Java's tool did at the same point. It has one producing
// thread, so that is what several goroutines are compared with too.
func (r Results) java(c *Case) *Case {
	p := c.Point
	p.Goroutines = base.Goroutines
	return r.warm(r.find(c.Task, p, javaName, ""))
}

// fewest is how many records a tool of Java's has to take in each round before its rate says
// more of Java than of its compiler's first seconds.
const fewest = 40_000

// warm returns the case of a tool that took enough records, or nil.
func (r Results) warm(java *Case) *Case {
	if java == nil || java.Task == Latency {
		return java
	}
	_, records, _ := java.median(func(m Measure) float64 { return float64(m.Records) })
	if java.Task == Produce {
		records *= javaWarmUp + 1
	}
	if records < fewest {
		return nil
	}
	return java
}

// median returns the median of a figure over the rounds, and its extremes.
func (c *Case) median(figure func(Measure) float64) (median, least, most float64) {
	var values []float64
	for _, m := range c.Rounds {
		values = append(values, figure(m))
	}
	return spread(values)
}

func spread(values []float64) (median, least, most float64) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0, 0, 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]
}

// ratio returns the median over the rounds of a figure divided by another
// case's in the same round: what disturbed one of them disturbed the other.
func (c *Case) ratio(other *Case, figure func(Measure) float64) float64 {
	if other == nil {
		return 0
	}
	var values []float64
	for i := range min(len(c.Rounds), len(other.Rounds)) {
		if f := figure(other.Rounds[i]); f > 0 {
			values = append(values, figure(c.Rounds[i])/f)
		}
	}
	median, _, _ := spread(values)
	return median
}

func rate(m Measure) float64 { return m.Rate }
func cpu(m Measure) float64  { return m.CPU }
func p50(m Measure) float64  { return m.P50 }
func p99(m Measure) float64  { return m.P99 }

// machine describes this computer.
func machine() string {
	model := ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = " (" + strings.TrimSpace(value) + ")"
				break
			}
		}
	}
	return fmt.Sprintf("%s/%s with %d processors%s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model)
}

// javaVersion is the first line of what java says of itself.
func javaVersion() string {
	output, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(output), "\n")
	return strings.TrimSpace(strings.ReplaceAll(line, `"`, ""))
}

// modules are the clients' modules.
var modules = map[string]string{
	"kafka-go":           "github.com/segmentio/kafka-go",
	"sarama":             "github.com/IBM/sarama",
	"confluent-kafka-go": "github.com/confluentinc/confluent-kafka-go/v2",
	"goka":               "github.com/lovoo/goka",
	"franz-go":           "github.com/twmb/franz-go",
}

// versions reads from this program which versions it was built with.
func versions() map[string]string {
	found := make(map[string]string)
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return found
	}
	for name, path := range modules {
		for _, m := range info.Deps {
			if m.Path == path {
				found[name] = m.Version
			}
		}
	}
	return found
}

// settings returns what the matched way sets, at the base point.
func settings(names []string) map[string][]clients.Setting {
	out := make(map[string][]clients.Setting)
	for _, c := range all.Clients() {
		if slices.Contains(names, c.Name()) {
			out[c.Name()] = c.Settings(clients.Config{Way: clients.Matched, Tuning: tuning(Produce, base.Size)})
		}
	}
	return out
}
