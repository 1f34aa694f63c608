package contract

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

// foreign is the folder into which .ci/run installs the clients of other languages.
// A reader's "go test" downloads nothing but Go modules.
const foreign = ".cache/foreign"

// interpreter returns the program of another language. It skips the test unless the
// program and the client's folder are there.
func interpreter(t *testing.T, name, client string) (path, folder string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s on the PATH", name)
	}
	folder = filepath.Join(testkit.Root(t), filepath.FromSlash(foreign), client)
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("%s isn't there: .ci/run shows how to install it", foreign+"/"+client)
	}
	return path, folder
}

// Clients of other languages write in transactions, and read what was committed.
func TestOtherLanguages(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		for language, command := range map[string]func(t *testing.T) *exec.Cmd{
			"python": func(t *testing.T) *exec.Cmd {
				path, folder := interpreter(t, "python3", "python")
				command := exec.CommandContext(testkit.Deadline(t), path, filepath.Join("foreign", "client.py"))
				command.Env = append(os.Environ(), "PYTHONPATH="+folder)
				return command
			},
			"node": func(t *testing.T) *exec.Cmd {
				path, folder := interpreter(t, "node", "node_modules")
				command := exec.CommandContext(testkit.Deadline(t), path, filepath.Join("foreign", "client.js"))
				command.Env = append(os.Environ(), "NODE_PATH="+folder)
				return command
			},
		} {
			t.Run(language, func(t *testing.T) {
				own := p
				own.topic, own.group = p.topic+"-"+language, p.group+"-"+language
				makeTopic(t, own)
				command := command(t)
				command.Args = append(command.Args, strings.Join(p.Addrs(), ","), own.topic, own.group)
				var errors strings.Builder
				command.Stderr = &errors
				output, err := command.Output()
				if err != nil {
					t.Fatalf("%v\n%s%s", err, output, errors.String())
				}
				want := []string{"committed True"}
				for number := 0; number < 20; number += 2 {
					want = append(want, fmt.Sprintf("received %s %d", language, number))
				}
				got := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(output), "\r", "")), "\n")
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("it printed\n%q, want\n%q", got, want)
				}
			})
		}
	})
}
