// Package testkit runs the learner's own programs in tests: it builds a program
// with its constants replaced by private ones, runs it as a process, and reads
// what it prints. So the tests of one program run side by side, need no fixed
// port, and don't meet the cluster that a learner may have on 9093.
package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kafka-with-go/internal/cluster/freeport"
	"kafka-with-go/internal/testing/overlay"
)

// Constants are the values that a build replaces.
type Constants = overlay.Constants

// On returns the constants of a chapter's program for a cluster, a topic and a
// group, with records in quick succession.
func On(addrs []string, topic, group string) Constants {
	constants := overlay.On(addrs, topic, group)
	constants["interval"] = "20 * time.Millisecond"
	return constants
}

// Build builds the program in a folder of the repository, such as
// "03-together", and returns the path of the executable. A constant that the
// program doesn't have is passed over, since not every program has a group.
func Build(t testing.TB, folder string, constants Constants) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "program.exe") // Windows needs the ending.
	args := []string{"build", "-overlay", Overlay(t, map[string]Constants{folder: constants}), "-ldflags=-s -w", "-o", path}
	if RaceDetector {
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
	path, err := overlay.Write(Root(t), t.TempDir(), programs)
	if err != nil {
		t.Fatal(err)
	}
	return path
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
