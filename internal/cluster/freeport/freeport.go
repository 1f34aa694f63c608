// Package freeport finds free ports for brokers that may stop and come back.
package freeport

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
)

// The ports lie below those that systems give to outgoing connections. A client
// that tries to reach a dead broker would sooner or later be given the broker's
// own port for its side of the connection: then it talks to itself, and the
// broker can't come back. For the same reason each process has a window of its
// own, and goes through it in turn: while a broker is dead, nobody takes its port.
const (
	lowest  = 20000
	windows = 40
	size    = 300 // ports a window
)

var next atomic.Int64

// Listen listens on a free port of 127.0.0.1.
func Listen() (l net.Listener, err error) {
	window := lowest + os.Getpid()%windows*size
	for range size {
		port := window + int(next.Add(1)%size)
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("looking for a free port from %d on: %w", window, err)
}
