package process

import "syscall"

// tieToParent lets the kernel kill the program when the thread that starts it ends, so
// that nothing is left running however this program dies.
func tieToParent(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
