// Package contract holds what every program of the chapters promises, as tests
// that run the learner's own files as processes: on the embedded cluster, and
// on Apache Kafka with the environment of docker-compose.yml.
package contract

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// programs are those that create a topic, produce and consume in one main, and promise
// the same: 03-together, and the flow of each other client. They are found by walking the
// chapters, so that another one can't be forgotten. An experiment promises only what its
// page shows.
var programs = findPrograms()

func findPrograms() (folders []string) {
	root := filepath.Join("..", "..")
	chapters, err := filepath.Glob(filepath.Join(root, "0[1-9]-*"))
	if err != nil {
		panic(err) // The pattern is wrong.
	}
	for _, chapter := range chapters {
		err := filepath.WalkDir(chapter, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && path != chapter && testkit.Numbered(d.Name()) {
				return fs.SkipDir // An experiment.
			}
			if err != nil || d.Name() != "main.go" {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, function := range []string{"createTopic", "produce", "consume"} {
				if !bytes.Contains(source, []byte("\nfunc "+function+"(")) {
					return nil
				}
			}
			folder, err := filepath.Rel(root, filepath.Dir(path))
			folders = append(folders, filepath.ToSlash(folder))
			return err
		})
		if err != nil {
			panic(err) // The tests stand in the repository, or nothing works.
		}
	}
	return folders
}

// The programs that README.md and chapter 4 speak of are found: five, of them one with kafka-go.
func TestProgramsAreFound(t *testing.T) {
	t.Parallel()
	if len(programs) < 5 || programs[0] != "03-together" {
		t.Errorf("found were %q, want 03-together and four flows or more", programs)
	}
}

// forEachProgram runs a test for each of the programs, on each cluster.
func forEachProgram(t *testing.T, test func(t *testing.T, folder string, p place)) {
	for _, folder := range programs {
		t.Run(strings.ReplaceAll(folder, "/", "-"), func(t *testing.T) {
			join(t)
			t.Parallel()
			onEachCluster(t, func(t *testing.T, p place) { test(t, folder, p) })
		})
	}
}

// build builds a program for a place.
func (p place) build(t *testing.T, folder string) string {
	t.Helper()
	canBuild(t, folder)
	return testkit.Build(t, folder, testkit.On(p.Addrs(), p.topic, p.group))
}

// withGroup is the same place for another group.
func (p place) withGroup(group string) place {
	p.group = group
	return p
}

// hasReceivedAll waits until the processes together have received all that is
// in the log of the topic.
func (p place) hasReceivedAll(t *testing.T, processes ...*testkit.Process) {
	t.Helper()
	log := testkit.ReadLog(t, p.Addrs(), p.topic)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var received [][]testkit.Printed
		for _, process := range processes {
			received = append(received, testkit.Received(process.Lines()))
		}
		missing := testkit.Missing(log, received...)
		if missing == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d records never came: %v", len(missing), len(log), missing)
		}
	}
}

// checkWritten fails the test unless every acknowledged record lies where the
// program said, in the partition that its key belongs to.
func (p place) checkWritten(t *testing.T, process *testkit.Process) {
	t.Helper()
	log := testkit.ReadLog(t, p.Addrs(), p.topic)
	for _, w := range testkit.Written(process.Lines()) {
		r := log[w.Place()]
		switch {
		case r == nil:
			t.Errorf("record %d was acknowledged, and is not in the log", w.Number)
		case string(r.Key) != fmt.Sprint(w.Number) || string(r.Value) != fmt.Sprintf("this is message%d", w.Number):
			t.Errorf("at partition %d, offset %d lies %s=%s, not record %d", w.Partition, w.Offset, r.Key, r.Value, w.Number)
		case w.Partition != testkit.Murmur2(r.Key, 3):
			t.Errorf("key %s lies in partition %d, murmur2 says %d", r.Key, w.Partition, testkit.Murmur2(r.Key, 3))
		}
	}
}

// checkOrder fails the test unless the numbers in each partition of the log
// rise, repeated records aside, and the process received each partition in order.
func checkOrder(t *testing.T, process *testkit.Process) {
	t.Helper()
	next := make(map[int32]int64)
	for _, r := range testkit.Received(process.Lines()) {
		if r.Offset < next[r.Partition] {
			t.Errorf("partition %d: offset %d came after offset %d", r.Partition, r.Offset, next[r.Partition]-1)
		}
		next[r.Partition] = r.Offset + 1
	}
}

