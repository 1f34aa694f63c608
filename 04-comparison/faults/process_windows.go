package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

func ownGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// interrupt ends the process: Windows has no Ctrl-C for another process group.
func interrupt(p *os.Process) error { return p.Kill() }

var errNoPause = errors.New("Windows can't pause a process")

func (p *process) pause() error  { return errNoPause }
func (p *process) resume() error { return errNoPause }
