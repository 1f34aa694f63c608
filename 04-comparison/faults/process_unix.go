//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

func ownGroup(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }

// pause halts the process; its connections stay open, as those of a frozen machine do.
func (p *process) pause() error { return p.command.Process.Signal(syscall.SIGSTOP) }

func (p *process) resume() error { return p.command.Process.Signal(syscall.SIGCONT) }
