// Package portcheck sees who has the ports of a cluster before the cluster takes
// them. An error from the operating system would not say whether that is Kafka,
// and on some systems there is none when another process listens on all addresses.
package portcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The two addresses that localhost can mean. A cluster has the first.
const (
	ipv4 = "127.0.0.1"
	ipv6 = "::1"
)

// ErrAlreadyThere says that a Kafka cluster has the ports.
var ErrAlreadyThere = errors.New("a Kafka cluster is already there")

// Claim reserves the ports for a cluster of this process, which gives them back
// with release. If they aren't free, the error says who has them, and what to do.
func Claim(ctx context.Context, ports []int) (release func(), err error) {
	return claim(ctx, ports, startTime)
}

func claim(ctx context.Context, ports []int, patience time.Duration) (release func(), err error) {
	for waiting := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if err := look(ctx, ports); err != nil {
			return nil, err
		}
		release, err = reserve(ports)
		if !errors.Is(err, errReserved) {
			return release, err
		}
		// The other cluster may just be starting: then it soon answers.
		if time.Since(waiting) > patience {
			return nil, fmt.Errorf("a cluster on %s is still there, whose brokers are all stopped: "+
				"type start 1 in its terminal, or exit (%s shows its process)",
				Addresses(ports), findOwner("udp", ports[0]))
		}
	}
}

// startTime is how long a cluster may take from its claim to its first answer.
const startTime = 2 * time.Second

// errReserved says that another process has claimed the ports.
var errReserved = errors.New("the ports are reserved")

// reserve marks the ports as those of a cluster, so that nobody takes them for
// free while its brokers are stopped. The mark is a UDP socket of the same
// number, to which nobody sends anything: it goes with the process, and it holds
// for exactly those to whom the ports belong too, unlike a file, which another
// container may see and another user may not.
func reserve(ports []int) (release func(), err error) {
	var marks []net.PacketConn
	release = func() {
		for _, mark := range marks {
			mark.Close()
		}
	}
	for _, port := range ports {
		mark, err := net.ListenPacket("udp4", address(ipv4, port))
		if errors.Is(err, errInUse) {
			release()
			return nil, errReserved
		}
		if err != nil {
			continue // The system doesn't want the number: the cluster works without the mark.
		}
		marks = append(marks, mark)
	}
	return release, nil
}

// reserved tells whether a cluster has claimed the ports.
func reserved(ports []int) bool {
	release, err := reserve(ports)
	if err != nil {
		return true
	}
	release()
	return false
}

// look returns nil if nothing listens on the ports, an error that wraps
// ErrAlreadyThere if a Kafka cluster does, and otherwise one that says what to do.
func look(ctx context.Context, ports []int) error {
	brokers := 0
	for _, port := range ports {
		if !taken(ipv4, port) {
			continue
		}
		cluster, err := askKafka(ctx, ipv4, port)
		switch {
		case timedOut(err) && reserved(ports):
			return fmt.Errorf("a cluster has %s and doesn't answer: it is probably suspended (Ctrl-Z), "+
				"and fg in its terminal wakes it; otherwise end its process (%s shows it)",
				Addresses(ports), findOwner("tcp", port))
		case timedOut(err):
			return Taken(port, "a process has it that doesn't answer "+
				"(a cluster that is suspended by Ctrl-Z goes on with fg in its terminal)")
		case err != nil:
			return Taken(port, "something that isn't a Kafka broker answers there")
		}
		brokers = len(cluster.Brokers)
	}
	if brokers > 0 {
		return fmt.Errorf("%w on %s (brokers: %d)", ErrAlreadyThere, Addresses(ports), brokers)
	}
	return nil
}

// taken tells whether a process listens on a port. One that accepts no more
// connections does too.
func taken(host string, port int) bool {
	conn, err := net.DialTimeout("tcp", address(host, port), time.Second)
	if err != nil {
		return timedOut(err)
	}
	conn.Close()
	return true
}

// askKafka asks a broker about its cluster.
func askKafka(ctx context.Context, host string, port int) (kadm.Metadata, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(address(host, port)),
		kgo.DialTimeout(answerTime),
		// The client first asks on its own account, and heeds no context then.
		kgo.RequestTimeoutOverhead(answerTime),
		kgo.RequestRetries(0),
	)
	if err != nil {
		return kadm.Metadata{}, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	return kadm.NewClient(client).BrokerMetadata(ctx)
}

// answerTime is how long a broker may take to answer.
const answerTime = 3 * time.Second

func timedOut(err error) bool {
	var timeout interface{ Timeout() bool } // context.DeadlineExceeded is one too.
	return errors.As(err, &timeout) && timeout.Timeout()
}

// Taken returns the error for a port that the cluster can't have.
func Taken(port int, why string) error {
	return fmt.Errorf("the cluster needs port %d of this computer, but %s: "+
		"end the program that has the port (%s), "+
		"or change the ports in 00-cluster/main.go and in the chapter's program",
		port, why, findOwner("tcp", port))
}

// Addresses returns "localhost:9093, 9094 and 9095".
func Addresses(ports []int) string {
	return fmt.Sprintf("localhost:%d, %d and %d", ports[0], ports[1], ports[2])
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// findOwner returns the command that shows which process has a port.
func findOwner(network string, port int) string {
	switch runtime.GOOS {
	case "windows":
		return fmt.Sprintf("netstat -ano | findstr :%d", port)
	case "darwin":
		return fmt.Sprintf("lsof -nP -i%s:%d", strings.ToUpper(network), port)
	default:
		return fmt.Sprintf("ss -l%cnp 'sport = :%d'", network[0], port)
	}
}
