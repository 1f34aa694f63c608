//go:build unix

package lab

import (
	"os"
	"syscall"
)

// ownGroup keeps a Ctrl-C in the terminal of the tests from the programs under test.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }
