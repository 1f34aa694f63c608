package main

import "syscall"

// childAttributes puts the program into a process group of its own. A Ctrl-C in
// the terminal then reaches this process only, which passes it on: without
// that, the program would get every Ctrl-C twice, and a second one ends it at once.
// Should this process be killed, Linux sends the program SIGTERM, perhaps once
// for each of this process's threads: then the program ends at once.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
