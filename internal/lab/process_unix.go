//go:build unix

package lab

import (
	"os"
	"syscall"
)

// ownGroup keeps a Ctrl-C in the terminal of the tests from the programs under test.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }

func interruptGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGINT) }

// killGroup kills a process and those that it started. An error means that they are gone.
func killGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }
