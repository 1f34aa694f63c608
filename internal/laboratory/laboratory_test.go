package laboratory

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// imports lists the packages of this repository that match patterns, and what each of them
// imports of this repository, both without the module's name.
func imports(t *testing.T, patterns ...string) map[string][]string {
	t.Helper()
	const format = `{{.ImportPath}}:{{range .Imports}} {{.}}{{end}}`
	command := exec.Command("go", append([]string{"list", "-f", format}, patterns...)...)
	command.Dir = testkit.Root(t)
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for line := range strings.Lines(string(output)) {
		path, list, _ := strings.Cut(line, ":")
		name := strings.TrimPrefix(path, "kafka-with-go/")
		found[name] = nil
		for other := range strings.FieldsSeq(list) {
			if own, ok := strings.CutPrefix(other, "kafka-with-go/"); ok {
				found[name] = append(found[name], own)
			}
		}
	}
	return found
}

// commands are the programs through which the laboratory is used.
var commands = []string{"04-comparison/claims", "04-comparison/bench", "04-comparison/faults", "04-comparison/features"}

// Each command starts its engine, which says what it can be told.
func TestCommands(t *testing.T) {
	t.Parallel()
	for _, folder := range commands {
		output, err := exec.Command(testkit.Build(t, folder, nil), "-h").CombinedOutput()
		if err != nil || !strings.Contains(string(output), "-tables") {
			t.Errorf("%s -h: %v, and it prints %q", folder, err, output)
		}
	}
}

// Only these commands use the laboratory: what a learner runs besides doesn't need it.
// (That its own packages use one another in one direction, the compiler sees to.)
func TestNobodyElse(t *testing.T) {
	t.Parallel()
	for name, used := range imports(t, "./...") {
		if strings.HasPrefix(name, "internal/laboratory/") || slices.Contains(commands, name) {
			continue
		}
		for _, other := range used {
			if strings.HasPrefix(other, "internal/laboratory/") {
				t.Errorf("%s uses %s", name, other)
			}
		}
	}
}
