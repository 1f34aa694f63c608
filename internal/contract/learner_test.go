package contract

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/testing/testkit"
)

// learners are the programs of chapters 1 to 3, which use kafka-go.
var learners = []string{"01-producer", "02-consumer", "03-together"}

// forEachLearner runs a test for each of them, on each cluster.
func forEachLearner(t *testing.T, folders []string, test func(t *testing.T, folder string, p place)) {
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			onEachCluster(t, func(t *testing.T, p place) { test(t, folder, p) })
		})
	}
}

// function returns the source of a function and of the comment above it, or "".
func function(t *testing.T, file, name string) string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)(^//.*\n)*^func ` + name + `\((?s:.*?)^}\n`).FindString(string(source))
}

// A reader who knows a function of one program knows it in all: createTopic in every
// program that uses kafka-go, experiments included, and what chapter 3 puts together.
func TestSameFunctions(t *testing.T) {
	t.Parallel()
	together := filepath.Join(testkit.Root(t), "03-together", "main.go")
	same := func(file, name string) {
		got, want := function(t, file, name), function(t, together, name)
		// The program's own name is part of the member's.
		got = strings.ReplaceAll(got, filepath.Base(filepath.Dir(file)), "03-together")
		if want == "" || got != want {
			t.Errorf("%s of %s differs from that of 03-together (-want +got), which is to be copied:\n%s",
				name, file, cmp.Diff(want, got))
		}
	}
	creators := 0
	deleter := filepath.Join(testkit.Root(t), "01-producer", "01-keys", "main.go")
	for _, name := range testkit.Walk(t, func(name string) bool {
		return path.Base(name) == "main.go" && testkit.Numbered(name)
	}) {
		file := filepath.Join(testkit.Root(t), filepath.FromSlash(name))
		if deletes := function(t, file, "deleteTopic"); strings.Contains(deletes, "kafka.DeleteTopicsRequest{") {
			if want := function(t, deleter, "deleteTopic"); deletes != want {
				t.Errorf("deleteTopic of %s differs from that of 01-keys (-want +got), which is to be copied:\n%s",
					name, cmp.Diff(want, deletes))
			}
		}
		if strings.Contains(function(t, file, "createTopic"), "kafka.CreateTopicsRequest{") {
			creators++
			same(file, "createTopic")
			same(file, "refused")
		}
	}
	if creators < 6 {
		t.Errorf("%d programs with createTopic were found, want six or more", creators)
	}
	producer := filepath.Join(testkit.Root(t), "01-producer", "main.go")
	consumer := filepath.Join(testkit.Root(t), "02-consumer", "main.go")
	for _, name := range []string{"main", "produce", "withGrace", "pause"} {
		same(producer, name)
	}
	for _, name := range []string{"main", "consume", "newTeller", "withGrace", "pause"} {
		same(consumer, name)
	}
}

// hasLine tells whether a process has printed this line.
func hasLine(p *testkit.Process, line string) bool {
	return slices.Contains(strings.Split(p.Output(), "\n"), line)
}

// A topic that had to be created is said, so that a misspelt name is noticed.
func TestCreatedIsSaid(t *testing.T) {
	t.Parallel()
	forEachLearner(t, learners, func(t *testing.T, folder string, p place) {
		path := p.build(t, folder)
		created := "created the topic " + p.topic + ": it is new"
		first := testkit.Start(t, path)
		first.UntilLine(created)
		first.Interrupt()
		first.Wait()
		second := testkit.Start(t, path)
		second.Until("it has begun", func(lines []testkit.Line) bool { return len(lines) > 0 })
		second.Interrupt()
		second.Wait()
		if hasLine(second, created) {
			t.Error("a topic that was there is said to be new")
		}
	})
}

// fake starts brokers that answer requests of one key with an error, as no cluster
// of these tests would. Silent ones give that answer once, and then none for long.
func fake(t *testing.T, brokers int, key int16, code *kerr.Error, silent bool) place {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(brokers), kfake.SleepOutOfOrder())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if code != nil {
		asked := 0
		c.ControlKey(key, func(request kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			asked++
			if silent && asked > 1 {
				time.Sleep(5 * time.Second) // Longer than the programs wait for an answer.
			}
			response := request.ResponseKind()
			switch response := response.(type) {
			case *kmsg.CreateTopicsResponse:
				topic := kmsg.NewCreateTopicsResponseTopic()
				topic.Topic = request.(*kmsg.CreateTopicsRequest).Topics[0].Topic
				topic.ErrorCode = code.Code
				response.Topics = append(response.Topics, topic)
			case *kmsg.JoinGroupResponse:
				response.ErrorCode = code.Code
			default:
				t.Errorf("there is no answer to a %T", request)
			}
			response.SetVersion(request.GetVersion())
			return response, nil, true
		})
	}
	addrs := c.ListenAddrs()
	for len(addrs) < 3 {
		addrs = append(addrs, addrs[0])
	}
	p := newPlace(nil, false)
	p.cluster = addresses(addrs)
	return p
}

