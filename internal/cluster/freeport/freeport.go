// Package freeport finds free ports for brokers that may stop and come back.
package freeport

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// The ports lie below those that systems give to outgoing connections. A client
// that tries to reach a dead broker would sooner or later be given the broker's
// own port for its side of the connection: then it talks to itself, and the
// broker can't come back. For the same reason no other process may be given the
// port of a dead broker: each process has a window of ports to itself.
const (
	lowest  = 20000
	windows = 40
	size    = 300 // ports a window; the first one is never given away
)

var (
	mu    sync.Mutex
	claim net.Listener // on the first port of this process's window, as long as it lives
	first int          // that port
	last  int          // the port that was given away last
	given = make(map[int]bool)
)

// Listen listens on a free port of 127.0.0.1. It gives no port twice, also when
// nobody listens there any more, until Release takes the port back.
func Listen() (net.Listener, error) {
	mu.Lock()
	defer mu.Unlock()
	if err := claimWindow(); err != nil {
		return nil, err
	}
	for range size - 1 {
		if last++; last == first+size {
			last = first + 1
		}
		if given[last] {
			continue
		}
		// The port may be taken by a program that knows nothing of windows.
		if l, err := listen(last); err == nil {
			given[last] = true
			return l, nil
		}
	}
	return nil, fmt.Errorf("looking for a free port: all from %d to %d are taken; release some",
		first+1, first+size-1)
}

// Release takes back ports that Listen has given. A port that it hasn't given is passed over.
func Release(ports ...int) {
	mu.Lock()
	defer mu.Unlock()
	for _, port := range ports {
		delete(given, port)
	}
}

// Port returns the port on which a listener of Listen's listens.
func Port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// claimWindow makes the first window that no other process has this process's own.
// It is free again as soon as this process has ended, however it ends.
func claimWindow() error {
	if claim != nil {
		return nil
	}
	var errs []error
	for i := range windows {
		port := lowest + i*size
		l, err := listen(port)
		if err == nil {
			claim, first, last = l, port, port
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("looking for free ports: %d processes have all of them: %w", windows, errors.Join(errs...))
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}
