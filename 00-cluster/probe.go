package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// probe looks for something on the ports before the cluster takes them: an
// error from the operating system would not say whether that is Kafka, and on
// some systems there is none when another process listens on all addresses.
// It returns nil if the ports are free, errAlreadyThere if a Kafka cluster has
// them, and otherwise an error that says what to do.
func probe(ctx context.Context) error {
	var taken []int
	for _, port := range ports {
		conn, err := net.DialTimeout("tcp", address(port), time.Second)
		if err == nil {
			conn.Close()
			taken = append(taken, port)
		}
	}
	for _, port := range taken {
		brokers, err := kafkaBrokers(ctx, port)
		if err != nil {
			return portTaken(port, "something that isn't a Kafka broker answers there")
		}
		if port == taken[len(taken)-1] {
			return fmt.Errorf("%w on %s (brokers: %d)", errAlreadyThere, addresses(), brokers)
		}
	}
	return nil
}

// kafkaBrokers asks the broker on a port how many brokers its cluster has.
func kafkaBrokers(ctx context.Context, port int) (int, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(address(port)),
		kgo.DialTimeout(2*time.Second),
		kgo.RequestRetries(0),
	)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	brokers, err := kadm.NewClient(client).ListBrokers(ctx)
	return len(brokers), err
}

func portTaken(port int, why string) error {
	return fmt.Errorf("the cluster needs port %d of this computer, but %s: end the program that has the port (%s), or change the ports in 00-cluster/main.go and in the chapter's program", port, why, findOwner(port))
}

func address(port int) string { return net.JoinHostPort("localhost", strconv.Itoa(port)) }
