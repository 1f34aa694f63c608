package freeport

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// A port that was given away isn't given again while its broker is stopped, however
// many others are asked for; when it is released, it is.
func TestGivenOnce(t *testing.T) {
	stopped := take(t)
	seen := map[int]bool{stopped: true}
	for range 3 * size {
		port := take(t)
		if port == stopped {
			t.Fatalf("port %d was given away a second time while its broker was stopped", port)
		}
		seen[port] = true
		Release(port)
	}
	if len(seen) < size-10 {
		t.Errorf("%d ports were given in turn, want nearly all %d: a port rests before it comes again", len(seen), size-1)
	}
	Release(stopped)
	for range size {
		port := take(t)
		Release(port)
		if port == stopped {
			return
		}
	}
	t.Errorf("port %d was released, and isn't given any more", stopped)
}

// A process that needs more ports than a window has is given another window.
func TestMoreThanAWindow(t *testing.T) {
	seen := make(map[int]bool)
	defer func() {
		for port := range seen {
			Release(port)
		}
	}()
	for range 2 * size {
		port := take(t)
		if seen[port] {
			t.Fatalf("port %d was given twice", port)
		}
		seen[port] = true
	}
}

// Processes have no port in common: neither two at the same time, whatever their process
// ids are, nor two of which one starts right after the other has ended.
func TestOtherProcess(t *testing.T) {
	if os.Getenv("FREEPORT_CHILD") != "" {
		fmt.Println("port", take(t))
		return
	}
	defer Release(take(t)) // Now this process has a window.
	before := 0
	for range 5 {
		command := exec.Command(os.Args[0], "-test.run=^TestOtherProcess$", "-test.v")
		command.Env = append(os.Environ(), "FREEPORT_CHILD=1")
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		var theirs int
		if _, err := fmt.Sscanf(string(output), "=== RUN   TestOtherProcess\nport %d", &theirs); err != nil {
			t.Fatalf("%v in\n%s", err, output)
		}
		for _, c := range claims {
			if first := Port(c.first); theirs >= first && theirs < first+size {
				t.Errorf("another process was given port %d of this process's window, which begins at %d", theirs, first)
			}
		}
		if theirs == before {
			t.Errorf("port %d was given to one process after the other", theirs)
		}
		before = theirs
	}
}

// take returns a port on which nobody listens any more, as that of a stopped broker.
func take(t *testing.T) int {
	t.Helper()
	l, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return Port(l)
}
