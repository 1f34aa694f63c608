// This program runs three Kafka brokers in one process, with nothing to install:
//
//	go run ./00-cluster                  # until Ctrl-C; type help meanwhile
//	go run ./00-cluster ./03-together    # and that program in the same terminal
//	go run ./00-cluster -data DIR        # keeps the records for the next time
//
// The brokers listen on 127.0.0.1:9093, 9094 and 9095, as those of
// docker-compose.yml do. With a program to run, a cluster that is already there
// is used instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kafka-with-go/internal/embedded"
)

const topic = "message-log"

var ports = [embedded.Brokers]int{9093, 9094, 9095}

func main() {
	data := flag.String("data", "", "keep records and committed offsets in this `folder`, for the next start")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./00-cluster [-data folder] [program [arguments]]")
		flag.PrintDefaults()
	}
	flag.Parse()

	// The first signal begins an orderly end. While a program runs, every signal
	// is passed on to it.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go watchParent(signals)

	status, err := run(*data, flag.Args(), signals)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(status)
}

// run starts the cluster, and what is to run on it. It returns the exit status
// of the program, which is 0 without one.
func run(data string, args []string, signals <-chan os.Signal) (int, error) {
	if len(args) == 0 {
		cluster, err := startCluster(data)
		if errors.Is(err, errAlreadyThere) {
			return 0, fmt.Errorf("%w: the programs of the chapters can use it as it is", err)
		}
		if err != nil {
			return 0, err
		}
		defer cluster.Close()
		fmt.Print(welcome(data))
		serveConsole(cluster, os.Stdin, os.Stdout, signals)
		return 0, nil
	}

	// The program is built first: if it doesn't compile, nothing was started.
	program, err := build(args[0])
	if err != nil {
		return 0, err
	}
	defer program.remove()
	cluster, err := startCluster(data)
	switch {
	case errors.Is(err, errAlreadyThere):
		fmt.Fprintf(os.Stderr, "%v: using it.\n", err)
	case err != nil:
		return 0, err
	default:
		defer cluster.Close()
		fmt.Fprintf(os.Stderr, "Three Kafka brokers are up on %s. Ctrl-C ends %s and them.\n", addresses(), args[0])
	}
	return program.run(args[1:], signals)
}

// errAlreadyThere says that the ports are taken by a Kafka cluster.
var errAlreadyThere = errors.New("a Kafka cluster is already there")

// startCluster starts the cluster, unless something has its ports.
func startCluster(data string) (*embedded.Cluster, error) {
	if err := probe(context.Background()); err != nil {
		return nil, err
	}
	cluster, err := embedded.Start(embedded.Options{Ports: ports, DataDir: data, Topic: topic})
	var port *embedded.PortError
	if errors.As(err, &port) {
		return nil, portTaken(port.Port, port.Err.Error())
	}
	return cluster, err
}

// addresses returns "localhost:9093, 9094 and 9095".
func addresses() string {
	return fmt.Sprintf("localhost:%d, %d and %d", ports[0], ports[1], ports[2])
}

func welcome(data string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Three Kafka brokers are up on %s, with the topic %s.\n", addresses(), topic)
	if data == "" {
		fmt.Fprintf(&b, "Records are kept in memory, at most %d MiB a partition, and go with this process.\n", embedded.RetentionBytes>>20)
	} else {
		fmt.Fprintf(&b, "Records and committed offsets are kept in %s.\n", data)
	}
	fmt.Fprintf(&b, `
Next, in a second terminal:  go run ./01-producer
and in a third:              go run ./02-consumer
Here you can type:           status, stop 2, start 2, help
Ctrl-C ends the cluster.
`)
	return b.String()
}
