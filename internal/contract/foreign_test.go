package contract

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"kafka-with-go/internal/lab"
)

// The clients of two other languages that the test below uses.
const (
	pythonClient = "kafka-python==3.0.12"
	nodeClient   = "kafkajs@2.2.4"
)

// cached returns a folder for what the package registries of other languages have. It
// is kept from one run to the next.
func cached(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(lab.Root(t), ".cache", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

var installing sync.Mutex

// run runs a command that installs something.
func install(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	command := exec.CommandContext(lab.Deadline(t), name, args...)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}

// python returns the Python of a folder of its own, in which the client is installed.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 on the PATH: install it (with its venv module) to run this test")
	}
	installing.Lock()
	defer installing.Unlock()
	dir := cached(t, "python-"+strings.ReplaceAll(pythonClient, "==", "-"))
	bin := filepath.Join(dir, "bin", "python")
	if runtime.GOOS == "windows" {
		bin = filepath.Join(dir, "Scripts", "python.exe")
	}
	if exec.Command(bin, "-c", "import kafka").Run() != nil {
		install(t, dir, path, "-m", "venv", dir)
		install(t, dir, bin, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pythonClient)
	}
	return bin
}

// node returns Node.js, and the folder in which the client is installed.
func node(t *testing.T) (path, modules string) {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("there is no node on the PATH: install Node.js (with npm) to run this test")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("there is no npm on the PATH: install it to run this test")
	}
	installing.Lock()
	defer installing.Unlock()
	dir := cached(t, "node-"+strings.ReplaceAll(nodeClient, "@", "-"))
	modules = filepath.Join(dir, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "kafkajs", "package.json")); err != nil {
		install(t, dir, npm, "install", "--silent", "--no-save", "--prefix", dir, nodeClient)
	}
	return path, modules
}

// Clients of other languages write in transactions, and read what was committed.
func TestOtherLanguages(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		for language, command := range map[string]func(t *testing.T) *exec.Cmd{
			"python": func(t *testing.T) *exec.Cmd {
				return exec.CommandContext(lab.Deadline(t), python(t), filepath.Join("foreign", "client.py"))
			},
			"node": func(t *testing.T) *exec.Cmd {
				path, modules := node(t)
				command := exec.CommandContext(lab.Deadline(t), path, filepath.Join("foreign", "client.js"))
				command.Env = append(os.Environ(), "NODE_PATH="+modules)
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
