package embedded

import (
	"net"
	"sync"
	"sync/atomic"
)

// A traffic watches what clients send, so that the cluster measures its records
// when there may be more of them, and does nothing while nobody writes. Clients
// that send faster than records can be removed wait. It also holds answers back
// once the cluster has failed.
type traffic struct {
	every  int64         // bytes after which enough is signalled
	enough chan struct{} // there is reason to measure

	received atomic.Int64 // and not measured yet
	failed   atomic.Bool

	mu       sync.Mutex
	measured *sync.Cond
	closed   bool
}

// ahead is how many times the bytes between two measurings clients may send
// before they wait for a measuring.
const ahead = 4

func newTraffic(every int64) *traffic {
	t := &traffic{every: every, enough: make(chan struct{}, 1)}
	t.measured = sync.NewCond(&t.mu)
	return t
}

// measure calls a function if clients have sent anything since the last time,
// and lets those go on that wait for it.
func (t *traffic) measure(function func() error) error {
	n := t.received.Load()
	if n == 0 {
		return nil
	}
	err := function()
	t.received.Add(-n)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.measured.Broadcast()
	return err
}

// close lets everybody go on for good.
func (t *traffic) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.measured.Broadcast()
}

// note counts n bytes that a client has sent.
func (t *traffic) note(n int) {
	received := t.received.Add(int64(n))
	if received < t.every {
		return
	}
	select {
	case t.enough <- struct{}{}:
	default: // It is signalled already.
	}
	if received < ahead*t.every {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.received.Load() >= ahead*t.every && !t.closed {
		t.measured.Wait()
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
