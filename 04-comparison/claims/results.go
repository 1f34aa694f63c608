package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Results are what the tables are made of. They are kept in results.json, so
// that the tables can be made again without measuring again.
type Results struct {
	Date    string // of the measuring
	Machine string
	Go      string

	Counted         map[string]Counted
	NewWriterIsOld  bool // kafka.NewWriter is marked as deprecated
	Runs            Runs
	RunRecords      int
	Builds          map[string]Build
	Crashes         map[string]Crash
	ProducerDefault Defaults
	ConsumerDefault Defaults
	BadInput        BadInput
}

const resultsFile = "04-comparison/claims/results.json"

func load(root string) (Results, error) {
	var r Results
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(resultsFile)))
	if err != nil {
		return r, fmt.Errorf("reading what was measured: %w (go run ./04-comparison/claims -write measures it)", err)
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
