package launch

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// watchGoRun stands in for a signal that "go run" doesn't pass on: SIGTERM ends
// go run itself and leaves its program behind, with the ports of the cluster.
// When go run is gone, that is as if the terminal were gone.
func watchGoRun(signals chan<- os.Signal) {
	if !startedByGoRun() {
		return
	}
	parent := os.Getppid()
	for range time.Tick(200 * time.Millisecond) {
		if os.Getppid() != parent {
			signals <- syscall.SIGHUP
			return
		}
	}
}

// startedByGoRun tells whether this process is a child of go run, which keeps
// the programs that it builds in go-build folders.
func startedByGoRun() bool {
	path, err := os.Executable()
	if err != nil {
		return false
	}
	for _, folder := range strings.Split(filepath.ToSlash(filepath.Dir(path)), "/") {
		if strings.HasPrefix(folder, "go-build") {
			return true
		}
	}
	return false
}
