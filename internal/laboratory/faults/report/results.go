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
	"kafka-with-go/internal/laboratory/faults/scenario"
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
	History       bool            `json:",omitempty"` // its history is kept, so that it can be judged again
	Says          []string        `json:",omitempty"` // what the way's processes said, numbers taken out
}

// A Setup is what all results of a file have in common.
type Setup struct {
	Date    string // of the first
	Machine string
	Go      string
	Cluster string
	Copies  int `json:",omitempty"` // of each record that the cluster keeps, where it isn't three
	Rate    int // records a second that each producer was asked to write
	// GroupRate is how many records a second each group was given. Results that don't say it
	// are from a time when it was 100.
	GroupRate int `json:",omitempty"`
	Versions  map[string]string
}

func (s Setup) String() string {
	versions := make([]string, 0, len(s.Versions))
	for _, n := range clients.Names() {
		versions = append(versions, n+" "+s.Versions[n])
	}
	return fmt.Sprintf("%s; %s; %s; %d records a second, %d for a group; %s",
		s.Cluster, s.Machine, s.Go, s.Rate, s.ForGroups(), strings.Join(versions, ", "))
}

// ForGroups is GroupRate, or what it was before results said it.
func (s Setup) ForGroups() int {
	if s.GroupRate == 0 {
		return 100
	}
	return s.GroupRate
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

// Open opens a file of results, or starts one. Results of another set-up that it holds, or all
// if it is to begin anew, are set aside, and a sentence says where.
func Open(path string, setup Setup, anew bool) (r *Results, said string, err error) {
	r, err = Load(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	if err == nil {
		ours := setup
		ours.Date = r.Setup.Date // A run may go on on another day.
		if !anew && reflect.DeepEqual(r.Setup, ours) {
			return r, "", nil
		}
		if said, err = r.setAside(anew); err != nil {
			return nil, "", err
		}
	}
	r = &Results{Path: path, Setup: setup}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, "", fmt.Errorf("making the folder of the results: %w", err)
	}
	return r, said, r.append(setup)
}

// setAside gives the file, and the folder of its histories, a name that isn't taken yet.
func (r *Results) setAside(anew bool) (said string, err error) {
	base, ending := strings.TrimSuffix(r.Path, filepath.Ext(r.Path)), filepath.Ext(r.Path)
	aside := Results{}
	for n := 1; ; n++ {
		aside.Path = fmt.Sprintf("%s-%d%s", base, n, ending)
		if _, err := os.Stat(aside.Path); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	err = os.Rename(r.Path, aside.Path)
	if _, statErr := os.Stat(r.Histories()); statErr == nil {
		err = errors.Join(err, os.Rename(r.Histories(), aside.Histories()))
	}
	if err != nil {
		return "", fmt.Errorf("setting earlier results aside: %w", err)
	}
	why := "were measured with another set-up"
	if anew {
		why = "were kept"
	}
	return fmt.Sprintf("%s that %s (%s) are in %s now", kit.Count(len(r.All), "result"), why, r.Setup, aside.Path), nil
}

// Histories is the folder in which the histories of the results are kept.
func (r *Results) Histories() string {
	return strings.TrimSuffix(r.Path, filepath.Ext(r.Path)) + "-histories"
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

// Keep keeps a result and its history, so that nothing that was measured is lost if the run is
// stopped. The history comes first: of one that is there twice, the last one counts.
func (r *Results) Keep(one Result, h history.Line) error {
	if err := h.Append(r.historyFile(one.Drill)); err != nil {
		return err
	}
	one.History = true
	r.All = append(r.All, one)
	return r.append(one)
}

func (r *Results) append(lines ...any) error {
	text, err := encode(lines...)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(r.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keeping a result: %w", err)
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

func encode(lines ...any) (text []byte, err error) {
	for _, line := range lines {
		one, err := kit.JSON(line, "")
		if err != nil {
			return nil, fmt.Errorf("writing a result: %w", err)
		}
		text = append(text, one...)
	}
	return text, nil
}

// Has tells whether a round of a drill was run for a way.
func (r *Results) Has(drill, way string, round int) bool {
	return slices.ContainsFunc(r.Of(drill, way), func(one Result) bool { return one.Round == round })
}

func (r *Results) historyFile(drill string) string { return filepath.Join(r.Histories(), drill+".zst") }

// Recount has each history that is kept of some drills judged again, and puts the judgement in
// the place of the result's earlier one. It says what has changed, and of how many results.
func (r *Results) Recount(drills []scenario.Drill, judge func(history.Run) (Result, error)) (changed []string, of int, err error) {
	for _, d := range drills {
		again := make(map[string]Result)
		id := func(one Result) string { return fmt.Sprintf("%s, %s, round %d", one.Drill, one.Way, one.Round) }
		kept := func(one Result) bool { return one.Drill == d.ID && one.History }
		if !slices.ContainsFunc(r.All, kept) {
			continue
		}
		err := history.Each(r.historyFile(d.ID), func(h history.Run) error {
			one, err := judge(h)
			again[id(one)] = one
			return err
		})
		if err != nil {
			return nil, of, err
		}
		for i := range r.All {
			one := &r.All[i]
			if !kept(*one) {
				continue
			}
			now, ok := again[id(*one)]
			if !ok {
				return nil, of, fmt.Errorf("%s: its history is missing in %s", id(*one), r.historyFile(d.ID))
			}
			of++
			if !reflect.DeepEqual(now.Written, one.Written) || !reflect.DeepEqual(now.Consumed, one.Consumed) {
				changed = append(changed, fmt.Sprintf("%s: it was %s; it is %s", id(*one), one.Sum(), now.Sum()))
			}
			one.Written, one.Consumed = now.Written, now.Consumed
		}
	}
	return changed, of, nil
}

// Save writes all results anew.
func (r *Results) Save() error {
	lines := []any{r.Setup}
	for _, one := range r.All {
		lines = append(lines, one)
	}
	text, err := encode(lines...)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(r.Path+".new", text, 0o644), os.Rename(r.Path+".new", r.Path)); err != nil {
		return fmt.Errorf("keeping the results: %w", err)
	}
	return nil
}

// Of returns the rounds of a drill for a way.
func (r *Results) Of(drill, way string) []Result {
	return r.of(func(one Result) bool { return one.Drill == drill && one.Way == way })
}

func (r *Results) of(include func(Result) bool) []Result {
	return slices.DeleteFunc(slices.Clone(r.All), func(one Result) bool { return !include(one) })
}

// CountIs tells whether some, or none, was counted of a measure in each of the rounds.
func CountIs(rounds []Result, measure string, some bool) bool {
	m, _, ok := measureByName(measure)
	c := count(rounds, m)
	return ok && (some && c.with == c.rounds || !some && c.with == 0)
}
