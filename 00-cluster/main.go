// This program runs three Kafka brokers in one process, with nothing to install:
//
//	go run ./00-cluster                  # until Ctrl-C; type help meanwhile
//	go run ./00-cluster ./03-together    # and that program in the same terminal
//	go run ./00-cluster -data DIR        # keeps the records for the next time
//	go run ./00-cluster -watch           # only the board, for a cluster that runs already
//
// The brokers listen on 127.0.0.1:9093, 9094 and 9095, as those of docker-compose.yml do.
// If a cluster is on these ports already, a program is run on that one. The board is a page
// in the browser that shows the cluster live.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"

	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/cluster/portcheck"
	"kafka-with-go/internal/terminal/console"
	"kafka-with-go/internal/terminal/launch"
	"kafka-with-go/internal/terminal/status"
)

const topic = "message-log"

const usage = `usage: go run ./00-cluster [-data folder] [-board port] [program [arguments]]
       go run ./00-cluster -watch [-board port] [addresses]
`

var ports = [embedded.Brokers]int{9093, 9094, 9095}

// fail ends this program when the cluster has ended by itself, for the given reason.
var fail func(error)

func main() {
	data := flag.String("data", "",
		"keep records and committed offsets in this `folder`, for the next start")
	port := flag.Int("board", boardPort,
		"serve the board on this `port`, or on the next free one; 0 for any")
	watchOnly := flag.Bool("watch", false,
		"serve only the board, for a cluster that runs already, here or on the given addresses")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if os.Getenv("GOMEMLIMIT") == "" {
		// Near this limit Go frees the memory of removed records in time. Without a limit the
		// process may grow to twice what it uses.
		debug.SetMemoryLimit(embedded.ProcessBytes)
	}

	// Ctrl-C is a signal. The first one begins an orderly end. While a program runs, the
	// signals are passed on to it.
	signals := launch.Signals()

	// A cluster that ends by itself, because its disk is full for example, ends this program
	// as Ctrl-C does.
	failure := make(chan error, 1)
	fail = func(err error) {
		failure <- err
		signals <- os.Interrupt
	}

	var exit int
	var err error
	switch {
	case *watchOnly:
		err = watch(*port, flag.Args(), signals)
	case flag.NArg() == 0:
		err = run(*data, *port, signals)
	default:
		exit, err = runProgram(*data, *port, flag.Arg(0), flag.Args()[1:], signals)
	}
	select {
	case err = <-failure: // It is why the program ends.
	default:
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(exit)
}

// run starts the cluster, and does what is typed until it is ended.
func run(data string, port int, signals <-chan os.Signal) error {
	terminal := console.New(os.Stdin, os.Stdout, os.Stderr)
	cluster, closeCluster, err := startCluster(data, terminal.Warn)
	if errors.Is(err, portcheck.ErrAlreadyThere) {
		return fmt.Errorf("%w: the programs of the chapters can use it as it is", err)
	}
	if err != nil {
		return err
	}
	url, closeBoard := startBoard(port, cluster)
	fmt.Print(welcome(data, url))
	printStatus := func(ctx context.Context, out io.Writer) error {
		return status.Print(ctx, cluster, out)
	}
	terminal.Serve(cluster, printStatus, signals)
	closeBoard()
	closeCluster()
	fmt.Println("The cluster has ended.")
	return nil
}

// runProgram starts the cluster and runs a program on it. It returns the exit
// status of the program.
func runProgram(
	data string, port int, folder string, args []string, signals <-chan os.Signal,
) (int, error) {
	// The program is built first. If it doesn't compile, no cluster is started for it.
	program, err := launch.Build(folder, signals)
	if err != nil {
		return 0, err
	}
	defer program.Remove()
	cluster, closeCluster, err := startCluster(data, warn)
	switch {
	case errors.Is(err, portcheck.ErrAlreadyThere):
		fmt.Fprintf(os.Stderr, "%v: using it.\n", err)
	case err != nil:
		return 0, err
	default:
		defer closeCluster()
		fmt.Fprintf(os.Stderr, "Three Kafka brokers are up on %s. Ctrl-C ends %s and them.\n",
			portcheck.Addresses(ports[:]), folder)
	}
	// If a cluster was there already, cluster is nil, and the board asks for it at the addresses.
	url, closeBoard := startBoard(port, cluster)
	defer closeBoard()
	if url != "" {
		fmt.Fprintf(os.Stderr, "The board shows them live, in a browser: %s\n", url)
	}
	return program.Run(args, signals)
}

// startCluster starts the cluster, unless another program listens on its ports.
func startCluster(
	data string, warn func(sentence string),
) (cluster *embedded.Cluster, stop func(), err error) {
	ctx := context.Background()
	release, err := portcheck.Claim(ctx, ports[:])
	if err == nil || errors.Is(err, portcheck.ErrAlreadyThere) {
		portcheck.WatchLocalhost(ctx, ports[:], warn)
	}
	if err != nil {
		return nil, nil, err
	}
	cluster, err = embedded.Start(embedded.Options{
		Ports: ports, DataDir: data, Topic: topic, Warn: warn, Fail: fail,
	})
	var port *embedded.PortError
	if errors.As(err, &port) {
		err = portcheck.Taken(port.Port, port.Err.Error())
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	stop = func() {
		signal.Reset(os.Interrupt) // A second Ctrl-C ends the process at once.
		cluster.Close()
		release()
	}
	return cluster, stop, nil
}

// warn tells what goes wrong in the cluster while it runs.
func warn(sentence string) { fmt.Fprintln(os.Stderr, "warning:", sentence) }

// welcome says what runs now, what it keeps, and what to do next.
func welcome(data, board string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Three Kafka brokers are up on %s, with the topic %s.\n",
		portcheck.Addresses(ports[:]), topic)
	if data == "" {
		fmt.Fprintf(&b, "Records are kept in memory, at most %d MiB in all, and go with this process.\n",
			embedded.MemoryBytes>>20)
	} else {
		fmt.Fprintf(&b, "Records and committed offsets are kept in %s, at most %d GiB in all.\n",
			data, embedded.DataBytes>>30)
	}
	fmt.Fprintf(&b, "When there is no more room, the oldest records go. "+
		"Records dated over 7 days ago go within %.0f minutes.\n",
		embedded.RetentionCheck.Minutes())
	if board != "" {
		fmt.Fprintf(&b, "The board shows them live, in a browser: %s\n", board)
	}
	fmt.Fprintf(&b, `
Next, in a second terminal:  go run ./01-producer
and in a third:              go run ./02-consumer
Here you can type:           status, stop 2, start 2, help
Ctrl-C ends the cluster.
`)
	return b.String()
}
