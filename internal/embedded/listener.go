package embedded

import (
	"net"
	"strings"
	"sync"

	"kafka-with-go/internal/freeport"
)

// A listener is a broker's socket. Unlike the standard library's it can be cut:
// then its connections end too, as they do when a process dies.
type listener struct {
	net.Listener

	mu    sync.Mutex
	conns map[*conn]struct{}
	dead  bool
}

// listen opens a broker's socket. kfake calls it with the address of a broker
// that it adds; it holds no lock of the cluster then.
func (c *Cluster) listen(network, address string) (net.Listener, error) {
	listen := func() (net.Listener, error) { return net.Listen(network, address) }
	if strings.HasSuffix(address, ":0") {
		listen = freeport.Listen
	}
	inner, err := c.traffic.listen(listen)
	if err != nil {
		return nil, err
	}
	l := &listener{Listener: inner, conns: make(map[*conn]struct{})}
	// Only addBroker leads here, and its callers have the lock (or, in Start,
	// are alone with the cluster).
	c.sockets[inner.Addr().(*net.TCPAddr).Port] = l
	return l, nil
}

func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		inner.Close()
		return nil, net.ErrClosed
	}
	l.conns[c] = struct{}{}
	return c, nil
}

// cut closes the socket and every connection that it accepted.
func (l *listener) cut() {
	l.Listener.Close()
	l.mu.Lock()
	conns := l.conns
	l.conns, l.dead = nil, true
	l.mu.Unlock()
	for c := range conns {
		c.Conn.Close()
	}
}

// A conn is a client's connection, which its listener knows until it is closed.
type conn struct {
	net.Conn
	of *listener
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
