package kit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A ResultsFile keeps what a tool measured, so that its tables can be made again without
// measuring again.
type ResultsFile struct {
	Path    string // below the top folder
	Command string // that measures it
}

// Load reads what was measured. It says so with fs.ErrNotExist if nothing was yet.
func (f ResultsFile) Load(root string, into any) error {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path)))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading what was measured: %w (%s measures it)", err, f.Command)
	}
	if err != nil {
		return fmt.Errorf("reading what was measured: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading what was measured, %s: %w", f.Path, err)
	}
	return nil
}

// Save writes what was measured.
func (f ResultsFile) Save(root string, results any) error {
	text, err := JSON(results, "\t")
	if err != nil {
		return fmt.Errorf("writing what was measured: %w", err)
	}
	if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(f.Path)), text, 0o644); err != nil {
		return fmt.Errorf("writing what was measured: %w", err)
	}
	return nil
}

// JSON returns a value as JSON that keeps < and > readable, and ends with a line break.
func JSON(value any, indent string) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	err := encoder.Encode(value)
	return text.Bytes(), err
}
