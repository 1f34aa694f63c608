package contract

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// confluent is the one program that needs a C compiler.
const confluent = "04-comparison/confluent"

// cgo tells whether programs are built with C here: Go decides by CGO_ENABLED,
// and without that by whether it finds a C compiler.
var cgo = sync.OnceValues(func() (bool, error) {
	output, err := exec.Command("go", "env", "CGO_ENABLED").Output()
	return strings.TrimSpace(string(output)) == "1", err
})

// cantBuild returns why a program can't be built here, or "".
func cantBuild(t *testing.T, folder string) string {
	t.Helper()
	enabled, err := cgo()
	if err != nil {
		t.Fatal(err)
	}
	if folder == confluent && !enabled {
		return "confluent-kafka-go is a C library: install a C compiler (gcc or clang), and don't set CGO_ENABLED=0"
	}
	return ""
}

// canBuild skips a test whose program can't be built here.
func canBuild(t *testing.T, folder string) {
	t.Helper()
	if reason := cantBuild(t, folder); reason != "" {
		t.Skip(reason)
	}
}

// Without a C compiler everything builds, and the one program that needs one
// says so in a line.
func TestWithoutC(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "program.exe")
	build := exec.Command("go", "build", "-o", path, "./"+confluent)
	build.Dir, build.Env = testkit.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	process := testkit.Start(t, path)
	if status := process.Wait(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	lines := strings.Split(strings.TrimSpace(process.Output()), "\n")
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "error: ") || !strings.Contains(lines[0], "C compiler") {
		t.Errorf("it printed %q, want one line that names what is missing", lines)
	}
}

