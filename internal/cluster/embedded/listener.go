package embedded

import (
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"kafka-with-go/internal/cluster/freeport"
)

// A listener is a broker's socket. Unlike the standard library's it can be cut:
// then its connections end too, as they do when a process dies.
type listener struct {
	net.Listener
	cluster *Cluster
	port    int

	mu    sync.Mutex
	conns map[*conn]struct{}
	dead  bool
}

// listen opens a broker's socket. kfake calls it with the address of a broker
// that it adds; it holds no lock of the cluster then.
func (c *Cluster) listen(network, address string) (net.Listener, error) {
	listen := func() (net.Listener, error) { return net.Listen(network, address) }
	free := strings.HasSuffix(address, ":0")
	if free {
		listen = freeport.Listen
	}
	inner, err := c.traffic.listen(listen)
	if err != nil {
		return nil, err
	}
	port := freeport.Port(inner)
	if free {
		c.freePorts = append(c.freePorts, port)
	}
	l := &listener{Listener: inner, cluster: c, port: port, conns: make(map[*conn]struct{})}
	// Only addBroker leads here, and its callers have the lock (or, in Start,
	// are alone with the cluster).
	c.sockets[port] = l
	return l, nil
}

// Accept returns the next client's connection. kfake closes a port for good when
// its Accept fails once, which happens when the process has no file left to open.
// So only a closed socket is an error here: after any other, Accept tries again.
func (l *listener) Accept() (net.Conn, error) {
	pause := 5 * time.Millisecond
	for {
		inner, err := l.Listener.Accept()
		if err == nil {
			return l.add(inner)
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		l.cluster.warn("port %d can't take another connection and keeps trying: %v", l.port, cause(err))
		time.Sleep(pause)
		pause = min(2*pause, 200*time.Millisecond)
	}
}

// cause returns what went wrong, without the addresses that net adds to it.
func cause(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Err
	}
	return err
}

// add makes a connection one of this listener's.
func (l *listener) add(inner net.Conn) (net.Conn, error) {
	c := newConn(inner, l)
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
		c.Close()
	}
}

func (l *listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}
