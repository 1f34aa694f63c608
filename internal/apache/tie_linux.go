package apache

import (
	"os/exec"
	"syscall"
)

// tieToParent lets the kernel kill the process when the thread that starts it ends,
// so that nothing is left running however this program dies. Its own process group
// keeps a Ctrl-C in the terminal from it: the program that started it ends it.
func tieToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
