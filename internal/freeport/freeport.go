// Package freeport finds free ports for brokers that may stop and come back.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Listen listens on a free port of 127.0.0.1 below those that systems give to
// outgoing connections. A client that tries to reach a dead broker would sooner
// or later be given the broker's own port for its side of the connection: then
// it talks to itself, and the broker can't come back.
func Listen() (l net.Listener, err error) {
	const lowest, highest, attempts = 20000, 32000, 100
	for range attempts {
		port := lowest + rand.IntN(highest-lowest)
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("looking for a free port: %w", err)
}
