package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"kafka-with-go/internal/ledger"
)

// A Result is what became of one way in one round of one drill.
type Result struct {
	Drill    string
	Way      string
	Round    int
	Together int    // ways that met the blow at the same time
	At       string // when it was struck

	Written  *ledger.Written  `json:",omitempty"`
	Consumed *ledger.Consumed `json:",omitempty"`
	Verifier string           `json:",omitempty"` // the client that read the log
	Rewinds  int              `json:",omitempty"` // times that the group's committed offset moved back

	Kills, Pauses int      `json:",omitempty"` // of brokers
	Events        []Event  // what was done to the cluster
	Says          []string `json:",omitempty"` // what the way's processes said, numbers taken out
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

// A keeping is a file of results: the set-up in its first line, and then a line a result.
type keeping struct {
	path    string
	setup   Setup
	results []Result
}

// keep opens a file of results, or starts one.
func keep(path string, setup Setup) (*keeping, error) {
	k, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		k = &keeping{path: path, setup: setup}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, fmt.Errorf("making the folder of the results: %w", err)
		}
		return k, k.append(setup)
	}
	if err != nil {
		return nil, err
	}
	theirs, ours := k.setup, setup
	theirs.Date, ours.Date = "", ""
	if a, b := fmt.Sprint(theirs), fmt.Sprint(ours); a != b {
		return nil, fmt.Errorf("%s holds results of another set-up (%s; now it is %s): -fresh starts anew", path, a, b)
	}
	return k, nil
}

// load reads a file of results.
func load(path string) (*keeping, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the results: %w", err)
	}
	k := &keeping{path: path}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		var into any = &k.setup
		if n > 0 {
			k.results = append(k.results, Result{})
			into = &k.results[n-1]
		}
		if err := json.Unmarshal(lines.Bytes(), into); err != nil {
			return nil, fmt.Errorf("reading line %d of %s: %w", n+1, path, err)
		}
	}
	return k, lines.Err()
}

// add keeps results, so that nothing that was measured is lost if the run is stopped.
func (k *keeping) add(results ...Result) error {
	for _, r := range results {
		if err := k.append(r); err != nil {
			return err
		}
		k.results = append(k.results, r)
	}
	return nil
}

func (k *keeping) append(line any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		return fmt.Errorf("writing a result: %w", err)
	}
	file, err := os.OpenFile(k.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("keeping a result: %w", err)
	}
	_, err = file.Write(text.Bytes())
	return errors.Join(err, file.Close())
}

// has tells whether a round of a drill was run for a way.
func (k *keeping) has(drill, way string, round int) bool {
	return slices.ContainsFunc(k.results, func(r Result) bool { return r.Drill == drill && r.Way == way && r.Round == round })
}

// of returns the rounds of a drill for a way.
func (k *keeping) of(drill, way string) []Result {
	var out []Result
	for _, r := range k.results {
		if r.Drill == drill && r.Way == way {
			out = append(out, r)
		}
	}
	return out
}

// versions returns the clients' versions in this binary.
func versions() map[string]string {
	modules := map[string]string{
		"github.com/segmentio/kafka-go": "kafka-go", "github.com/IBM/sarama": "sarama",
		"github.com/confluentinc/confluent-kafka-go/v2": "confluent-kafka-go", "github.com/lovoo/goka": "goka",
		"github.com/twmb/franz-go": "franz-go",
	}
	out := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if name, ok := modules[m.Path]; ok {
				out[name] = m.Version
			}
		}
	}
	return out
}
