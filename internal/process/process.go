// Package process starts programs that end with this one, and does to them what happens
// to programs: they are asked to end, interrupted, killed, paused and continued.
//
// A program that Start starts has a process group of its own, so that a Ctrl-C in the
// terminal is for this program alone, which then ends the others in its own order. On
// Linux the kernel also kills it when this program is killed.
package process

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// A Starter is one thread of the operating system on which programs are started. On
// Linux a program that is to die with its parent dies with the thread that started it,
// and the threads of a Go program come and go.
type Starter struct {
	work  chan func()
	ended chan struct{}
}

// NewStarter returns a Starter, which has to be closed.
func NewStarter() *Starter {
	s := &Starter{work: make(chan func()), ended: make(chan struct{})}
	go s.run()
	return s
}

// run never unlocks its thread, which therefore ends when run returns.
func (s *Starter) run() {
	runtime.LockOSThread()
	for {
		select {
		case work := <-s.work:
			work()
		case <-s.ended:
			return
		}
	}
}

// Start starts a program that dies with this one, where the system can do that.
func (s *Starter) Start(command *exec.Cmd) (*Process, error) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = OwnGroup()
	}
	tieToParent(command.SysProcAttr)
	started := make(chan error, 1)
	select {
	case s.work <- func() { started <- command.Start() }:
	case <-s.ended:
		return nil, errors.New("no program is started any more")
	}
	if err := <-started; err != nil {
		return nil, err
	}
	p := &Process{command: command, ended: make(chan struct{})}
	go func() {
		p.err = command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Close ends the thread, and on Linux every program that was started on it and still runs.
func (s *Starter) Close() { close(s.ended) }

// always is the Starter of Start. It is never closed.
var always = sync.OnceValue(NewStarter)

// Start starts a program that dies with this one, where the system can do that.
func Start(command *exec.Cmd) (*Process, error) { return always().Start(command) }

// Run is Start, and waits for the end of the program.
func Run(command *exec.Cmd) error {
	p, err := Start(command)
	if err != nil {
		return err
	}
	return p.Wait()
}

// A Process is a program that was started. A nil Process isn't alive.
type Process struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has ended
	err     error         // how it ended; to be read after that
}

// PID returns the process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Args returns the command line.
func (p *Process) Args() []string { return p.command.Args }

// Ended returns a channel that is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Alive says whether there is a program and it hasn't ended.
func (p *Process) Alive() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Wait returns when the program has ended, with an error if it failed.
func (p *Process) Wait() error {
	<-p.ended
	return p.err
}

// EndsWithin waits for the end of the program, and says whether it came in time.
func (p *Process) EndsWithin(d time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// Kill ends the program at once, as kill -9 does, also a paused one, and returns when
// it is gone.
func (p *Process) Kill() error {
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return nil
}

// Interrupt does what Ctrl-C does.
func (p *Process) Interrupt() error { return Interrupt(p.command.Process) }

// Pause halts the program. Its connections stay open, as those of a frozen machine do.
func (p *Process) Pause() error { return pause(p.command.Process) }

// Resume lets a paused program go on.
func (p *Process) Resume() error { return resume(p.command.Process) }

// Terminate asks the program to end and returns when it is gone. When it takes longer
// than the grace period, it is killed.
func (p *Process) Terminate(grace time.Duration) error {
	if err := askToEnd(p.command.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	if p.EndsWithin(grace) {
		return nil
	}
	return p.Kill()
}
