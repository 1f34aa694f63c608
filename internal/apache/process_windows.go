package apache

import (
	"errors"
	"os/exec"
	"syscall"
)

// tieToParent keeps a Ctrl-C in the terminal from the process: the program that
// started it ends it. Windows has no simple way to end it when that program dies.
func tieToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// askToEnd kills: Windows can't ask a program without a window to end.
func (p *process) askToEnd() error {
	return p.cmd.Process.Kill()
}

func (p *process) pause() error {
	return errors.New("a process can't be paused on Windows; run this on Linux or macOS")
}

func (p *process) resume() error {
	return errors.New("a process can't be resumed on Windows; run this on Linux or macOS")
}
