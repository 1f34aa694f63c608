//go:build unix

package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"kafka-with-go/internal/terminal"
)

// A job is a running program in a process group of its own. A Ctrl-C in the
// terminal then reaches this process only, which passes it on: in one group with
// this process the program would get it from both, and a second Ctrl-C ends it at
// once. For the rest the two have to look like one job of the shell: Ctrl-Z
// stops both, bg and fg go on with both, and the program gets the terminal
// when it reads what is typed.
type job struct {
	program int      // the program's process, and its group
	own     int      // the group of this process
	tty     *os.File // nil without a terminal
	ending  bool     // whether the program was told to end

	suspend   chan os.Signal // Ctrl-Z, while this process has the terminal
	continued chan os.Signal // fg or bg
}

// run starts a program and waits for its end.
func run(command *exec.Cmd, signals <-chan os.Signal) (int, error) {
	command.SysProcAttr = childAttributes()
	// On Linux the program ends with the thread that started it, should this
	// process be killed: so that thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("starting the program: %w", err)
	}

	j := &job{
		program:   command.Process.Pid,
		own:       syscall.Getpgrp(),
		suspend:   make(chan os.Signal, 1),
		continued: make(chan os.Signal, 1),
	}
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		defer tty.Close()
		j.tty = tty
		defer j.takeTerminal()
	}
	// This process moves the terminal about, and prints warnings, from the
	// background too. The program isn't concerned: it was started before.
	signal.Ignore(syscall.SIGTTOU)
	signal.Notify(j.suspend, syscall.SIGTSTP)
	signal.Notify(j.continued, syscall.SIGCONT)

	changes := make(chan syscall.WaitStatus)
	failed := make(chan error, 1)
	go watch(j.program, changes, failed)
	for {
		select {
		case s := <-signals:
			j.passOn(s)
		case <-j.suspend:
			j.signal(syscall.SIGTSTP)
		case <-j.continued:
			j.signal(syscall.SIGCONT)
		case err := <-failed:
			return 1, fmt.Errorf("waiting for the program: %w", err)
		case change := <-changes:
			switch {
			case change.Stopped():
				j.stopped(change.StopSignal())
			case change.Exited():
				return change.ExitStatus(), nil
			case change.Signaled():
				return 1, fmt.Errorf("the program ended by signal: %v", change.Signal())
			}
		}
	}
}

// watch tells whenever a program is stopped, and when it ends.
func watch(pid int, changes chan<- syscall.WaitStatus, failed chan<- error) {
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(pid, &status, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			failed <- err
			return
		}
		changes <- status
		if status.Exited() || status.Signaled() {
			return
		}
	}
}

// passOn sends the program a signal that this process got. A closed window would
// end the program at once; SIGTERM lets it finish. The shell, the system and the
// end of go run all tell of a closed window, and so the program is told once.
func (j *job) passOn(s os.Signal) {
	if s == syscall.SIGHUP {
		if j.ending {
			return
		}
		s = syscall.SIGTERM
	}
	j.ending = true
	j.signal(s.(syscall.Signal))
	j.signal(syscall.SIGCONT) // A program that is stopped couldn't end.
}

// stopped does what the reason for which the program was stopped asks for.
func (j *job) stopped(why syscall.Signal) {
	switch {
	case why == syscall.SIGTTIN || why == syscall.SIGTTOU:
		// The program reads what is typed. If this job has the terminal, the
		// program gets it, and with it Ctrl-C and Ctrl-Z.
		if j.hasTerminal() {
			if err := terminal.SetForeground(j.tty, j.program); err != nil {
				fmt.Fprintln(os.Stderr, "giving the terminal to the program:", err)
			}
			j.signal(syscall.SIGCONT)
			return
		}
		if j.ending {
			// It reads again before it ends, and nobody can type anything.
			j.signal(syscall.SIGKILL)
			return
		}
		j.stop(syscall.SIGTTIN)
	case why == syscall.SIGTSTP && j.tty != nil:
		j.takeTerminal()
		if session, err := unix.Getsid(0); err != nil || session == j.own {
			j.signal(syscall.SIGCONT) // No shell is there that could go on with the job.
			return
		}
		// SIGTSTP itself would do nothing, since it has been asked for.
		j.stop(syscall.SIGSTOP)
	default:
		// Somebody froze the program alone, with kill -STOP, and wants to see
		// what the cluster does about it.
		j.takeTerminal()
	}
}

// stop stops this process and whatever else belongs to its job, such as go run,
// so that the shell sees a stopped job.
func (j *job) stop(s syscall.Signal) {
	if err := syscall.Kill(0, s); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the job:", err)
	}
}

// hasTerminal tells whether this process or the program is in the foreground.
func (j *job) hasTerminal() bool {
	if j.tty == nil {
		return false
	}
	group, err := terminal.Foreground(j.tty)
	return err == nil && (group == j.own || group == j.program)
}

// takeTerminal takes the terminal back from the program, if it has it.
func (j *job) takeTerminal() {
	if j.tty == nil {
		return
	}
	group, err := terminal.Foreground(j.tty)
	if err != nil || group != j.program {
		return
	}
	if err := terminal.SetForeground(j.tty, j.own); err != nil {
		fmt.Fprintln(os.Stderr, "taking the terminal back from the program:", err)
	}
}

// signal sends a signal to the program, and to those that it may have started.
func (j *job) signal(s syscall.Signal) {
	err := syscall.Kill(-j.program, s)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EPERM) {
		return // The program has just ended: Linux says the one, macOS the other.
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "passing %v on to the program: %v\n", s, err)
	}
}

// interrupt ends a command as Ctrl-C does.
func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }
