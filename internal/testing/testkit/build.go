// Package testkit runs the learner's own programs in tests: it builds a program
// with its constants replaced by private ones, runs it as a process, and reads
// what it prints. So the tests of one program run side by side, need no fixed
// port, and don't meet the cluster that a learner may have on 9093.
package testkit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
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

// Build returns the path of an executable: the program in a folder of the repository,
// such as "03-together". A constant that the program doesn't have is passed over, since
// not every program has a group.
//
// To compile and link a program takes a second of a processor. So that it is done once,
// and not for each test, it reads addresses, topic, group and ports when it starts.
func Build(t testing.TB, folder string, constants Constants) string {
	t.Helper()
	shape := make(Constants) // what the program is made of: all but the values that are read at the start
	for name, value := range constants {
		if _, late := overlay.Late(value); !late {
			shape[name] = value
		} else {
			shape[name] = ""
		}
	}
	key := fmt.Sprint(folder, shape) // A map is printed in the order of its keys.
	build, _ := builds.LoadOrStore(key, sync.OnceValues(func() (string, error) {
		return buildOnce(Root(t), folder, constants)
	}))
	built, err := build.(func() (string, error))()
	if err != nil {
		t.Fatalf("building %s: %v", folder, err)
	}
	// A copy could still be open for writing in another process that starts just now, and
	// then can't be run. A second name can.
	path := filepath.Join(t.TempDir(), "program.exe") // Windows needs the ending.
	if err := os.Link(built, path); err != nil {
		t.Fatal(err)
	}
	text, err := overlay.Values(map[string]Constants{folder: constants})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+overlay.Beside, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	builds    sync.Map // what builds a program, by what it is made of
	inMain    bool     // Main is there to remove them
	buildsDir string   // where the programs lie, "" while there is none
	makeDir   = sync.OnceValue(func() (err error) {
		buildsDir, err = os.MkdirTemp("", "programs-")
		return err
	})
)

func buildOnce(root, folder string, constants Constants) (path string, err error) {
	if !inMain {
		return "", errors.New("the package's TestMain doesn't call testkit.Main")
	}
	if err := makeDir(); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(buildsDir, "")
	if err != nil {
		return "", err
	}
	changed, err := overlay.WriteLate(root, dir, map[string]Constants{folder: constants})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "program.exe")
	// Unlike go build, go run keeps what it has linked in Go's cache. This process's own
	// program then gets it to run, and keeps it (see init).
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	args := []string{"run", "-overlay", changed, "-ldflags=-s -w", "-exec", "'" + self + "'"}
	if RaceDetector {
		args = append(args, "-race")
	}
	command := exec.Command("go", append(args, "./"+folder)...)
	command.Dir, command.Env = root, append(os.Environ(), keepVariable+"="+path)
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w (topic, group and addresses are variables of type string here: "+
			"where another type is wanted, convert them)\n%s", err, output)
	}
	return path, nil
}

// keepVariable is set in a process of this test program that go run has started with the
// path of a program: it names the place for a copy.
const keepVariable = "TESTKIT_KEEP"

func init() {
	path := os.Getenv(keepVariable)
	if path == "" {
		return
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = os.WriteFile(path, text, 0o700)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "keeping a program:", err)
		os.Exit(1)
	}
	os.Exit(0)
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
// No other test is given them before this one ends.
func FreeAddrs(t testing.TB) []string {
	t.Helper()
	var addrs []string
	for range 3 {
		l, err := freeport.Listen()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { freeport.Release(freeport.Port(l)) })
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

// LateOverlay is Overlay for programs that are built once and run with many values. It
// returns the environment in which go runs them.
func LateOverlay(t testing.TB, programs map[string]Constants) (path string, env []string) {
	t.Helper()
	dir := t.TempDir()
	path, err := overlay.WriteLate(Root(t), dir, programs)
	if err != nil {
		t.Fatal(err)
	}
	text, err := overlay.Values(programs)
	if err != nil {
		t.Fatal(err)
	}
	values := filepath.Join(dir, "values.json")
	if err := os.WriteFile(values, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, append(os.Environ(), "GOFLAGS=-overlay="+path, overlay.ValuesVariable+"="+values)
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
