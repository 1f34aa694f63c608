package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/cluster/portcheck"
	"kafka-with-go/internal/testing/testkit"
)

func TestMain(m *testing.M) {
	testkit.KnowErrors()
	testkit.Main(m)
}

// A cluster under test has private ports, and so have the programs that it
// builds: both come from overlays.
type cluster struct {
	t     *testing.T
	path  string
	addrs []string
	env   []string

	overlay string // for go run ./00-cluster
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	t.Parallel()
	return clusterOn(t, testkit.FreeAddrs(t))
}

func clusterOn(t *testing.T, addrs []string) *cluster {
	t.Helper()
	var list []string
	for _, addr := range addrs {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, port)
	}
	value := "[embedded.Brokers]int{" + strings.Join(list, ", ") + "}"
	constants := testkit.Constants{"ports": value, "boardPort": "0"}
	own := testkit.Overlay(t, map[string]testkit.Constants{"00-cluster": constants})
	path := testkit.Build(t, "00-cluster", constants)
	overlay := testkit.Overlay(t, map[string]testkit.Constants{"03-together": testkit.On(addrs, topic, "my-group")})
	env := append(os.Environ(), "GOFLAGS=-overlay="+overlay)
	return &cluster{t: t, path: path, addrs: addrs, env: env, overlay: own}
}

// start starts the program in the top folder of the repository.
func (c *cluster) start(args ...string) *testkit.Process {
	c.t.Helper()
	command := exec.Command(c.path, args...)
	command.Dir, command.Env = testkit.Root(c.t), c.env
	return testkit.StartCommand(c.t, command)
}

// goRun returns the command that a learner types, on the private ports.
func (c *cluster) goRun() string { return "go run -overlay " + c.overlay + " ./00-cluster" }

// listening returns the addresses of the cluster on which something listens.
func (c *cluster) listening() []string {
	var addrs []string
	for _, addr := range c.addrs {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

// listens tells whether something listens on the ports.
func (c *cluster) listens() bool { return len(c.listening()) > 0 }

// gone fails the test unless nothing listens on the ports any more.
func (c *cluster) gone() {
	c.t.Helper()
	for _, addr := range c.addrs {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			c.t.Errorf("%s still accepts connections", addr)
		}
	}
}

func checkStatus(t *testing.T, p *testkit.Process, want int) {
	t.Helper()
	if status := p.Wait(); status != want {
		t.Errorf("exit status %d, want %d", status, want)
	}
}

func TestAlone(t *testing.T) {
	c := newCluster(t)
	p := c.start()
	p.UntilLine("Ctrl-C ends the cluster.")
	m, err := kadm.NewClient(testkit.Client(t, c.addrs)).Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.Topics[topic].Partitions); n != 3 {
		t.Errorf("%s has %d partitions, want 3", topic, n)
	}

	p.Type("help")
	p.UntilLine("stop 2     stop broker 2")
	p.Type("stop 2")
	p.UntilLine("Broker 2 is stopped.")
	p.Type("status")
	p.UntilLine("stopped")
	p.UntilLine("partition 1   led by broker 3")
	p.Type("start 2")
	p.UntilLine("Broker 2 runs again.")
	p.Type("status")
	p.UntilLine("partition 1   led by broker 2")
	for _, mistake := range []string{"stop", "stop 4", "stop two", "start 1", "dance"} {
		before := strings.Count(p.Output(), "error: ")
		p.Type(mistake)
		p.Until("an error for "+mistake, func([]testkit.Line) bool {
			return strings.Count(p.Output(), "error: ") > before
		})
	}

	// A line that is no command at all doesn't make the console deaf.
	p.Type(strings.Repeat("x", 200_000))
	p.UntilLine("too long for a command")
	p.Type("help")
	p.UntilLine("exit       end the cluster")

	p.Interrupt()
	checkStatus(t, p, 0)
	c.gone()
}

// The ports belong to a cluster while its brokers are stopped, too.
func TestAllStopped(t *testing.T) {
	c := newCluster(t)
	p := c.start()
	p.UntilLine("Ctrl-C ends the cluster.")
	for _, broker := range []string{"1", "2", "3"} {
		p.Type("stop " + broker)
		p.UntilLine("Broker " + broker + " is stopped.")
	}
	for _, args := range [][]string{nil, {"./03-together"}} {
		second := c.start(args...)
		checkStatus(t, second, 1)
		if !strings.Contains(second.Output(), "type start 1 in its terminal") {
			t.Errorf("%v: the error doesn't say what to do", args)
		}
	}
	p.Type("start 1")
	p.UntilLine("Broker 1 runs again.")
	second := c.start()
	checkStatus(t, second, 1)
	if !strings.Contains(second.Output(), portcheck.ErrAlreadyThere.Error()) {
		t.Error("the error doesn't say that a cluster is there")
	}
	p.Type("exit")
	checkStatus(t, p, 0)
	// Now the ports are free again.
	third := c.start("./03-together")
	third.UntilMore(1, "received: ")
	third.Interrupt()
	checkStatus(t, third, 0)
}

// status names the members of a group, what they have, and the lag.
func TestStatusOfAGroup(t *testing.T) {
	c := newCluster(t)
	p := c.start()
	p.UntilLine("Ctrl-C ends the cluster.")
	flow := testkit.Start(t, testkit.Build(t, "03-together", testkit.On(c.addrs, topic, "my-group")))
	flow.UntilMore(5, "received: ")
	flow.Interrupt()
	flow.Wait()
	consumer := testkit.Start(t, testkit.Build(t, "02-consumer", testkit.On(c.addrs, topic, "my-group")))
	testkit.UntilMembers(t, c.addrs, "my-group", 3)
	p.Type("status")
	p.UntilLine("group my-group: stable, members: 1, lag: 0")
	p.UntilLine("has message-log-0, message-log-1, message-log-2")
	consumer.Interrupt()
	consumer.Wait()
}

