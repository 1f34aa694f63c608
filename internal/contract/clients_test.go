package contract

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/lab"
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
	build.Dir, build.Env = lab.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	process := lab.Start(t, path)
	if status := process.Wait(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	lines := strings.Split(strings.TrimSpace(process.Output()), "\n")
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "error: ") || !strings.Contains(lines[0], "C compiler") {
		t.Errorf("it printed %q, want one line that names what is missing", lines)
	}
}

// The five programs are at most 150 lines each, and begin alike: the same
// constants, the same main, and the same functions in the same order.
func TestSameShape(t *testing.T) {
	t.Parallel()
	shape := func(folder string) (lines int, functions []string, main string) {
		source, err := os.ReadFile(filepath.Join(lab.Root(t), filepath.FromSlash(folder), "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		text := string(source)
		for line := range strings.Lines(text) {
			lines++
			for _, name := range []string{"main", "createTopic", "produce", "consume"} {
				if strings.HasPrefix(line, "func "+name+"(") {
					functions = append(functions, strings.TrimSpace(line))
				}
			}
		}
		_, rest, _ := strings.Cut(text, "\nconst (\n")
		main, _, ok := strings.Cut(rest, "\n// createTopic creates")
		if !ok {
			t.Errorf("%s has no createTopic after its main", folder)
		}
		return lines, functions, main
	}
	_, wantFunctions, wantMain := shape(programs[0])
	for _, folder := range programs {
		lines, functions, main := shape(folder)
		if lines > 150 {
			t.Errorf("%s has %d lines, want at most 150", folder, lines)
		}
		if !slices.Equal(functions, wantFunctions) {
			t.Errorf("%s has the functions %q, want %q", folder, functions, wantFunctions)
		}
		if main != wantMain {
			t.Errorf("%s begins with\n%s\nand %s with\n%s", folder, main, programs[0], wantMain)
		}
	}
}

// Ctrl-C ends a program also while no broker is there. With sarama, and so with
// goka, it ends with an error, since the group can't be left; the others don't
// learn that, and end with the last line that they always have.
func TestCtrlCWithoutBrokers(t *testing.T) {
	t.Parallel()
	forEachProgram(t, func(t *testing.T, folder string, p place) {
		process := lab.Start(t, p.build(t, folder))
		process.UntilMore(20, "received: ")
		for id := 1; id <= 3; id++ {
			p.stop(t, id)
		}
		process.UntilLine("waiting to write")
		process.Interrupt()
		status := process.Wait()
		for id := 1; id <= 3; id++ {
			p.start(t, id) // The next test has the same cluster of Apache Kafka.
		}
		if tells := folder == "04-comparison/sarama" || folder == "04-comparison/goka"; tells {
			if status != 1 || count(process.Output(), "error: ") != 1 {
				t.Errorf("exit status %d, want 1 and an error", status)
			}
		} else {
			last := process.Lines()[len(process.Lines())-1].Text
			if written, ok := lab.Counted(last, "written"); status != 0 || !ok || written != len(lab.Written(process.Lines())) {
				t.Errorf("exit status %d, want 0; the last line is %q, and %d records were written", status, last, len(lab.Written(process.Lines())))
			}
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
			process := lab.Start(t, path)
			process.UntilMore(30, "received: ")
			p.checkCtrlC(t, process)
			p.checkCommitted(t, process)
			for _, r := range lab.Received(process.Lines()) {
				times[strconv.Itoa(r.Number)]++
			}
			if line := fmt.Sprintf("counted:   key 0, %d times\n", times["0"]); !strings.Contains(process.Output(), line) {
				t.Errorf("it didn't print %q", line)
			}
		}

		table := p.group + "-table"
		counted, last := make(map[string]int64), make(map[string]int64)
		for place, r := range lab.ReadLog(t, p.Addrs(), table) {
			if at, ok := last[string(r.Key)]; ok && at > place.Offset {
				continue
			}
			last[string(r.Key)] = place.Offset
			n, err := strconv.ParseInt(string(r.Value), 10, 64)
			if err != nil {
				t.Fatalf("the table holds %s=%q: %v", r.Key, r.Value, err)
			}
			counted[string(r.Key)] = n
			if want := lab.Murmur2(r.Key, 3); place.Partition != want {
				t.Errorf("key %s of the table lies in partition %d, want %d as in the topic", r.Key, place.Partition, want)
			}
		}
		if !maps.Equal(counted, times) {
			t.Errorf("the table says %v, received were %v", counted, times)
		}
		admin := kadm.NewClient(lab.Client(t, p.Addrs()))
		configs, err := admin.DescribeTopicConfigs(lab.Deadline(t), table)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range configs[0].Configs {
			if c.Key == "cleanup.policy" && *c.Value != "compact" {
				t.Errorf("cleanup.policy of the table is %s, want compact", *c.Value)
			}
		}
		topics, err := admin.Metadata(lab.Deadline(t), table)
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
