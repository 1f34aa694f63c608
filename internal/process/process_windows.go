package process

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/windows"
)

// OwnGroup gives a program a process group of its own, which makes it possible to
// interrupt that program and no other.
func OwnGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// Interrupt sends Ctrl-Break, which Windows delivers to a process group and Go's
// runtime reports as os.Interrupt, as it does Ctrl-C.
func Interrupt(p *os.Process) error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.Pid))
}

// InterruptGroup is the same: Windows knows only groups.
func InterruptGroup(p *os.Process) error { return Interrupt(p) }

// KillGroup kills a program and those that it started.
func KillGroup(p *os.Process) error {
	if err := exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(p.Pid)).Run(); err != nil {
		return p.Kill()
	}
	return nil
}

// tieToParent does nothing: Windows has no simple way to end a program with its parent.
func tieToParent(*syscall.SysProcAttr) {}

// askToEnd kills: Windows can't ask a program without a window to end.
func askToEnd(p *os.Process) error { return p.Kill() }

var errNoPause = errors.New("a process can't be paused on Windows; run this on Linux or macOS")

func pause(*os.Process) error { return errNoPause }

func resume(*os.Process) error { return errNoPause }
