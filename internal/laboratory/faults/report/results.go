// Package report keeps the results of the fault drill, and makes tables and a chart of them.
package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/faults/checker"
	"kafka-with-go/internal/laboratory/faults/history"
	"kafka-with-go/internal/laboratory/kit"
)

// A Result is what became of one way in one round of one drill.
type Result struct {
	Drill    string
	Way      string
	Round    int
	Together int    // ways that met the fault at the same time
	At       string // when it began

	Written  *checker.Written  `json:",omitempty"`
	Consumed *checker.Consumed `json:",omitempty"`
	Verifier string            `json:",omitempty"` // the client that read the log
	Rewinds  int               `json:",omitempty"` // times that the group's committed offset moved back

	Kills, Pauses int             `json:",omitempty"` // of brokers
	Events        []history.Event // what was done to the cluster
	Says          []string        `json:",omitempty"` // what the way's processes said, numbers taken out
}

// A Setup is what all results of a file have in common.
type Setup struct {
	Date     string // of the first
	Machine  string
	Go       string
	Cluster  string
	Rate     int // records a second that each producer was asked to write
	Versions map[string]string
}

func (s Setup) String() string {
	versions := make([]string, 0, len(s.Versions))
	for _, n := range clients.Names() {
		versions = append(versions, n+" "+s.Versions[n])
	}
	return fmt.Sprintf("%s; %s; %s; %d records a second; %s",
		s.Cluster, s.Machine, s.Go, s.Rate, strings.Join(versions, ", "))
}

// Versions returns the clients' versions in this binary.
func Versions() map[string]string {
	out := make(map[string]string)
	for _, c := range clients.All() {
		if v := kit.ModuleVersion(c.Module); v != "" {
			out[c.Name()] = v
		}
	}
	return out
}

// Results is a file of results: the set-up in its first line, and then a line a result.
type Results struct {
	Path  string
	Setup Setup
	All   []Result
}

// Open opens a file of results, or starts one.
func Open(path string, setup Setup) (*Results, error) {
	r, err := Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		r = &Results{Path: path, Setup: setup}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("making the folder of the results: %w", err)
		}
		return r, r.append(setup)
	}
	if err != nil {
		return nil, err
	}
	ours := setup
	ours.Date = r.Setup.Date // A run may go on on another day.
	if !reflect.DeepEqual(r.Setup, ours) {
		return nil, fmt.Errorf("%s holds results of another set-up; -fresh forgets them, -results names another file\n"+
			"there: %s\nnow:   %s", path, r.Setup, ours)
	}
	return r, nil
}

// Load reads a file of results.
func Load(path string) (*Results, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the results: %w", err)
	}
	r := &Results{Path: path}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		var into any = &r.Setup
		if n > 0 {
			r.All = append(r.All, Result{})
			into = &r.All[n-1]
		}
		if err := json.Unmarshal(lines.Bytes(), into); err != nil {
			return nil, fmt.Errorf("reading line %d of %s: %w", n+1, path, err)
		}
	}
	return r, lines.Err()
}

// Add keeps results, so that nothing that was measured is lost if the run is stopped.
func (r *Results) Add(results ...Result) error {
	for _, one := range results {
		if err := r.append(one); err != nil {
			return err
		}
		r.All = append(r.All, one)
	}
	return nil
}

func (r *Results) append(line any) error {
	text, err := kit.JSON(line, "")
	if err != nil {
		return fmt.Errorf("writing a result: %w", err)
	}
	file, err := os.OpenFile(r.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keeping a result: %w", err)
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// Has tells whether a round of a drill was run for a way.
func (r *Results) Has(drill, way string, round int) bool {
	return slices.ContainsFunc(r.Of(drill, way), func(one Result) bool { return one.Round == round })
}

// Of returns the rounds of a drill for a way.
func (r *Results) Of(drill, way string) []Result {
	var out []Result
	for _, one := range r.All {
		if one.Drill == drill && one.Way == way {
			out = append(out, one)
		}
	}
	return out
}

// CountIs tells whether some, or none, was counted of a measure in each of the rounds.
func CountIs(rounds []Result, measure string, some bool) bool {
	m, ok := measureByName(measure)
	return ok && !slices.ContainsFunc(counts(rounds, m), func(n int) bool { return (n > 0) != some })
}
