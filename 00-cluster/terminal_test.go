//go:build unix

package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// A shell is an interactive shell on a pseudo terminal, as a learner's window is.
type shell struct {
	t       *testing.T
	command *exec.Cmd
	window  *os.File

	mu     sync.Mutex
	screen string
	seen   int // what until has waited for lies before
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

func (c *cluster) shell() *shell {
	c.t.Helper()
	command := exec.Command("sh", "-i")
	command.Dir = testkit.Root(c.t)
	command.Env = append(c.env, "PS1=$ ", "ENV=", "TERM=dumb")
	window, err := pty.Start(command)
	if err != nil {
		c.t.Fatal(err)
	}
	// So that Close ends a Read that waits, and closes the window.
	if err := syscall.SetNonblock(int(window.Fd()), true); err != nil {
		c.t.Fatal(err)
	}
	s := &shell{t: c.t, command: command, window: window}
	go s.show()
	c.t.Cleanup(func() {
		s.close()
		if c.t.Failed() {
			c.t.Logf("the window showed:\n%s", s.text())
		}
	})
	return s
}

// show reads what appears in the window, until it is closed.
func (s *shell) show() {
	buffer := make([]byte, 4096)
	for {
		n, err := s.window.Read(buffer)
		s.mu.Lock()
		s.screen += string(buffer[:n])
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *shell) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen
}

// close closes the window. The shell ends, and tells its jobs.
func (s *shell) close() {
	if s.command.ProcessState != nil {
		return
	}
	if err := s.window.Close(); err != nil {
		s.t.Error("closing the window:", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.command.Wait() // A shell may end with an error after a signal: that is all right.
	}()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		s.t.Error("the shell doesn't end when its window is closed")
		s.command.Process.Kill()
		<-ended
	}
}

// press types keys, and type a line.
func (s *shell) press(keys string) {
	s.t.Helper()
	if _, err := s.window.WriteString(keys); err != nil {
		s.t.Fatalf("typing %q: %v", keys, err)
	}
}

func (s *shell) line(line string) {
	s.t.Helper()
	s.press(line + "\n")
}

// until waits for a text that matches after what was waited for before, and
// returns what its group matched.
func (s *shell) until(pattern string) string {
	s.t.Helper()
	want := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s.mu.Lock()
		at := want.FindStringSubmatchIndex(s.screen[s.seen:])
		if at != nil {
			found := want.FindStringSubmatch(s.screen[s.seen:])
			s.seen += at[1]
			s.mu.Unlock()
			return found[len(found)-1]
		}
		s.mu.Unlock()
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %q", pattern)
		}
	}
}

// answers fails the test unless the cluster answers a client.
func (c *cluster) answers() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	if _, err := kadm.NewClient(testkit.Client(c.t, c.addrs)).BrokerMetadata(ctx); err != nil {
		c.t.Error("the cluster doesn't answer:", err)
	}
}

// untilGone waits until nothing listens on the ports any more.
func (c *cluster) untilGone() {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); c.listens(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatal("the cluster is still there")
		}
	}
}

// A cluster in the background serves. One that is suspended doesn't, and whoever
// starts another is told so.
func TestBackground(t *testing.T) {
	c := newCluster(t)
	s := c.shell()
	s.line(c.path + " &")
	s.until("It runs in the background")
	s.line("")
	c.answers()
	s.line("fg")
	s.until("> ")
	s.line("STATUS")
	s.until("partition 1   led by broker 2")
	s.until("> ")

	s.press(ctrlZ)
	s.until("Stopped")
	second := c.start()
	checkStatus(t, second, 1)
	if !strings.Contains(second.Output(), "suspended (Ctrl-Z)") {
		t.Error("nobody is told that the cluster is suspended")
	}
	s.line("bg")
	c.answers()
	s.line("fg")
	s.until("> ")
	s.line("stop 2")
	s.until("Broker 2 is stopped")

	s.press(ctrlZ)
	s.until("Stopped")
	s.line("fg")
	s.until("> ")
	s.line("start 2")
	s.until("Broker 2 runs again")
	s.press(ctrlC)
	s.until("The cluster has ended")
	c.untilGone()
}

func TestEndOfTyping(t *testing.T) {
	c := newCluster(t)
	s := c.shell()
	s.line(c.path)
	s.until("> ")
	s.press(ctrlD)
	s.until("Typing has ended, and the cluster goes on")
	c.answers()
	s.press(ctrlC)
	s.until("The cluster has ended")
	s.until(`\$ `) // What is typed now is for the shell.

	for _, word := range []string{"exit", "Quit"} {
		s.line(c.path)
		s.until("> ")
		s.line(word)
		s.until("The cluster has ended")
		s.until(`\$ `)
		c.untilGone()
	}

	// Nobody types on /dev/null.
	s.line("echo begin; " + c.path + " </dev/null; echo end")
	s.until("Ctrl-C ends the cluster.")
	c.answers()
	s.press(ctrlC)
	shown := s.until(`(?s)(.*)The cluster has ended`)
	if strings.Contains(shown, "> ") {
		t.Errorf("there is a prompt on /dev/null: %q", shown)
	}
}

// typist prints what is typed, and what it is told.
const typist = `package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	signals := make(chan os.Signal, 9)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		time.Sleep(time.Second) // Another one would come by then.
		fmt.Println("told to end, more often than once:", len(signals) > 0)
		os.Exit(7)
	}()
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Printf("<%s>\n", lines.Text())
	}
	select {}
}
`