// addresses are those of a cluster whose brokers no test stops.
type addresses []string

func (a addresses) Addrs() []string       { return a }
func (a addresses) StopBroker(int) error  { return errors.ErrUnsupported }
func (a addresses) StartBroker(int) error { return errors.ErrUnsupported }

// failed waits for a process that is to end with one error, and returns its lines.
func failed(t *testing.T, process *testkit.Process) (lines []string) {
	t.Helper()
	if status := process.Wait(); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	if count(process.Output(), "error: ") != 1 {
		t.Errorf("it printed %q, want one error", process.Output())
	}
	return strings.Split(strings.TrimSpace(process.Output()), "\n")
}

// The cluster's answer to createTopic is told, at once where no retry can mend it,
// and what to do about it fits the answer.
func TestAnswersToCreateTopic(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		brokers int
		code    *kerr.Error
		want    string // in the error
		advice  string
		waits   bool // and says so
		silent  bool
	}{
		{"the name", 3, kerr.InvalidTopicException, "Invalid Topic", "change what the cluster refuses", false, false},
		{"the number of partitions", 3, kerr.InvalidPartitions, "Invalid Partition Number", "change what the cluster refuses", false, false},
		{"a setting", 3, kerr.InvalidConfig, "Invalid Configuration", "change what the cluster refuses", false, false},
		{"a policy", 3, kerr.PolicyViolation, "Policy Violation", "change what the cluster refuses", false, false},
		{"no permission", 3, kerr.TopicAuthorizationFailed, "Topic Authorization Failed", "change what the cluster refuses", false, false},
		{"one broker", 1, nil, "Invalid Replication Factor", "three replicas need three brokers", true, false},
		{"not ready", 3, kerr.NotController, "Not Controller", "look at its terminal", true, false},
		{"silence after it", 3, kerr.NotController, "Not Controller", "look at its terminal", true, true},
	} {
		for _, folder := range []string{"01-producer", "02-consumer", "03-together", "01-producer/01-keys", "02-consumer/01-crash"} {
			t.Run(test.name+" "+folder, func(t *testing.T) {
				t.Parallel()
				p := fake(t, test.brokers, int16(kmsg.CreateTopics), test.code, test.silent)
				lines := failed(t, testkit.Start(t, p.build(t, folder)))
				last := lines[len(lines)-1]
				for _, want := range []string{p.topic, test.want, test.advice} {
					if !strings.Contains(last, want) {
						t.Errorf("the error is %q, without %q", last, want)
					}
				}
				if strings.Contains(last, "deadline") {
					t.Errorf("the error is %q: there was an answer", last)
				}
				if waits := strings.HasPrefix(lines[0], "waiting to create the topic"); waits != test.waits || waits && !strings.Contains(lines[0], test.want) {
					t.Errorf("the first line is %q", lines[0])
				}
			})
		}
	}
}

// Both clusters refuse a name with a space in it, at once.
func TestRefusedName(t *testing.T) {
	t.Parallel()
	forEachLearner(t, learners, func(t *testing.T, folder string, p place) {
		p.topic = "my topic"
		lines := failed(t, testkit.Start(t, p.build(t, folder)))
		if len(lines) != 1 || !strings.Contains(lines[0], "Invalid Topic") {
			t.Errorf("it printed %q", lines)
		}
	})
}

// A write that the cluster refuses for good ends the program, with the answer.
func TestRefusedWrite(t *testing.T) {
	t.Parallel()
	forEachLearner(t, []string{"01-producer", "03-together"}, func(t *testing.T, folder string, p place) {
		tooSmall := "20"
		admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
		if _, err := admin.CreateTopic(t.Context(), 3, 3, map[string]*string{"max.message.bytes": &tooSmall}, p.topic); err != nil {
			t.Fatal(err)
		}
		lines := failed(t, testkit.Start(t, p.build(t, folder)))
		if last := lines[len(lines)-1]; !strings.Contains(last, "writing record 0: ") || !strings.Contains(last, "Message Size Too Large") {
			t.Errorf("the last line is %q", last)
		}
	})
}