func TestWithAProgram(t *testing.T) {
	c := newCluster(t)
	p := c.start("./03-together")
	p.UntilLine("Building ./03-together.")
	p.UntilMore(3, "received: ")
	p.Interrupt() // Only this process: it passes the signal on.
	checkStatus(t, p, 0)
	if !strings.Contains(p.Output(), "stopped: ") {
		t.Error("the program did not end in good order")
	}
	c.gone()
}

// The exit status is the program's, and its arguments reach it.
func TestExitStatusAndArguments(t *testing.T) {
	c := newCluster(t)
	p := c.start(writeProgram(t, `package main
import ("fmt"; "os")
func main() { fmt.Println("arguments:", os.Args[1:]); os.Exit(7) }`), "one", "-two")
	checkStatus(t, p, 7)
	if !strings.Contains(p.Output(), "arguments: [one -two]") {
		t.Error("the arguments did not reach the program")
	}
	c.gone()
}

func TestMistakes(t *testing.T) {
	c := newCluster(t)
	for _, test := range []struct{ folder, want string }{
		{"./no-such-folder", "there is no folder ./no-such-folder"},
		{writeProgram(t, "package main\nfunc main() { undefined() }"), "doesn't compile"},
		{writeProgram(t, "package notmain"), "is not a program"},
	} {
		p := c.start(test.folder)
		checkStatus(t, p, 1)
		if !strings.Contains(p.Output(), test.want) {
			t.Errorf("%s: no %q in the error", test.folder, test.want)
		}
		c.gone()
	}
}

func writeProgram(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module program\ngo 1.26\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPortTakenBySomethingElse(t *testing.T) {
	c := newCluster(t)
	l, err := net.Listen("tcp", c.addrs[1])
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(c.addrs[1])
	for _, args := range [][]string{nil, {"./03-together"}} {
		p := c.start(args...)
		checkStatus(t, p, 1)
		if !strings.Contains(p.Output(), "port "+port) {
			t.Errorf("%v: the error doesn't name port %s", args, port)
		}
	}
}

func TestClusterAlreadyThere(t *testing.T) {
	t.Parallel()
	other, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	c := clusterOn(t, other.Addrs())

	alone := c.start()
	checkStatus(t, alone, 1)
	if !strings.Contains(alone.Output(), portcheck.ErrAlreadyThere.Error()) {
		t.Error("the error doesn't say that a cluster is there")
	}
	with := c.start("./03-together")
	with.UntilLine("using it")
	with.UntilMore(3, "received: ")
	with.Interrupt()
	checkStatus(t, with, 0)
	if !other.Running(1) || len(testkit.ReadLog(t, other.Addrs(), topic)) == 0 {
		t.Error("the program did not use the cluster that was there")
	}
}

// SIGTERM and a closed terminal end everything in good order; kill -9 leaves
// the program no cluster, and on Linux no life.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such signals; TestWithAProgram covers its Ctrl-C")
	}
	for _, name := range []string{"SIGTERM", "SIGHUP", "SIGKILL"} {
		t.Run(name, func(t *testing.T) {
			if name == "SIGKILL" && runtime.GOOS != "linux" {
				t.Skip("only Linux ends a program whose parent was killed")
			}
			c := newCluster(t)
			p := c.start("./03-together")
			p.UntilMore(3, "received: ")
			if err := exec.Command("kill", "-"+name, strconv.Itoa(p.PID())).Run(); err != nil {
				t.Fatal(err)
			}
			// The output is closed when the last process that has it is gone.
			status := p.Wait()
			c.gone()
			if name == "SIGKILL" {
				return // The program is gone too. It may have been told to end twice, and then it ends at once.
			}
			if status != 0 || !strings.Contains(p.Output(), "stopped: ") {
				t.Errorf("exit status %d, and no orderly end", status)
			}
		})
	}
}

// go run passes SIGTERM on to nobody. The cluster notices that go run is gone.
func TestGoRunTerminated(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	c := newCluster(t)
	words := strings.Fields(c.goRun())
	command := exec.Command(words[0], append(words[1:], "./03-together")...)
	command.Dir, command.Env = testkit.Root(t), c.env
	p := testkit.StartCommand(t, command)
	p.UntilMore(3, "received: ")
	if err := exec.Command("kill", "-TERM", strconv.Itoa(p.PID())).Run(); err != nil {
		t.Fatal(err)
	}
	p.UntilLine("stopped: ")
	for deadline := time.Now().Add(time.Minute); c.listens(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the cluster outlives go run")
		}
	}
}

func TestDataFolder(t *testing.T) {
	c := newCluster(t)
	data := t.TempDir()
	p := c.start("-data", data, "./03-together")
	p.UntilMore(10, "received: ")
	p.Interrupt()
	checkStatus(t, p, 0)
	first := testkit.Received(p.Lines())

	p = c.start("-data", data, "./03-together")
	p.UntilMore(10, "received: ")
	p.Interrupt()
	checkStatus(t, p, 0)
	if n := testkit.Repeated(first, testkit.Received(p.Lines())); n != 0 {
		t.Errorf("%d records came again: the commits were lost", n)
	}
	for _, w := range testkit.Written(p.Lines()) {
		for _, f := range first {
			if w.Place() == f.Place() {
				t.Fatalf("offset %d of partition %d was written twice: the records were lost", w.Offset, w.Partition)
			}
		}
	}
}
