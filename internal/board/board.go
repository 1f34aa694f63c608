// Package board serves one page that shows a Kafka cluster live: which
// partition a record went to, who owns which partition, how far a group has
// come, and what happens when a broker or a member goes away.
//
// The board is a Kafka client like any other. It reads partitions directly,
// joins no group, commits nothing, and changes nothing that nobody clicked. So
// it works on the embedded cluster and on Apache Kafka alike. It watches brokers
// and groups from its start, so that a page that is opened later tells what was;
// while no page is open it asks every two seconds, and reads no records.
package board

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// portsTried is how many ports the board tries, one after the other.
const portsTried = 20

// Brokers are the brokers of a cluster in this process, which the board can
// stop and start.
type Brokers interface {
	Running(id int) bool
	StopBroker(id int) error
	StartBroker(id int) error
}

// Options says what a board shows, and where.
type Options struct {
	Addrs []string // the addresses of brokers of the cluster
	Topic string   // the topic that is shown first

	// Port is where the page is served; if it is taken, the next free one is.
	// 0 asks the system for a free port.
	Port int

	// Brokers is nil if the cluster runs elsewhere. Then the page shows the
	// command that stops a broker instead of a button.
	Brokers Brokers

	// Programs says by group which command starts one more member of it.
	Programs map[string]string

	client []kgo.Opt // of a test, which counts what the board asks
}

// A Board is a page that is being served.
type Board struct {
	collector *collector
	control   *control
	listener  net.Listener
	server    *http.Server
	token     string // a control asks for it, see server.go
	done      chan struct{}
}

// Start serves a board until Close. It doesn't wait for the cluster: the page
// says whether that answers.
func Start(o Options) (*Board, error) {
	listener, err := listen(o.Port)
	if err != nil {
		return nil, err
	}
	collector, err := newCollector(o)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	b := &Board{
		collector: collector,
		control:   &control{collector: collector, brokers: o.Brokers, addrs: o.Addrs},
		listener:  listener,
		token:     rand.Text(),
		done:      make(chan struct{}),
	}
	b.server = &http.Server{
		Handler:           b.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		// What is wrong with a browser's connection is nothing for the terminal of the cluster.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(b.done)
		// Serve returns when Close closes the listener: there is nothing to report.
		_ = b.server.Serve(listener)
	}()
	return b, nil
}

// URL returns the address of the page.
func (b *Board) URL() string { return "http://" + b.listener.Addr().String() }

// Close stops serving, and ends everything that the board asks the cluster.
func (b *Board) Close() {
	b.collector.close() // The pages' sockets end with it.
	// Close ends what is under way; a page finds out by itself.
	_ = b.server.Close()
	<-b.done
	b.control.close()
}

// listen takes a port of 127.0.0.1, so that nobody else on the network can
// reach the page.
func listen(port int) (net.Listener, error) {
	var first error
	for try := port; try < port+portsTried; try++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(try))
		// On some systems a port can be taken that another program already serves on all addresses.
		if port != 0 && answers(address) {
			first = errors.Join(first, fmt.Errorf("something answers on %s already", address))
			continue
		}
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l, nil
		}
		if first == nil {
			first = err
		}
		if port == 0 {
			break
		}
	}
	return nil, fmt.Errorf("the board finds no free port from %d to %d (%w): choose another one with -board", port, port+portsTried-1, first)
}

func answers(address string) bool {
	conn, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
