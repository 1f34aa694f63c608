//go:build unix

package process

import (
	"os"
	"syscall"
)

// OwnGroup gives a program a process group of its own: a Ctrl-C in the terminal isn't
// for it.
func OwnGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// Interrupt does what Ctrl-C does, to one program alone.
func Interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }

// InterruptGroup does what Ctrl-C in a terminal does: the program and those that it
// started are interrupted.
func InterruptGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGINT) }

// KillGroup kills a program and those that it started.
func KillGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }

// askToEnd lets a paused program go on, too, so that it can do what it is asked.
func askToEnd(p *os.Process) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return resume(p)
}

func pause(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

func resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
