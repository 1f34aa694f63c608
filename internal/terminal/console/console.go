// Package console carries out what a person types while the cluster runs.
package console

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"kafka-with-go/internal/terminal"
)

// A Console is the terminal of a running cluster. With something else than a
// terminal as its input it works the same, without a prompt.
type Console struct {
	in          *os.File
	out, errs   io.Writer
	interactive bool // whether the input is a terminal

	away atomic.Bool // whether the reader waits for the terminal to come back

	mu       sync.Mutex // guards the screen
	prompted bool       // whether the screen's last line is a prompt
}

// New returns a console that reads commands from in, answers them on out, and
// prints warnings on errs.
func New(in *os.File, out, errs io.Writer) *Console {
	return &Console{in: in, out: out, errs: errs, interactive: terminal.Is(in)}
}

// Warn prints a warning on a line of its own, also while somebody types.
func (c *Console) Warn(sentence string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	prompted := c.prompted && !terminal.InBackground(c.in)
	if prompted {
		fmt.Fprintln(c.out)
	}
	fmt.Fprintln(c.errs, "warning:", sentence)
	if prompted {
		// What was typed so far stays valid: it stands above the warning.
		fmt.Fprint(c.out, prompt)
	}
}

const prompt = "> "

// Serve carries out what is typed, until a signal comes or somebody types exit.
// The end of the input (Ctrl-D, or no terminal at all) ends only the typing, and
// a cluster in the background goes on without it until it is brought back.
func (c *Console) Serve(cluster Cluster, status Status, signals <-chan os.Signal) {
	continued := make(chan os.Signal, 1)
	if c.interactive {
		terminal.KeepRunning()
		terminal.NotifyContinued(continued)
		if terminal.InBackground(c.in) {
			c.print("It runs in the background. Type fg to bring it back, and then commands.\n")
		}
	}
	inputs := make(chan input)
	go c.read(inputs)
	c.prompt()
	for {
		select {
		case <-signals:
			c.leavePrompt()
			return
		case <-continued:
			// The shell has written below the prompt. The reader, if it is away,
			// sees for itself that the terminal is back.
			if !c.away.Load() {
				c.prompt()
			}
		case in := <-inputs:
			c.typed()
			if in.exit() {
				return
			}
			if !c.answer(cluster, status, in, signals) {
				return
			}
			if !in.end {
				c.prompt()
			}
		}
	}
}

// answer carries out what was typed. It returns false if a signal came meanwhile.
func (c *Console) answer(cluster Cluster, status Status, in input, signals <-chan os.Signal) bool {
	done := make(chan error, 1)
	go func() {
		switch {
		case in.end && c.interactive:
			c.print("\nTyping has ended, and the cluster goes on. Ctrl-C ends it.\n")
			done <- nil
		case in.end, in.back:
			done <- nil
		case in.tooLong:
			done <- errors.New("that line is too long for a command: type help for the list")
		default:
			done <- carryOut(cluster, status, in.line, c.out)
		}
	}()
	select {
	case err := <-done:
		if err != nil {
			c.print(fmt.Sprintln("error:", err))
		}
		return true
	case <-signals:
		return false
	}
}

// An input is what the reader tells: a line, or one of the other three.
type input struct {
	line    string
	tooLong bool // the line was no command
	back    bool // the terminal is back after a time in the background
	end     bool // nothing more can be typed
}

// read reads lines until the end of the input.
func (c *Console) read(inputs chan<- input) {
	reader := bufio.NewReader(c.in)
	for {
		line, tooLong, err := readLine(reader)
		switch {
		case line != "" || tooLong || err == nil:
			in := input{line: line, tooLong: tooLong}
			inputs <- in
			if in.exit() {
				return // What is typed from now on is for the shell.
			}
		case c.interactive && err != io.EOF && !terminal.Gone(c.in):
			// The system refuses to let a job in the background read.
			c.away.Store(true)
			for time.Sleep(lookInterval); terminal.InBackground(c.in); time.Sleep(lookInterval) {
			}
			c.away.Store(false)
			inputs <- input{back: true}
		default:
			inputs <- input{end: true}
			return
		}
	}
}

// lookInterval is how often a console in the background looks whether it has
// the terminal again. No signal tells it: a shell that brings back a job that
// runs sends none.
const lookInterval = 200 * time.Millisecond

// readLine reads a line without its end. A line that doesn't fit into the
// reader's memory is read to its end and dropped.
func readLine(reader *bufio.Reader) (line string, tooLong bool, err error) {
	start, more, err := reader.ReadLine()
	line = string(start)
	for more && err == nil {
		tooLong = true
		_, more, err = reader.ReadLine()
	}
	if tooLong {
		return "", true, err
	}
	return line, false, err
}

// prompt asks for the next command, if somebody can type one.
func (c *Console) prompt() {
	if !c.interactive || terminal.InBackground(c.in) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprint(c.out, prompt)
	c.prompted = true
}

// typed notes that the prompt's line is complete.
func (c *Console) typed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prompted = false
}

// leavePrompt ends the line on which a terminal shows ^C.
func (c *Console) leavePrompt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interactive && !terminal.InBackground(c.in) {
		fmt.Fprintln(c.out)
	}
	c.prompted = false
}

func (c *Console) print(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprint(c.out, text)
}