// between returns the part of a program from one text to the next other one.
func between(t *testing.T, folder, from, to string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(testkit.Root(t), filepath.FromSlash(folder), "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(source), from)
	part, _, ends := strings.Cut(rest, to)
	if !begins || !ends {
		t.Fatalf("%s has no part from %q to %q", folder, from, to)
	}
	return part
}

// groupConstant is the line of a program that names its group.
var groupConstant = regexp.MustCompile(`groupID +(= "[^"]*")`)

// The programs begin alike: the same constants, the same main and run, and then the same
// functions in the same order. So a diff of two of them shows what their clients ask for.
func TestSameShape(t *testing.T) {
	t.Parallel()
	shape := func(folder string) (constants, main string, functions []string) {
		constants = groupConstant.ReplaceAllString(between(t, folder, "\nconst (\n", "\n)\n"), "groupID")
		main = between(t, folder, "\nfunc main() {\n", "\n// createTopic creates")
		for line := range strings.Lines(between(t, folder, "\nfunc main() {\n", "\n// withGrace returns")) {
			for _, name := range []string{"run", "createTopic", "produce", "consume"} {
				if strings.HasPrefix(line, "func "+name+"(") {
					functions = append(functions, strings.TrimSpace(line))
				}
			}
		}
		return constants, main, functions
	}
	wantConstants, wantMain, wantFunctions := shape(programs[0])
	if len(wantFunctions) != 4 {
		t.Errorf("%s has the functions %q, want four", programs[0], wantFunctions)
	}
	for _, folder := range programs {
		constants, main, functions := shape(folder)
		if constants != wantConstants {
			t.Errorf("%s has the constants\n%s\nand %s has\n%s", folder, constants, programs[0], wantConstants)
		}
		if main != wantMain {
			t.Errorf("%s begins with\n%s\nand %s with\n%s", folder, main, programs[0], wantMain)
		}
		if !slices.Equal(functions, wantFunctions) {
			t.Errorf("%s has the functions %q, want %q", folder, functions, wantFunctions)
		}
	}
}

// Each flow has a group of its own. Members of one group must share out its partitions by
// the same rules, and clients differ in theirs: one of two would receive nothing.
func TestOwnGroups(t *testing.T) {
	t.Parallel()
	has := make(map[string]string)
	for _, folder := range programs {
		group := groupConstant.FindString(between(t, folder, "\nconst (\n", "\n)\n"))
		if other, ok := has[group]; ok || group == "" {
			t.Errorf("%s has the group %q, and so has %q", folder, group, other)
		}
		has[group] = folder
	}
}

// No line that a learner reads is wider than a page, and none squeezes several things into one.
func TestPlainLines(t *testing.T) {
	t.Parallel()
	files := testkit.Walk(t, func(name string) bool {
		return path.Ext(name) == ".go" && !strings.HasPrefix(name, "internal/") &&
			!strings.HasSuffix(name, "_test.go")
	})
	if len(files) < 15 {
		t.Errorf("%d files were found, want 15 or more", len(files))
	}
	for _, file := range files {
		source, err := os.ReadFile(filepath.Join(testkit.Root(t), filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(source), "\n") {
			if utf8.RuneCountInString(line) > 100 {
				t.Errorf("%s, line %d has more than 100 columns: %s", file, number+1, line)
			}
			if strings.Contains(line, "config.") && strings.Contains(strings.Split(line, " = ")[0], ", config.") {
				t.Errorf("%s, line %d sets several options: %s", file, number+1, line)
			}
		}
	}
}

// A single Ctrl-C ends a program also while no broker is there, in good order: it says what
// was left undone, and its last line counts.
func TestCtrlCWithoutBrokers(t *testing.T) {
	alone(t)
	forEachProgram(t, func(t *testing.T, folder string, p place) {
		process := testkit.Start(t, p.build(t, folder))
		process.UntilMore(20, "received: ")
		for id := 1; id <= 3; id++ {
			p.stop(t, id)
		}
		process.UntilLine("waiting to write")
		begin := time.Now()
		process.Interrupt()
		status := process.Wait()
		took := time.Since(begin)
		for id := 1; id <= 3; id++ {
			p.start(t, id) // The next test has the same cluster of Apache Kafka.
		}
		// Five seconds are promised; a busy machine may need more. Without a bound it is 18 s.
		if took > 8*time.Second {
			t.Errorf("it took %v", took)
		}
		written := len(testkit.Written(process.Lines()))
		if undone := fmt.Sprintf("record %d may or may not have been written", written); !hasLine(process, undone) {
			t.Errorf("it didn't say %q", undone)
		}
		last := process.Lines()[len(process.Lines())-1].Text
		counted, ok := testkit.Counted(last, "written")
		if status != 0 || !ok || counted != written {
			t.Errorf("exit status %d, want 0; the last line is %q, and %d records were written", status, last, written)
		}
	})
}

// goka's group keeps a table besides: how often each key came. It lies in a
// compacted topic with as many partitions, and survives the program.
func TestTable(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		path := p.build(t, "04-comparison/goka")
		times := make(map[string]int64)
		for range 2 {
			process := testkit.Start(t, path)
			process.UntilMore(30, "received: ")
			p.checkCtrlC(t, process)
			p.checkCommitted(t, process)
			for _, r := range testkit.Received(process.Lines()) {
				times[strconv.Itoa(r.Number)]++
			}
			if line := fmt.Sprintf("counted:   key 0, %d times\n", times["0"]); !strings.Contains(process.Output(), line) {
				t.Errorf("it didn't print %q", line)
			}
		}

		table := p.group + "-table"
		counted, last := make(map[string]int64), make(map[string]int64)
		for place, r := range testkit.ReadLog(t, p.Addrs(), table) {
			if at, ok := last[string(r.Key)]; ok && at > place.Offset {
				continue
			}
			last[string(r.Key)] = place.Offset
			n, err := strconv.ParseInt(string(r.Value), 10, 64)
			if err != nil {
				t.Fatalf("the table holds %s=%q: %v", r.Key, r.Value, err)
			}
			counted[string(r.Key)] = n
			if want := testkit.Murmur2(r.Key, 3); place.Partition != want {
				t.Errorf("key %s of the table lies in partition %d, want %d as in the topic", r.Key, place.Partition, want)
			}
		}
		if !maps.Equal(counted, times) {
			t.Errorf("the table says %v, received were %v", counted, times)
		}
		admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
		configs, err := admin.DescribeTopicConfigs(testkit.Deadline(t), table)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range configs[0].Configs {
			if c.Key == "cleanup.policy" && *c.Value != "compact" {
				t.Errorf("cleanup.policy of the table is %s, want compact", *c.Value)
			}
		}
		topics, err := admin.Metadata(testkit.Deadline(t), table)
		if err != nil {
			t.Fatal(err)
		}
		for _, partition := range topics.Topics[table].Partitions {
			if len(partition.Replicas) != 3 {
				t.Errorf("partition %d of the table has %d replicas, want 3", partition.Partition, len(partition.Replicas))
			}
		}
	})
}
