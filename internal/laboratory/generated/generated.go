// Package generated puts what a tool makes into a text that people write: between
// two comments that name the part and the command that makes it.
package generated

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A File is a text with generated parts.
type File struct {
	Path    string // below the top folder
	Command string // that makes the parts
}

func (f File) markers(part string) (begin, end string) {
	return "<!-- " + part + ": begin (" + f.Command + ") -->\n", "<!-- " + part + ": end -->\n"
}

// find returns where a part begins and ends.
func (f File) find(text, part string) (from, to int, err error) {
	begin, end := f.markers(part)
	from = strings.Index(text, begin)
	to = strings.Index(text, end)
	if from < 0 || to < from {
		return 0, 0, fmt.Errorf("%s has no lines %q and %q", f.Path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return from + len(begin), to, nil
}

func (f File) read(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path)))
	if err != nil {
		return "", fmt.Errorf("reading a text with generated parts: %w", err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n"), nil // Git may check it out with those.
}

// Write puts parts into the text, by their names.
func (f File) Write(root string, parts map[string]string) error {
	text, err := f.read(root)
	if err != nil {
		return err
	}
	for name, part := range parts {
		from, to, err := f.find(text, name)
		if err != nil {
			return err
		}
		text = text[:from] + "\n" + part + "\n" + text[to:]
	}
	if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(f.Path)), []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing a text with generated parts: %w", err)
	}
	return nil
}

// Check returns an error for the parts that aren't in the text as they would be made now.
func (f File) Check(root string, parts map[string]string) error {
	text, err := f.read(root)
	if err != nil {
		return err
	}
	for name, part := range parts {
		from, to, err := f.find(text, name)
		if err != nil {
			return err
		}
		if text[from:to] != "\n"+part+"\n" {
			return fmt.Errorf("the part %q of %s isn't what was measured: %s makes it again", name, f.Path, f.Command)
		}
	}
	return nil
}
