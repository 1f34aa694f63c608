package apache

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Links are how a broker is cut off from its peers while clients still reach it.
//
// Each broker knows its peers by the names of the compose file, and has a hosts
// file of its own (the JVM's jdk.net.hosts.file) that leads each name to an address
// of the loopback range which stands for just this direction: what broker 1 sends
// to broker 2 goes to 127.0.11.2. There a link passes the bytes on, or holds them
// while it is cut, as a network does that has lost its packets: nobody is told, and
// what was sent arrives when the network is back.
type links struct {
	mu        sync.Mutex
	changed   *sync.Cond
	cut       map[int]bool // the brokers that are cut off
	closed    bool
	listeners []net.Listener
	conns     map[net.Conn]bool
}

func newLinks() *links {
	l := &links{cut: make(map[int]bool), conns: make(map[net.Conn]bool)}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// linkHost is the address at which broker from meets broker to.
func linkHost(from, to int) string { return fmt.Sprintf("127.0.%d.%d", 10+from, to) }

// open opens the links of a broker to its peers, and writes its hosts file.
func (l *links) open(b *broker, all []*broker) error {
	if runtime.GOOS != "linux" {
		return errors.New("links between brokers need the whole loopback range 127.0.0.0/8, which only Linux has by itself")
	}
	hosts := "127.0.0.1 localhost\n"
	if name, err := os.Hostname(); err == nil {
		hosts += "127.0.0.1 " + name + "\n"
	}
	for _, peer := range all {
		host := "127.0.0.1"
		if peer.id != b.id {
			host = linkHost(b.id, peer.id)
			for _, port := range peer.peerPorts {
				if err := l.listen(b.id, peer.id, port); err != nil {
					return err
				}
			}
		}
		hosts += host + " " + peer.name + "\n"
	}
	b.hosts = filepath.Join(b.dir, "hosts")
	if err := os.WriteFile(b.hosts, []byte(hosts), 0o644); err != nil {
		return fmt.Errorf("writing the hosts file of broker %d: %w", b.id, err)
	}
	return nil
}

// listen passes on what comes for a port of broker to.
func (l *links) listen(from, to int, port string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(linkHost(from, to), port))
	if err != nil {
		return fmt.Errorf("opening the link from broker %d to broker %d: %w", from, to, err)
	}
	l.listeners = append(l.listeners, listener)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(c, from, to, port)
		}
	}()
	return nil
}

func (l *links) serve(near net.Conn, from, to int, port string) {
	if !l.keep(near) {
		return
	}
	defer l.drop(near)
	if !l.pass(from, to) { // A cut network lets nobody connect.
		return
	}
	far, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return // The peer is dead: the connection ends, as one to it would.
	}
	if !l.keep(far) {
		return
	}
	defer l.drop(far)
	var both sync.WaitGroup
	both.Go(func() { l.copy(far, near, from, to) })
	both.Go(func() { l.copy(near, far, from, to) })
	both.Wait()
}

// copy copies until the source ends, which it tells the destination. What comes
// while the link is cut waits, and the end of a connection does, too.
func (l *links) copy(dst, src net.Conn, from, to int) {
	b := make([]byte, 64<<10)
	for {
		n, err := src.Read(b)
		if !l.pass(from, to) {
			return
		}
		if n > 0 {
			if _, err := dst.Write(b[:n]); err != nil {
				src.Close()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			dst.(*net.TCPConn).CloseWrite()
			return
		}
		if err != nil {
			dst.Close()
			return
		}
	}
}

// pass waits while the link is cut. It returns false when there are no links any more.
func (l *links) pass(from, to int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for (l.cut[from] || l.cut[to]) && !l.closed {
		l.changed.Wait()
	}
	return !l.closed
}

func (l *links) set(n int, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut[n] = cut
	l.changed.Broadcast()
}

func (l *links) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

func (l *links) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	c.Close()
}

func (l *links) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.changed.Broadcast()
	for _, listener := range l.listeners {
		listener.Close()
	}
	for c := range l.conns {
		c.Close()
	}
}

// ErrNoLinks says that the cluster was started without Options.Links.
var ErrNoLinks = errors.New("the brokers have no links that could be cut: start the cluster with Links")

// Cut cuts broker n off from the other brokers, while clients still reach it.
func (c *Cluster) Cut(n int) error { return c.link(n, true, "cut off from the others") }

// Heal lets a broker that was cut off talk to the others again.
func (c *Cluster) Heal(n int) error { return c.link(n, false, "with the others again") }

func (c *Cluster) link(n int, cut bool, what string) error {
	if _, err := c.broker(n); err != nil {
		return err
	}
	if c.links == nil {
		return ErrNoLinks
	}
	c.links.set(n, cut)
	c.logf("broker %d is %s", n, what)
	return nil
}

// peerPorts returns the ports of an environment's listeners but the external one.
func peerPorts(environment map[string]string, external string) []string {
	var ports []string
	for _, match := range hostPort.FindAllStringSubmatch(environment["KAFKA_LISTENERS"], -1) {
		if port := match[3]; !strings.HasSuffix(external, ":"+port) {
			ports = append(ports, port)
		}
	}
	return ports
}
