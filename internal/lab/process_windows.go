package lab

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/windows"
)

// ownGroup makes it possible to interrupt one program and not the tests.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// interrupt sends Ctrl-Break, which Windows delivers to a process group and
// Go's runtime reports as os.Interrupt, as it does Ctrl-C.
func interrupt(p *os.Process) error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.Pid))
}

// interruptGroup is the same: Windows knows only groups.
func interruptGroup(p *os.Process) error { return interrupt(p) }

// killGroup kills a process and those that it started. An error means that they are gone.
func killGroup(p *os.Process) {
	if err := exec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(p.Pid)).Run(); err != nil {
		p.Kill()
	}
}
