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
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
		err := change(root, dir, folder, replace, func(source []byte) ([]byte, error) {
			return replaceConstants(source, constants)
		})
		if err != nil {
			return "", err
		}
	}
	return write(dir, replace)
}

// Late returns a value in JSON, if WriteLate can leave it to the start of the program:
// a text, a number, or a list of numbers.
func Late(value string) (text json.RawMessage, ok bool) {
	expression, err := parser.ParseExpr(value)
	if err != nil {
		return nil, false // The compiler will say what is wrong.
	}
	switch e := expression.(type) {
	case *ast.BasicLit:
		if e.Kind == token.INT {
			return json.RawMessage(e.Value), true
		}
		if s, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			text, err = json.Marshal(s)
			return text, err == nil
		}
	case *ast.CompositeLit:
		var numbers []string
		for _, element := range e.Elts {
			number, ok := element.(*ast.BasicLit)
			if !ok || number.Kind != token.INT {
				return nil, false
			}
			numbers = append(numbers, number.Value)
		}
		return json.RawMessage("[" + strings.Join(numbers, ",") + "]"), true
	}
	return nil, false
}

// A program of WriteLate has its values from the file that ValuesVariable names in its
// environment, or from the one beside it that has its name and the ending Beside.
const (
	ValuesVariable = "OVERLAY_VALUES"
	Beside         = ".json"
)

// Values returns what is in such a file.
func Values(programs map[string]Constants) ([]byte, error) {
	values := make(map[string]map[string]json.RawMessage)
	for folder, constants := range programs {
		values[folder] = make(map[string]json.RawMessage)
		for name, value := range constants {
			if text, ok := Late(value); ok {
				values[folder][name] = text
			}
		}
	}
	return json.Marshal(values)
}

// WriteLate is Write for programs that are built once and run with many values: those that
// Late takes are read when the program starts. A constant becomes a variable for that.
func WriteLate(root, dir string, programs map[string]Constants) (path string, err error) {
	replace := make(map[string]string)
	for folder, constants := range programs {
		early := maps.Clone(constants)
		maps.DeleteFunc(early, func(_, value string) bool { _, late := Late(value); return late })
		added := fmt.Sprintf(lateSource, ValuesVariable, Beside, folder)
		err := change(root, dir, folder, replace, func(source []byte) ([]byte, error) {
			source, err := replaceConstants(source, early)
			if err != nil {
				return nil, err
			}
			return editValues(source, func(kind token.Token, name *ast.Ident, value ast.Expr) (ast.Node, string) {
				text, late := Late(constants[name.Name])
				switch {
				case !late:
					return nil, ""
				case kind == token.VAR:
					added += fmt.Sprintf("\nfunc init() { overlayValue(%q, &%s) }\n", name, name)
					return nil, ""
				}
				kindOf := "int"
				if text[0] == '"' {
					kindOf = "string"
				}
				added += fmt.Sprintf("\nvar %s = func() (value %s) { overlayValue(%q, &value); return }()\n", name, kindOf, name)
				return name, "_"
			})
		})
		if err != nil {
			return "", err
		}
		file := filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(file, []byte(added), 0o600); err != nil {
			return "", fmt.Errorf("writing a changed program: %w", err)
		}
		replace[filepath.Join(root, filepath.FromSlash(folder), "overlay_values.go")] = file
	}
	return write(dir, replace)
}

// lateSource is added to a program of WriteLate.
const lateSource = `package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func overlayValue(name string, to any) {
	path := os.Getenv(%q)
	var text []byte
	var err error
	if path == "" {
		path, err = os.Executable()
		path += %q
	}
	if err == nil {
		text, err = os.ReadFile(path)
	}
	var values map[string]map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	if err == nil {
		err = json.Unmarshal(values[%q][name], to)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "this build has no value for", name, err)
		os.Exit(3)
	}
}
`

// change changes the files of a program, and notes in replace what stands for which.
func change(root, dir, folder string, replace map[string]string, edit func([]byte) ([]byte, error)) error {
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
	if err != nil || files == nil {
		return fmt.Errorf("there is no program in %s (%v)", folder, err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading a program: %w", err)
		}
		changed, err := edit(source)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if bytes.Equal(source, changed) {
			continue
		}
		replace[file] = filepath.Join(dir, strconv.Itoa(len(replace))+".go")
		if err := os.WriteFile(replace[file], changed, 0o600); err != nil {
			return fmt.Errorf("writing a changed program: %w", err)
		}
	}
	return nil
}

// write writes the file that go build wants.
func write(dir string, replace map[string]string) (path string, err error) {
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
	return editValues(source, func(_ token.Token, name *ast.Ident, value ast.Expr) (ast.Node, string) {
		return value, constants[name.Name]
	})
}

// editValues goes through the top-level constants and variables, and replaces of each the
// node that choose returns by the text that it returns. An empty text replaces nothing.
func editValues(source []byte, choose func(token.Token, *ast.Ident, ast.Expr) (ast.Node, string)) ([]byte, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", source, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	type edit struct {
		from, to int
		text     string
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
				if part, text := choose(declaration.Tok, name, spec.Values[i]); text != "" {
					edits = append(edits, edit{set.Position(part.Pos()).Offset, set.Position(part.End()).Offset, text})
				}
			}
		}
	}
	changed := slices.Clone(source)
	for _, e := range slices.Backward(edits) {
		changed = slices.Concat(changed[:e.from], []byte(e.text), changed[e.to:])
	}
	return changed, nil
}
