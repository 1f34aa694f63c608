package embedded

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

// childVariable is set in a process that runs a cluster for a test of this package:
// the test binary itself, so that the test can see what the process takes, and stop it.
const childVariable = "KAFKA_WITH_GO_CLUSTER"

func TestMain(m *testing.M) {
	if what := os.Getenv(childVariable); what != "" {
		run := runChild
		if what == "plain" {
			run = runPlain
		}
		if err := run(); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testkit.Main(m)
}

// runChild runs a cluster until its input ends.
func runChild() error {
	debug.SetMemoryLimit(256 << 20) // as 00-cluster does
	c, err := Start(Options{Topic: topic, Warn: func(s string) { fmt.Fprintln(os.Stderr, "warning:", s) }})
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println(strings.Join(c.Addrs(), " "))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// A child is a process with a cluster.
type child struct {
	t       testing.TB
	command *exec.Cmd
	addrs   []string
	ended   chan struct{} // closed when the process has ended
}

// startChild starts a process with a cluster, which ends with the test.
func startChild(t testing.TB) *child {
	t.Helper()
	c := &child{t: t, command: exec.Command(os.Args[0]), ended: make(chan struct{})}
	c.command.Env = append(os.Environ(), childVariable+"=1")
	c.command.Stderr = os.Stderr
	input, err := c.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 256)
	n, err := output.Read(line)
	if err != nil {
		t.Fatalf("the cluster doesn't start: %v", err)
	}
	c.addrs = strings.Fields(string(line[:n]))
	go func() {
		defer close(c.ended)
		if err := c.command.Wait(); err != nil {
			t.Errorf("the cluster's process ended: %v", err)
		}
	}()
	t.Cleanup(func() {
		input.Close()
		<-c.ended
	})
	return c
}

// peak returns the highest memory that the process had resident so far, in bytes,
// or 0 where the system doesn't tell.
func (c *child) peak() int64 {
	c.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.command.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				c.t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	return 0
}
