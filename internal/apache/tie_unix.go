//go:build unix && !linux

package apache

import (
	"os/exec"
	"syscall"
)

// tieToParent keeps a Ctrl-C in the terminal from the process: the program that
// started it ends it. Only Linux can also end it when that program is killed.
func tieToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