// checkCtrlC interrupts a process and fails the test unless it ends as promised.
func (p place) checkCtrlC(t *testing.T, process *testkit.Process) {
	t.Helper()
	process.Interrupt()
	if status := process.Wait(); status != 0 {
		t.Errorf("exit status %d after Ctrl-C, want 0", status)
	}
	lines := process.Lines()
	last := lines[len(lines)-1].Text
	if count, ok := testkit.Counted(last, "written"); ok && count != len(testkit.Written(lines)) {
		t.Errorf("the last line is %q, and %d records were written", last, len(testkit.Written(lines)))
	}
	count, consumes := testkit.Counted(last, "received")
	if consumes && count != len(testkit.Received(lines)) {
		t.Errorf("the last line is %q, and %d records were received", last, len(testkit.Received(lines)))
	}
	if !strings.HasPrefix(last, "stopped: ") {
		t.Errorf("the last line is %q, and doesn't say how many records there were", last)
	}
	// Nobody waits for a session to time out: the group is empty at once.
	if members := testkit.Members(t, p.Addrs(), p.group); consumes && len(members) != 0 {
		t.Errorf("the group still has %d members after Ctrl-C", len(members))
	}
}

// A program creates the missing topic, writes each key to the partition that
// murmur2 says, receives its records in order, commits what it worked on, ends
// on Ctrl-C, and goes on where it stopped.
func TestFlow(t *testing.T) {
	t.Parallel()
	forEachProgram(t, func(t *testing.T, folder string, p place) {
		path := p.build(t, folder)
		first := testkit.Start(t, path)
		first.UntilMore(30, "received: ")
		p.checkCtrlC(t, first)
		p.checkWritten(t, first)
		checkOrder(t, first)
		p.checkCommitted(t, first)

		topic, err := kadm.NewClient(testkit.Client(t, p.Addrs())).Metadata(t.Context(), p.topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, partition := range topic.Topics[p.topic].Partitions.Sorted() {
			if len(partition.Replicas) != 3 {
				t.Errorf("partition %d has %d replicas, want 3", partition.Partition, len(partition.Replicas))
			}
		}
		if n := len(topic.Topics[p.topic].Partitions); n != 3 {
			t.Errorf("the topic has %d partitions, want 3", n)
		}

		second := testkit.Start(t, path)
		second.UntilMore(30, "received: ")
		p.checkCtrlC(t, second)
		p.checkWritten(t, second)
		checkOrder(t, second)
		if n := testkit.Repeated(testkit.Received(first.Lines()), testkit.Received(second.Lines())); n != 0 {
			t.Errorf("%d records came again after an orderly end", n)
		}
		where := make(map[int]int32)
		for _, w := range slices.Concat(testkit.Written(first.Lines()), testkit.Written(second.Lines())) {
			if before, ok := where[w.Number]; ok && before != w.Partition {
				t.Errorf("key %d went to partition %d, then to %d", w.Number, before, w.Partition)
			}
			where[w.Number] = w.Partition
		}
	})
}

// checkCommitted fails the test unless the group has committed just what the
// process worked on.
func (p place) checkCommitted(t *testing.T, process *testkit.Process) {
	t.Helper()
	want := make(map[int32]int64)
	for _, r := range testkit.Received(process.Lines()) {
		want[r.Partition] = max(want[r.Partition], r.Offset+1)
	}
	committed := testkit.Committed(t, p.Addrs(), p.group, p.topic)
	for partition := range int32(3) {
		if got := max(committed[partition], 0); got != want[partition] {
			t.Errorf("partition %d: offset %d is committed, and %d comes after the last record worked on", partition, got, want[partition])
		}
	}
}

// Chapters 1 and 2: two programs, in either order, on a topic that isn't there.
func TestProducerAndConsumer(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{{"01-producer", "02-consumer"}, {"02-consumer", "01-producer"}} {
		t.Run(order[0]+" first", func(t *testing.T) {
			t.Parallel()
			onEachCluster(t, func(t *testing.T, p place) {
				processes := make(map[string]*testkit.Process)
				for i, folder := range order {
					processes[folder] = testkit.Start(t, p.build(t, folder))
					switch {
					case i == 0 && folder == "01-producer":
						processes[folder].UntilMore(10, "writes: ")
					case i == 0:
						testkit.UntilMembers(t, p.Addrs(), p.group, 3)
					}
				}
				producer, consumer := processes["01-producer"], processes["02-consumer"]
				consumer.UntilMore(30, "received: ")
				p.checkCtrlC(t, producer)
				p.hasReceivedAll(t, consumer)
				p.checkCtrlC(t, consumer)
				p.checkWritten(t, producer)
				checkOrder(t, consumer)
				p.checkCommitted(t, consumer)
			})
		})
	}
}

// A broker is killed and comes back, each of the three in turn. The program
// goes on, says what it waits for in one line, and loses nothing.
func TestBrokerKilled(t *testing.T) {
	alone(t)
	forEachProgram(t, func(t *testing.T, folder string, p place) {
		process := testkit.Start(t, p.build(t, folder))
		process.UntilMore(20, "received: ")
		for id := 1; id <= 3; id++ {
			before := process.Output()
			p.stop(t, id)
			process.UntilMore(20, "writes: ")
			process.UntilMore(20, "received: ")
			p.start(t, id)
			process.UntilMore(20, "writes: ")
			process.UntilMore(20, "received: ")
			for _, waiting := range []string{"waiting to write", "waiting to receive"} {
				// An outage has one line. A leader that moves, and moves back, is two.
				if n := count(process.Output(), waiting) - count(before, waiting); n > 4 {
					t.Errorf("%d lines say %q while broker %d was away", n, waiting, id)
				}
			}
		}
		p.hasReceivedAll(t, process)
		p.checkCtrlC(t, process)
		p.checkWritten(t, process)
		if folder != "03-together" {
			p.checkOnce(t) // kafka-go has no idempotent producer.
		}
		if n := count(process.Output(), "beyond the end"); n != 0 {
			t.Errorf("it said %d times that it waits beyond the end of a log", n)
		}
		t.Logf("3 brokers killed: %d records acknowledged, none lost, %d received twice",
			len(testkit.Written(process.Lines())), testkit.Repeated(testkit.Received(process.Lines())))
	})
}

// All three brokers are gone: the program says what it waits for, once, and
// goes on when they are back.
func TestAllBrokersKilled(t *testing.T) {
	alone(t)
	forEachProgram(t, func(t *testing.T, folder string, p place) {
		process := testkit.Start(t, p.build(t, folder))
		process.UntilMore(20, "received: ")
		for id := 1; id <= 3; id++ {
			p.stop(t, id)
		}
		process.UntilLine("waiting to write")
		process.UntilLine("waiting to receive")
		time.Sleep(2 * time.Second) // Long enough for a second line, if there were one.
		for id := 1; id <= 3; id++ {
			p.start(t, id)
		}
		process.UntilMore(20, "writes: ")
		process.UntilMore(20, "received: ")
		p.hasReceivedAll(t, process)
		p.checkCtrlC(t, process)
		p.checkWritten(t, process)
		if folder != "03-together" {
			p.checkOnce(t)
		}
	})
}

// A consumer is killed in the middle of its work. What it had in hand comes
// again, and nothing is lost: each committed record was worked on before.
func TestConsumerKilled(t *testing.T) {
	t.Parallel()
	forEachProgram(t, func(t *testing.T, folder string, p place) {
		path := p.build(t, folder)
		first := testkit.Start(t, path)
		first.UntilMore(25, "received: ")
		first.Kill()
		first.Wait()
		for partition, committed := range testkit.Committed(t, p.Addrs(), p.group, p.topic) {
			var worked int64
			for _, r := range testkit.Received(first.Lines()) {
				if r.Partition == partition {
					worked = max(worked, r.Offset+1)
				}
			}
			if committed > worked {
				t.Errorf("partition %d: %d is committed, but only the records before %d were worked on", partition, committed, worked)
			}
		}
		second := testkit.Start(t, path)
		second.UntilMore(25, "received: ")
		p.hasReceivedAll(t, first, second)
		p.checkCtrlC(t, second)
		p.checkWritten(t, second)
		t.Logf("killed in the middle: none lost, %d received twice",
			testkit.Repeated(testkit.Received(first.Lines()), testkit.Received(second.Lines())))
	})
}

// Members of one group share the partitions, and each record is handled by one
// of them. A second group gets everything again, from the first record on.
func TestGroups(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		path := p.build(t, "02-consumer")
		var members []*testkit.Process
		for range 4 {
			members = append(members, testkit.Start(t, path))
		}
		testkit.UntilMembers(t, p.Addrs(), p.group, 0, 1, 1, 1) // Three partitions: one of four is idle.
		producer := testkit.Start(t, p.build(t, "01-producer"))
		producer.UntilMore(60, "writes: ")
		p.checkCtrlC(t, producer)
		p.hasReceivedAll(t, members...)
		var received [][]testkit.Printed
		busy := 0
		for _, m := range members {
			if r := testkit.Received(m.Lines()); r != nil {
				received = append(received, r)
				busy++
			}
		}
		if n := testkit.Repeated(received...); n != 0 || busy != 3 {
			t.Errorf("%d records were handled twice, %d members were busy; want 0 and 3", n, busy)
		}

		// One leaves: the idle one takes over its partition.
		members[0].Interrupt()
		members[0].Wait()
		testkit.UntilMembers(t, p.Addrs(), p.group, 1, 1, 1)

		other := p.withGroup(p.group + "-other")
		second := testkit.Start(t, other.build(t, "02-consumer"))
		other.hasReceivedAll(t, second)
		if got, want := len(testkit.Received(second.Lines())), len(testkit.ReadLog(t, p.Addrs(), p.topic)); got != want {
			t.Errorf("the second group received %d records, want %d", got, want)
		}
	})
}

