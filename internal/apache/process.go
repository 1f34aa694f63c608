package apache

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// thread is one thread of the operating system on which all processes are started.
// On Linux a process that is to die with its parent dies with the thread that
// started it, and the threads of a Go program come and go.
type thread struct {
	work  chan func()
	ended chan struct{}
}

func newThread() *thread {
	t := &thread{work: make(chan func()), ended: make(chan struct{})}
	go t.run()
	return t
}

// run never unlocks its thread, which therefore ends when run returns.
func (t *thread) run() {
	runtime.LockOSThread()
	for {
		select {
		case work := <-t.work:
			work()
		case <-t.ended:
			return
		}
	}
}

// start starts a program that dies with this one, where the system can do that.
func (t *thread) start(cmd *exec.Cmd) (*process, error) {
	tieToParent(cmd)
	started := make(chan error, 1)
	select {
	case t.work <- func() { started <- cmd.Start() }:
	case <-t.ended:
		return nil, errors.New("the cluster is closed")
	}
	if err := <-started; err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// end ends the thread, and on Linux every process that was started on it and still runs.
func (t *thread) end() {
	close(t.ended)
}

// process is a started program.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
	err    error         // how it ended; to be read after that
}

func (p *process) pid() int {
	return p.cmd.Process.Pid
}

// alive says whether there is a process and it hasn't ended.
func (p *process) alive() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// wait returns when the process has ended, with an error when it failed.
func (p *process) wait() error {
	<-p.exited
	return p.err
}

// kill ends the process at once, also a paused one, and returns when it is gone.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.exited
	return nil
}

// terminate asks the process to end and returns when it is gone. When it takes longer
// than the grace period, it is killed.
func (p *process) terminate(grace time.Duration) error {
	if err := p.askToEnd(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-time.After(grace):
		return p.kill()
	}
}