// A group that may not be joined ends the program, too.
func TestRefusedGroup(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{"02-consumer", "03-together"} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			p := fake(t, 3, int16(kmsg.JoinGroup), kerr.GroupAuthorizationFailed, false)
			lines := failed(t, testkit.Start(t, p.build(t, folder)))
			if last := lines[len(lines)-1]; !strings.Contains(last, p.group) || !strings.Contains(last, "Group Authorization Failed") {
				t.Errorf("the last line is %q", last)
			}
		})
	}
}

// Each member says its name, which the cluster knows too, and which partitions it
// has: also when it gets others, and when it has none.
func TestMembersAreNamed(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		path := p.build(t, "02-consumer")
		var members []*testkit.Process
		for range 4 {
			members = append(members, testkit.Start(t, path))
		}
		testkit.UntilMembers(t, p.Addrs(), p.group, 0, 1, 1, 1)
		groups, err := kadm.NewClient(testkit.Client(t, p.Addrs())).DescribeGroups(t.Context(), p.group)
		if err != nil {
			t.Fatal(err)
		}
		assigned := make(map[string]string) // by client id, as the cluster says
		for _, m := range groups[p.group].Members {
			has := "none, so this member receives nothing for now"
			if a, ok := m.Assigned.AsConsumer(); ok {
				for _, topic := range a.Topics {
					for _, partition := range topic.Partitions {
						has = fmt.Sprint(partition)
					}
				}
			}
			assigned[m.ClientID] = has
		}
		for _, m := range members {
			name := fmt.Sprintf("02-consumer-%d", m.PID())
			if !hasLine(m, "member "+name+" of the group "+p.group) {
				t.Errorf("member %s doesn't say its name", name)
			}
			has, ok := assigned[name]
			if !ok {
				t.Errorf("the cluster has no member %s", name)
				continue
			}
			m.UntilLine("assigned partitions: " + has)
		}
		for _, m := range members[1:] {
			m.Interrupt()
			m.Wait()
		}
		members[0].Until("it has all partitions", func(lines []testkit.Line) bool {
			return strings.HasSuffix(lines[len(lines)-1].Text, "assigned partitions: 0, 1, 2")
		})
	})
}

// kafka-go's reader says nothing while its position lies beyond the end of the log.
// The programs do, and what to do about it helps.
func TestBeyondTheEnd(t *testing.T) {
	t.Parallel()
	forEachLearner(t, []string{"02-consumer", "03-together"}, func(t *testing.T, folder string, p place) {
		admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
		constants := testkit.On(p.Addrs(), p.topic, p.group)
		// A commit that comes between the end of the old topic and the new one would count for
		// the new one. So it is long until the next.
		constants["interval"] = "time.Second"
		path := testkit.Build(t, folder, constants)
		writer := testkit.Start(t, p.build(t, "01-producer"))
		writer.UntilMore(30, "writes: ")
		writer.Interrupt()
		writer.Wait()
		process := testkit.Start(t, path)
		p.hasReceivedAll(t, process)
		if _, err := admin.DeleteTopics(testkit.Deadline(t), p.topic); err != nil {
			t.Fatal(err)
		}
		for ctx := testkit.Deadline(t); ; time.Sleep(50 * time.Millisecond) {
			if _, err := admin.CreateTopic(ctx, 3, 3, nil, p.topic); err == nil {
				break
			} else if !errors.Is(err, kerr.TopicAlreadyExists) && !kerr.IsRetriable(err) {
				t.Fatal(err)
			}
		}
		process.UntilLine("beyond the end of the log, so what is written now is skipped (end this program, and start it again): ")
		process.Interrupt()
		process.Wait()

		again := testkit.Start(t, path)
		again.UntilLine("member ")
		more := testkit.Start(t, p.build(t, "01-producer"))
		more.UntilMore(10, "writes: ")
		more.Interrupt()
		more.Wait()
		p.hasReceivedAll(t, again)
	})
}

