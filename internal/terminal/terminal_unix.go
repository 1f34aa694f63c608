//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// A shell puts each of its jobs into a process group of its own, and one group
// of a terminal is in the foreground: that group reads what is typed and gets
// Ctrl-C and Ctrl-Z. A process of another group that reads is stopped by SIGTTIN.

// Foreground returns the process group that is in the foreground of a terminal.
// It fails for a terminal that isn't the one this process was started in, and
// for one that is gone.
func Foreground(file *os.File) (group int, err error) {
	return unix.IoctlGetInt(int(file.Fd()), unix.TIOCGPGRP)
}

// SetForeground puts a process group into the foreground. A process that is in
// the background has to ignore SIGTTOU for it.
func SetForeground(file *os.File, group int) error {
	return unix.IoctlSetPointerInt(int(file.Fd()), unix.TIOCSPGRP, group)
}

// InBackground tells whether another job than this process's has the terminal.
func InBackground(file *os.File) bool {
	group, err := Foreground(file)
	return err == nil && group != unix.Getpgrp()
}

// Gone tells whether a terminal can't be read any more, since its window was
// closed.
func Gone(file *os.File) bool {
	_, err := Foreground(file)
	return err != nil
}

// KeepRunning keeps this process from being stopped when it reads or writes the
// terminal from the background: to read is an error then, and what is written
// appears. Programs that are started afterwards inherit it.
func KeepRunning() { signal.Ignore(syscall.SIGTTIN, syscall.SIGTTOU) }

// NotifyContinued reports on c when this process goes on after it was stopped,
// by Ctrl-Z for example.
func NotifyContinued(c chan<- os.Signal) { signal.Notify(c, syscall.SIGCONT) }
