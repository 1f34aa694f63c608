package launch

import "syscall"

// childAttributes gives the program a process group of its own, see job. Should
// this process be killed, Linux sends the program SIGTERM, perhaps once for each
// of this process's threads: then the program ends at once.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
