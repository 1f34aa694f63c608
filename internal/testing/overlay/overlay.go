// Package overlay builds the programs of the chapters with some of their constants
// replaced: other addresses, another topic, records in quick succession. The
// sources themselves stay as they are, by way of go build's -overlay.
package overlay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Constants are the values that a build replaces, as Go expressions by the
// name of the constant or variable.
type Constants map[string]string

// On returns the constants of a chapter's program for a cluster, a topic and a group.
func On(addrs []string, topic, group string) Constants {
	return Constants{
		"broker1Address": strconv.Quote(addrs[0]),
		"broker2Address": strconv.Quote(addrs[1]),
		"broker3Address": strconv.Quote(addrs[2]),
		"topic":          strconv.Quote(topic),
		"groupID":        strconv.Quote(group),
	}
}

// Write writes, into dir, the file that go build's -overlay wants, and returns
// its path. Programs are named by their folders below root; a constant that a
// program doesn't have is passed over, since not every program has a group.
func Write(root, dir string, programs map[string]Constants) (path string, err error) {
	replace := make(map[string]string)
	for folder, constants := range programs {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
		if err != nil || files == nil {
			return "", fmt.Errorf("there is no program in %s (%v)", folder, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				return "", fmt.Errorf("reading a program: %w", err)
			}
			changed, err := replaceConstants(source, constants)
			if err != nil {
				return "", fmt.Errorf("%s: %w", file, err)
			}
			if bytes.Equal(source, changed) {
				continue
			}
			replace[file] = filepath.Join(dir, strconv.Itoa(len(replace))+".go")
			if err := os.WriteFile(replace[file], changed, 0o600); err != nil {
				return "", fmt.Errorf("writing a changed program: %w", err)
			}
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	path = filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	return path, nil
}

// replaceConstants replaces the values of top-level constants and variables.
func replaceConstants(source []byte, constants Constants) ([]byte, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", source, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	type edit struct {
		from, to int
		value    string
	}
	var edits []edit
	for _, d := range file.Decls {
		declaration, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range declaration.Specs {
			spec, ok := s.(*ast.ValueSpec)
			if !ok || len(spec.Values) != len(spec.Names) {
				continue
			}
			for i, name := range spec.Names {
				if value, ok := constants[name.Name]; ok {
					edits = append(edits, edit{set.Position(spec.Values[i].Pos()).Offset, set.Position(spec.Values[i].End()).Offset, value})
				}
			}
		}
	}
	changed := slices.Clone(source)
	for _, e := range slices.Backward(edits) {
		changed = slices.Concat(changed[:e.from], []byte(e.value), changed[e.to:])
	}
	return changed, nil
}
