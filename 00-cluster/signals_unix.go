//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// passOn sends the program a signal that this process got. A closed terminal
// (SIGHUP) would end the program at once; SIGTERM lets it finish.
func passOn(p *os.Process, s os.Signal) {
	if s == syscall.SIGHUP {
		s = syscall.SIGTERM
	}
	if err := p.Signal(s); err != nil && err != os.ErrProcessDone {
		fmt.Fprintf(os.Stderr, "passing %v on to the program: %v\n", s, err)
	}
}