// Partitions that are added while the consumer runs are read too.
func TestPartitionsAdded(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		consumer := testkit.Start(t, p.build(t, "02-consumer"))
		testkit.UntilMembers(t, p.Addrs(), p.group, 3)
		if _, err := kadm.NewClient(testkit.Client(t, p.Addrs())).CreatePartitions(t.Context(), 3, p.topic); err != nil {
			t.Fatal(err)
		}
		testkit.UntilMembers(t, p.Addrs(), p.group, 6)
		producer := testkit.Start(t, p.build(t, "01-producer"))
		producer.UntilMore(40, "writes: ")
		producer.Interrupt()
		producer.Wait()
		p.hasReceivedAll(t, consumer)
	})
}

// No cluster is there: the error names the addresses, and says how to start one.
func TestNoCluster(t *testing.T) {
	t.Parallel()
	for _, folder := range append([]string{"01-producer", "02-consumer"}, programs...) {
		t.Run(strings.ReplaceAll(folder, "/", "-"), func(t *testing.T) {
			t.Parallel()
			canBuild(t, folder)
			addrs := testkit.FreeAddrs(t)
			process := testkit.Start(t, testkit.Build(t, folder, testkit.On(addrs, "topic", "group")))
			if status := process.Wait(); status != 1 {
				t.Errorf("exit status %d, want 1", status)
			}
			for _, want := range append(addrs, "go run ./00-cluster") {
				if !strings.Contains(process.Output(), want) {
					t.Errorf("the error doesn't name %s", want)
				}
			}

			// Ctrl-C while it still looks for a cluster is an orderly end.
			process = testkit.Start(t, testkit.Build(t, folder, testkit.On(addrs, "topic", "group")))
			time.Sleep(time.Second) // There is nothing to wait for: it prints nothing yet.
			process.Interrupt()
			if status := process.Wait(); status != 0 {
				t.Errorf("exit status %d after Ctrl-C, want 0", status)
			}
		})
	}
}

func (p place) stop(t *testing.T, id int) {
	t.Helper()
	if companyOf(t) == nil { // Not only on Apache Kafka, so that nobody forgets it.
		t.Fatal(errNotAlone)
	}
	if err := p.StopBroker(id); err != nil {
		t.Fatal(err)
	}
}

func (p place) start(t *testing.T, id int) {
	t.Helper()
	if err := p.StartBroker(id); err != nil {
		t.Fatal(err)
	}
}
