//go:build unix && !linux

package launch

import "syscall"

// childAttributes gives the program a process group of its own, see job.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
