package contract

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/testing/testkit"
)

// A runner is a program that runs, in a group of its own.
type runner struct {
	place
	*testkit.Process
}

// runAll starts every program that can be built here on one topic, each in a
// group of its own, and returns them by folder when each has written something.
func (p place) runAll(t *testing.T) map[string]runner {
	t.Helper()
	running := make(map[string]runner)
	for _, folder := range programs {
		if reason := cantBuild(t, folder); reason != "" {
			t.Logf("%s doesn't take part: %s", folder, reason)
			continue
		}
		own := p.withGroup(p.group + "-" + path.Base(folder))
		constants := testkit.On(own.Addrs(), own.topic, own.group)
		constants["interval"] = "100 * time.Millisecond" // Each receives what all five write.
		running[folder] = runner{own, testkit.Start(t, testkit.Build(t, folder, constants))}
	}
	for _, r := range running {
		r.UntilMore(20, "writes: ")
	}
	return running
}

// untilReceived waits until a program has received all these records.
func (r runner) untilReceived(t *testing.T, want map[testkit.Place]*kgo.Record) {
	t.Helper()
	var missing []string
	for ctx := testkit.Deadline(t); ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if missing = testkit.Missing(want, testkit.Received(r.Lines())); missing == nil {
			return
		}
	}
	t.Errorf("%d of %d records never came: %v", len(missing), len(want), missing)
}

// stopAll interrupts the programs, and checks what each of them promises.
func stopAll(t *testing.T, running map[string]runner) {
	t.Helper()
	for folder, r := range running {
		t.Run(path.Base(folder)+" stops", func(t *testing.T) {
			r.checkCtrlC(t, r.Process)
			r.checkWritten(t, r.Process)
			checkOrder(t, r.Process)
			r.checkCommitted(t, r.Process)
		})
	}
}

// Each of the programs receives what each of them writes: 25 pairs.
func TestPairs(t *testing.T) {
	alone(t)
	onEachCluster(t, func(t *testing.T, p place) {
		running := p.runAll(t)
		log := testkit.ReadLog(t, p.Addrs(), p.topic)
		for _, writer := range programs {
			wrote := make(map[testkit.Place]*kgo.Record)
			if w, ok := running[writer]; ok {
				for _, printed := range testkit.Written(w.Lines()) {
					if r := log[printed.Place()]; r != nil {
						wrote[printed.Place()] = r
					}
				}
			}
			for _, reader := range programs {
				t.Run(path.Base(writer)+" to "+path.Base(reader), func(t *testing.T) {
					canBuild(t, writer)
					canBuild(t, reader)
					if len(wrote) < 20 {
						t.Errorf("%d records lie where %s said, want 20 or more", len(wrote), writer)
					}
					running[reader].untilReceived(t, wrote)
				})
			}
		}
		stopAll(t, running)

		// A key is in one partition, whoever wrote it.
		where := make(map[string]int32)
		for _, r := range testkit.ReadLog(t, p.Addrs(), p.topic) {
			if before, ok := where[string(r.Key)]; ok && before != r.Partition {
				t.Errorf("key %s is in partition %d and in partition %d", r.Key, before, r.Partition)
			}
			where[string(r.Key)] = r.Partition
		}
	})
}

// consoleLine is what Kafka's console consumer prints of a record.
var consoleLine = regexp.MustCompile(`^Partition:(\d+)\tOffset:(\d+)\t(.*)\t(.*)$`)

// Each of the programs receives what Kafka's own console producer writes, and
// the console consumer receives what they write.
func TestConsoleTools(t *testing.T) {
	alone(t)
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	onEachCluster(t, func(t *testing.T, p place) {
		running := p.runAll(t)
		tool := func(stdin, name string, args ...string) string {
			var stderr strings.Builder
			command := apache.Tool(testkit.Deadline(t), name,
				append([]string{"--bootstrap-server", strings.Join(p.Addrs(), ","), "--topic", p.topic}, args...)...)
			command.Stdin, command.Stderr = strings.NewReader(stdin), &stderr
			output, err := command.Output()
			if err != nil {
				t.Fatalf("%s: %v\n%s%s", name, err, output, stderr.String())
			}
			return string(output)
		}

		var typed strings.Builder
		const first, records = 1_000_000, 30 // No program gets that far.
		for i := range records {
			fmt.Fprintf(&typed, "%d:this is message%d\n", first+i, first+i)
		}
		tool(typed.String(), "kafka-console-producer.sh", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
		wrote := make(map[testkit.Place]*kgo.Record)
		for place, r := range testkit.ReadLog(t, p.Addrs(), p.topic) {
			if i, err := strconv.Atoi(string(r.Key)); err == nil && i >= first {
				wrote[place] = r
				if want := testkit.Murmur2(r.Key, 3); r.Partition != want {
					t.Errorf("Java put key %s into partition %d, want %d", r.Key, r.Partition, want)
				}
			}
		}
		if len(wrote) != records {
			t.Errorf("%d records of the console producer are in the log, want %d", len(wrote), records)
		}
		for _, folder := range programs {
			t.Run("console to "+path.Base(folder), func(t *testing.T) {
				canBuild(t, folder)
				running[folder].untilReceived(t, wrote)
			})
		}
		stopAll(t, running)

		log := testkit.ReadLog(t, p.Addrs(), p.topic)
		read := make(map[testkit.Place]string)
		output := tool("", "kafka-console-consumer.sh", "--from-beginning", "--max-messages", strconv.Itoa(len(log)),
			"--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true", "--formatter-property", "print.key=true")
		for line := range strings.Lines(output) {
			if m := consoleLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				partition, _ := strconv.ParseInt(m[1], 10, 32) // The pattern lets only digits through.
				offset, _ := strconv.ParseInt(m[2], 10, 64)
				read[testkit.Place{Partition: int32(partition), Offset: offset}] = m[3] + "=" + m[4]
			}
		}
		for folder, r := range running {
			t.Run(path.Base(folder)+" to console", func(t *testing.T) {
				for _, w := range testkit.Written(r.Lines()) {
					if got, want := read[w.Place()], fmt.Sprintf("%d=this is message%d", w.Number, w.Number); got != want {
						t.Errorf("partition %d, offset %d: the console consumer printed %q, want %q", w.Partition, w.Offset, got, want)
					}
				}
			})
		}
	})
}
