// Package generated puts what a tool makes into a text that people write: between
// two comments that name the part and the command that makes it.
package generated

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

var beginning = regexp.MustCompile(`(?m)^<!-- (.+): begin \(`)

// Parts names the generated parts that the text has.
func (f File) Parts(root string) (names []string, err error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path)))
	if err != nil {
		return nil, fmt.Errorf("reading a text with generated parts: %w", err)
	}
	for _, m := range beginning.FindAllSubmatch(text, -1) {
		names = append(names, string(m[1]))
	}
	return names, nil
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

// with returns the text as it is, and as it is with parts put in, by their names.
func (f File) with(root string, parts map[string]string) (text, made string, err error) {
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path)))
	if err != nil {
		return "", "", fmt.Errorf("reading a text with generated parts: %w", err)
	}
	text = strings.ReplaceAll(string(b), "\r\n", "\n") // Git may check it out with those.
	made = text
	for name, part := range parts {
		from, to, err := f.find(made, name)
		if err != nil {
			return "", "", err
		}
		made = made[:from] + "\n" + part + "\n" + made[to:]
	}
	return text, made, nil
}

// Write puts parts into the text, by their names.
func (f File) Write(root string, parts map[string]string) error {
	_, made, err := f.with(root, parts)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(f.Path)), []byte(made), 0o644); err != nil {
		return fmt.Errorf("writing a text with generated parts: %w", err)
	}
	return nil
}

// Check returns an error for the parts that aren't in the text as they would be made now.
func (f File) Check(root string, parts map[string]string) error {
	var errs []error
	for name, part := range parts {
		text, made, err := f.with(root, map[string]string{name: part})
		if err == nil && text != made {
			err = fmt.Errorf("the part %q of %s isn't what was measured: %s makes it again", name, f.Path, f.Command)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