// A program that reads what is typed works as it does with go run.
func TestProgramThatReads(t *testing.T) {
	c := newCluster(t)
	program := writeProgram(t, typist)
	for _, start := range []string{c.path, c.goRun()} {
		s := c.shell()
		s.line(start + " " + program)
		s.until("\nready")
		s.line("one")
		s.until("<one>")
		s.press(ctrlZ)
		s.until("Stopped")
		s.line("fg")
		s.line("two")
		s.until("<two>")
		s.press(ctrlC)
		s.until("told to end, more often than once: false")
		s.until(`\$ `) // What is typed now is for the shell.
		s.line("echo status $?")
		if start == c.path {
			s.until("status 7")
		} else {
			s.until("status 1") // go run's own
		}

		// In the background it is stopped when it reads, as any job of the shell.
		s.line(start + " " + program + " &")
		s.until("\nready")
		s.line("")
		s.untilStopped()
		s.line("fg")
		s.line("three")
		s.until("<three>")
		s.press(ctrlD)
		s.press(ctrlC)
		s.until("told to end, more often than once: false")
		c.untilGone()
		s.close()
	}
}

// untilStopped waits until the shell tells of a stopped job, which it does
// before a prompt.
func (s *shell) untilStopped() {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		s.line("")
		s.mu.Lock()
		at := strings.Index(s.screen[s.seen:], "Stopped")
		if at >= 0 {
			s.seen += at
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if time.Now().After(deadline) {
			s.t.Fatal("the shell tells of no stopped job")
		}
	}
}

// A program that doesn't read is stopped with the cluster, and goes on with it.
func TestProgramSuspended(t *testing.T) {
	c := newCluster(t)
	program := writeProgram(t, `package main

import (
	"fmt"
	"time"
)

func main() {
	for range time.Tick(50 * time.Millisecond) {
		fmt.Println("tick")
	}
}
`)
	told := regexp.QuoteMeta(program) // The shell prints the command of a job that goes on.
	for _, start := range []string{c.path, c.goRun()} {
		s := c.shell()
		s.line(start + " " + program)
		s.until("tick")
		s.press(ctrlZ)
		s.until("Stopped")
		before := len(s.text())
		time.Sleep(500 * time.Millisecond)
		if shown := s.text()[before:]; strings.Contains(shown, "tick") {
			t.Errorf("the program goes on while its job is stopped: %q", shown)
		}
		s.line("bg")
		s.until(told)
		s.until("tick")
		c.answers()
		s.line("fg")
		s.until(told)
		s.until("tick")
		s.press(ctrlZ)
		s.until("Stopped")
		s.line("fg")
		s.until(told)
		s.until("tick")
		c.answers()
		s.press(ctrlC)
		s.until("the program ended by signal: interrupt")
		c.untilGone()
		s.close()
	}
}

// The shell's kill tells go run and the cluster, and so does a closed window, some
// of them twice. The program hears it once. (One that reads what is typed has the
// terminal, and hears of its end itself.)
func TestProgramToldOnce(t *testing.T) {
	c := newCluster(t)
	program := writeProgram(t, strings.NewReplacer(
		"fmt.Println(", `os.WriteFile(os.Args[1], fmt.Appendln(nil, `,
		"> 0)\n", "> 0), 0o600)\n",
		`"ready")`, `"ready"), 0o600)`,
	).Replace(typist))
	for _, how := range []string{"kill %1", "closed"} {
		note := filepath.Join(t.TempDir(), "note")
		reads := func(text string) {
			t.Helper()
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
				written, _ := os.ReadFile(note) // It may not be there yet.
				if strings.Contains(string(written), text) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s: the program wrote %q, want %q", how, written, text)
				}
			}
		}
		s := c.shell()
		if how == "closed" {
			s.line(c.goRun() + " " + program + " " + note + " </dev/null")
			reads("ready")
			s.close()
		} else {
			s.line(c.goRun() + " " + program + " " + note + " </dev/null &")
			reads("ready")
			s.line(how)
		}
		reads("more often than once: false")
		c.untilGone()
		s.close()
	}
}

// nohup asks for a cluster that outlives its window.
func TestClosedWindow(t *testing.T) {
	c := newCluster(t)
	s := c.shell()
	s.line(c.path)
	s.until("> ")
	s.close()
	c.untilGone()

	s = c.shell()
	s.line("nohup " + c.path + " </dev/null >/dev/null 2>&1 & echo pid=$!")
	pid, err := strconv.Atoi(s.until(`pid=(\d+)`))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !c.listens(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the cluster doesn't start")
		}
	}
	s.close()
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil { // Not every shell sends it by itself.
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // One that heeds it would be gone by then.
	c.answers()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.untilGone()
}

// Whoever reads what the cluster prints may end before it. (A pipe is broken
// then, and the system would end the process that writes into it.)
func TestOutputThatNobodyReads(t *testing.T) {
	c := newCluster(t)
	command := exec.Command(c.path)
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Process.Kill() }) // If the test fails before its end.
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "Ctrl-C ends the cluster." {
	}
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "status\nstop 1\nstop 2\nstop 3\nstart 2\n"); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for ; len(c.listening()) != 1; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("what is typed isn't carried out: %v listen", c.listening())
		}
	}
	if _, err := io.WriteString(stdin, "exit\n"); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("the cluster ended with %v", err)
	}
}
