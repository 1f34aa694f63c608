package embedded

import (
	"net"
	"sync/atomic"
)

// A traffic watches what clients send, so that the cluster measures its records
// when there may be more of them, and does nothing while nobody writes. It also
// holds answers back once the cluster has failed.
type traffic struct {
	every  int64         // bytes after which enough is signalled
	enough chan struct{} // there is reason to measure

	received atomic.Int64 // since the last measuring
	failed   atomic.Bool
}

func newTraffic(every int64) *traffic {
	return &traffic{every: every, enough: make(chan struct{}, 1)}
}

// any tells whether clients have sent anything since the last call.
func (t *traffic) any() bool { return t.received.Swap(0) > 0 }

// note counts n bytes that a client has sent.
func (t *traffic) note(n int) {
	if t.received.Add(int64(n)) < t.every {
		return
	}
	select {
	case t.enough <- struct{}{}:
	default: // It is signalled already.
	}
}

// listen opens a socket whose connections are watched.
func (t *traffic) listen(open func() (net.Listener, error)) (net.Listener, error) {
	l, err := open()
	if err != nil {
		return nil, err
	}
	return &watchedListener{l, t}, nil
}

type watchedListener struct {
	net.Listener
	traffic *traffic
}

func (l *watchedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{c, l.traffic}, nil
}

type watchedConn struct {
	net.Conn
	traffic *traffic
}

func (c *watchedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.traffic.note(n)
	return n, err
}

// Write sends an answer, unless the cluster has failed: then the answer may
// acknowledge what could not be kept.
func (c *watchedConn) Write(b []byte) (int, error) {
	if c.traffic.failed.Load() {
		c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}