// A closed window is a SIGHUP: the group is left, and the counts are printed.
func TestHangUp(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGHUP; Go delivers the closing of a console as SIGTERM")
	}
	t.Parallel()
	forEachLearner(t, learners, func(t *testing.T, folder string, p place) {
		if folder == "02-consumer" {
			writer := testkit.Start(t, p.build(t, "01-producer"))
			writer.UntilMore(10, "writes: ")
			writer.Interrupt()
			writer.Wait()
		}
		process := testkit.Start(t, p.build(t, folder))
		process.Until("it writes or receives", func(lines []testkit.Line) bool {
			return len(testkit.Written(lines))+len(testkit.Received(lines)) > 5
		})
		if err := exec.Command("kill", "-HUP", strconv.Itoa(process.PID())).Run(); err != nil {
			t.Fatal(err)
		}
		if status := process.Wait(); status != 0 || count(process.Output(), "stopped: ") != 1 {
			t.Errorf("exit status %d, want 0 and the counts", status)
		}
		if folder == "01-producer" {
			return // It is in no group.
		}
		if members := testkit.Members(t, p.Addrs(), p.group); len(members) != 0 {
			t.Errorf("the group still has %d members", len(members))
		}
	})
}

// onFrozenClusters runs a test on clusters whose brokers can be made to hang, as on a
// laptop that sleeps: they accept connections, and answer nothing until thaw.
func onFrozenClusters(t *testing.T, test func(t *testing.T, p place, freeze, thaw func())) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows halts no processes")
	}
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		addrs := testkit.FreeAddrs(t)
		var ports []string
		for _, addr := range addrs {
			ports = append(ports, addr[strings.LastIndex(addr, ":")+1:])
		}
		// A process of its own, since it is halted and the test isn't.
		cluster := testkit.Start(t, testkit.Build(t, "00-cluster", testkit.Constants{
			"ports":     "[embedded.Brokers]int{" + strings.Join(ports, ", ") + "}",
			"boardPort": "0",
		}))
		cluster.UntilLine("Ctrl-C ends the cluster.")
		signal := func(name string) {
			t.Helper()
			if err := exec.Command("kill", "-"+name, strconv.Itoa(cluster.PID())).Run(); err != nil {
				t.Fatal(err)
			}
		}
		test(t, newPlace(addresses(addrs), false), func() { signal("STOP") }, func() { signal("CONT") })
	})
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		p := apachePlace(t)
		k := p.cluster.(apacheKafka)
		each := func(do func(int) error) {
			t.Helper()
			for id := 1; id <= 3; id++ {
				if err := do(id); err != nil {
					t.Fatal(err)
				}
			}
		}
		test(t, p, func() { each(k.Pause) }, func() { each(k.Resume) })
	})
}

// While every broker hangs, a single Ctrl-C ends a program within seconds and in good
// order. It says what was left undone.
func TestCtrlCOnAFrozenCluster(t *testing.T) {
	alone(t)
	for _, folder := range learners {
		t.Run(folder, func(t *testing.T) {
			join(t)
			t.Parallel()
			onFrozenClusters(t, func(t *testing.T, p place, freeze, thaw func()) {
				path := p.build(t, folder)
				process := testkit.Start(t, path)
				process.Until("it has begun", func(lines []testkit.Line) bool {
					return len(testkit.Written(lines)) > 3 || folder == "02-consumer" && strings.Contains(process.Output(), "assigned")
				})
				freeze()
				defer thaw() // For the next test, which has the same cluster of Apache Kafka.
				if folder != "02-consumer" {
					// The record in hand waits, and no other comes.
					for n := -1; n != len(process.Lines()); time.Sleep(200 * time.Millisecond) {
						n = len(process.Lines())
					}
				}
				begin := time.Now()
				process.Interrupt()
				if status := process.Wait(); status != 0 {
					t.Errorf("exit status %d, want 0", status)
				}
				// Five seconds are promised; a busy machine may need more. Without a bound it is 30 s.
				if took := time.Since(begin); took > 20*time.Second {
					t.Errorf("it took %v", took)
				}
				if folder != "02-consumer" {
					undone := fmt.Sprintf("record %d may or may not have been written", len(testkit.Written(process.Lines())))
					if !hasLine(process, undone) {
						t.Errorf("it didn't say %q", undone)
					}
				}
				if undone := "not left the group " + p.group; folder != "01-producer" && count(process.Output(), undone) != 1 {
					t.Errorf("it didn't say %q", undone)
				}
				lines := process.Lines()
				if last := lines[len(lines)-1].Text; !strings.HasPrefix(last, "stopped: ") {
					t.Errorf("the last line is %q", last)
				}

				// So does a program that waits for the topic.
				early := testkit.Start(t, path)
				early.UntilLine("waiting to create the topic " + p.topic + ": no broker answers")
				early.Interrupt()
				if status := early.Wait(); status != 0 || count(early.Output(), "stopped: 0 ") != 1 {
					t.Errorf("exit status %d, want 0 and the counts", status)
				}
			})
		})
	}
}
