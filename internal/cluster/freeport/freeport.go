// Package freeport finds free ports for brokers that may stop and come back.
package freeport

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
)

// The ports lie below those that systems give to outgoing connections. A client
// that tries to reach a dead broker would sooner or later be given the broker's
// own port for its side of the connection: then it talks to itself, and the
// broker can't come back. For the same reason no other process may be given the
// port of a dead broker: each process has windows of ports to itself.
const (
	lowest  = 20000
	windows = 200
	size    = 60 // ports a window; the first one is never given away
)

var (
	mu     sync.Mutex
	claims []claim
	given  = make(map[int]bool)
)

// A claim is a window that is this process's own as long as it lives.
type claim struct {
	first net.Listener // on the first port of the window; it ends with the process
	last  int          // the port that was given away last
}

// Listen listens on a free port of 127.0.0.1. It gives no port twice, also when
// nobody listens there any more, until Release takes the port back.
func Listen() (net.Listener, error) {
	mu.Lock()
	defer mu.Unlock()
	for i := range claims {
		if l := claims[i].listen(); l != nil {
			return l, nil
		}
	}
	for { // A window may be full of programs that know nothing of windows.
		if err := claimWindow(); err != nil {
			return nil, err
		}
		if l := claims[len(claims)-1].listen(); l != nil {
			return l, nil
		}
	}
}

// listen listens on a port of the window, or returns nil if it has none left.
func (c *claim) listen() net.Listener {
	first := Port(c.first)
	for range size - 1 {
		if c.last++; c.last == first+size {
			c.last = first + 1
		}
		if given[c.last] {
			continue
		}
		if l, err := listen(c.last); err == nil {
			given[c.last] = true
			return l
		}
	}
	return nil
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

// claimWindow makes a window that no other process has this process's own. Processes
// begin to look in different places: the ports of one that has just ended, which its
// clients may still try to reach, are not those of the next one.
func claimWindow() error {
	var errs []error
	for i := range windows {
		port := lowest + (os.Getpid()+i)%windows*size
		l, err := listen(port)
		if err == nil {
			claims = append(claims, claim{first: l, last: port})
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("looking for free ports: all %d windows from port %d on are taken: %w",
		windows, lowest, errors.Join(errs...))
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
}
