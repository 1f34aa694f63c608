// Package lab runs the learner's own programs in tests: it builds a program
// with its constants replaced by private ones, runs it as a process, and reads
// what it prints. So the tests of one program run side by side, need no fixed
// port, and don't meet the cluster that a learner may have on 9093.
package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"kafka-with-go/internal/freeport"
)

// Constants are the values that a build replaces, as Go expressions by the
// name of the constant or variable.
type Constants map[string]string

// On returns the constants of a chapter's program for a cluster, a topic and a
// group, with records in quick succession.
func On(addrs []string, topic, group string) Constants {
	return Constants{
		"broker1Address": strconv.Quote(addrs[0]),
		"broker2Address": strconv.Quote(addrs[1]),
		"broker3Address": strconv.Quote(addrs[2]),
		"topic":          strconv.Quote(topic),
		"groupID":        strconv.Quote(group),
		"interval":       "20 * time.Millisecond",
	}
}

// Build builds the program in a folder of the repository, such as
// "03-together", and returns the path of the executable. A constant that the
// program doesn't have is passed over, since not every program has a group.
func Build(t testing.TB, folder string, constants Constants) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "program.exe") // Windows needs the ending.
	args := []string{"build", "-overlay", Overlay(t, map[string]Constants{folder: constants}), "-ldflags=-s -w", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	command := exec.Command("go", append(args, "./"+folder)...)
	command.Dir = Root(t)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", folder, err, output)
	}
	return path
}

// Overlay writes the file that go build's -overlay wants: it replaces constants
// in the sources of programs, by folder, and leaves the sources themselves alone.
func Overlay(t testing.TB, programs map[string]Constants) string {
	t.Helper()
	dir := t.TempDir()
	replace := make(map[string]string)
	for folder, constants := range programs {
		files, err := filepath.Glob(filepath.Join(Root(t), filepath.FromSlash(folder), "*.go"))
		if err != nil || files == nil {
			t.Fatalf("there is no program in %s (%v)", folder, err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			changed, err := replaceConstants(source, constants)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if bytes.Equal(source, changed) {
				continue
			}
			replace[file] = filepath.Join(dir, strconv.Itoa(len(replace))+".go")
			if err := os.WriteFile(replace[file], changed, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
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

// FreeAddrs returns three addresses of this computer on which nothing listens.
func FreeAddrs(t testing.TB) []string {
	t.Helper()
	var addrs []string
	for range 3 {
		l, err := freeport.Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // Only after all three, so that they differ.
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// Root returns the top folder of the repository.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod in any folder above the test")
		}
		dir = parent
	}
}
