package testkit

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"kafka-with-go/internal/process"
)

// patience is how long a test waits for something that has to come. It is long
// because it only matters when a test fails.
const patience = 90 * time.Second

// A Process is a program under test.
type Process struct {
	t       testing.TB
	command *exec.Cmd
	stdin   io.WriteCloser

	mu      sync.Mutex
	lines   []Line
	changed chan struct{} // closed and replaced at each line and at the end
	exited  bool
	err     error // from Wait
}

// A Line is what a process printed, and when.
type Line struct {
	Text string
	At   time.Time
}

// Start starts an executable. When the test ends, so does the process; if the
// test failed, what it printed is logged.
func Start(t testing.TB, path string, args ...string) *Process {
	t.Helper()
	return StartCommand(t, exec.Command(path, args...))
}

// StartCommand starts a command, as Start does.
func StartCommand(t testing.TB, command *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, command: command, changed: make(chan struct{})}
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.stdin = stdin
	reader, writer := io.Pipe()
	command.Stdout, command.Stderr = writer, writer // The same writer: os/exec uses one goroutine.
	if command.SysProcAttr == nil {
		command.SysProcAttr = process.OwnGroup()
	}
	command.WaitDelay = patience // A grandchild may keep the output open.
	if err := command.Start(); err != nil {
		t.Fatalf("starting %s: %v", command.Path, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(reader); s.Scan(); {
			p.add(s.Text())
		}
	}()
	go func() {
		err := command.Wait()
		writer.Close()
		<-read
		p.end(err)
	}()
	t.Cleanup(func() {
		if !p.Exited() {
			// go run has started another process. An error means that both are gone.
			process.KillGroup(command.Process) //nolint:errcheck
			p.Wait()
		}
		p.checkErrors()
		if t.Failed() {
			t.Logf("%s printed:\n%s", strings.Join(command.Args, " "), p.Output())
		}
	})
	return p
}

func (p *Process) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, Line{line, time.Now()})
	p.notify()
}

func (p *Process) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exited, p.err = true, err
	p.notify()
}

func (p *Process) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// PID returns the process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Lines returns what was printed so far, on stdout and stderr.
func (p *Process) Lines() []Line {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lines[:len(p.lines):len(p.lines)]
}

// Output returns what was printed so far as one text.
func (p *Process) Output() string {
	var b strings.Builder
	for _, l := range p.Lines() {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

// Exited tells whether the process has ended.
func (p *Process) Exited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited
}

// Until waits until done says so of the lines printed so far. It fails the
// test if the process ends before, or doesn't get there.
func (p *Process) Until(what string, done func([]Line) bool) {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		changed, exited := p.changed, p.exited
		p.mu.Unlock()
		if done(p.Lines()) {
			return
		}
		if exited {
			p.t.Fatalf("the program ended before %s", what)
		}
		select {
		case <-changed:
		case <-time.After(500 * time.Millisecond): // done may look at more than the lines.
		case <-timeout:
			p.t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// UntilLine waits for a line that contains text.
func (p *Process) UntilLine(text string) {
	p.t.Helper()
	p.Until("it printed "+text, func(lines []Line) bool {
		for _, l := range lines {
			if strings.Contains(l.Text, text) {
				return true
			}
		}
		return false
	})
}

// UntilMore waits for n lines with a prefix that come from now on.
func (p *Process) UntilMore(n int, prefix string) {
	p.t.Helper()
	before := len(p.Lines())
	p.Until("it printed more lines with "+prefix, func(lines []Line) bool {
		found := 0
		for _, l := range lines[before:] {
			if strings.HasPrefix(l.Text, prefix) {
				found++
			}
		}
		return found >= n
	})
}

// Type types a line on the program's standard input.
func (p *Process) Type(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		p.t.Fatalf("typing %q: %v", line, err)
	}
}

// Interrupt does what Ctrl-C does, to this process alone.
func (p *Process) Interrupt() {
	p.t.Helper()
	if err := process.Interrupt(p.command.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("interrupting the program: %v", err)
	}
}

// InterruptGroup does what Ctrl-C in a terminal does: the process and those that
// it started are interrupted.
func (p *Process) InterruptGroup() {
	p.t.Helper()
	if err := process.InterruptGroup(p.command.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatalf("interrupting the program: %v", err)
	}
}

// Kill ends the process at once, as kill -9 does.
func (p *Process) Kill() {
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("killing the program: %v", err)
	}
}

// Wait waits for the end of the process, and returns its exit status (-1 if a
// signal ended it).
func (p *Process) Wait() int {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		changed, exited := p.changed, p.exited
		p.mu.Unlock()
		if exited {
			return p.command.ProcessState.ExitCode()
		}
		select {
		case <-changed:
		case <-timeout:
			p.Kill()
			p.t.Fatalf("the program did not end within %v", patience)
		}
	}
}
