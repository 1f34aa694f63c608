package main

import (
	"os"
	"syscall"
)

// childAttributes leaves the program in this console, where Windows sends
// Ctrl-C to every process by itself.
func childAttributes() *syscall.SysProcAttr { return nil }

// passOn has nothing to do: the console has told the program too.
func passOn(*os.Process, os.Signal) {}
