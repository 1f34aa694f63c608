package terminal

import "os"

// Windows has no jobs that share a terminal: whoever reads gets what is typed.

// InBackground is always false.
func InBackground(*os.File) bool { return false }

// Gone is always true: it is asked after an error, and no error is temporary.
func Gone(*os.File) bool { return true }

// KeepRunning has nothing to do.
func KeepRunning() {}

// NotifyContinued has nothing to do: no process is stopped here.
func NotifyContinued(chan<- os.Signal) {}
