// This program runs three Kafka brokers in one process, with nothing to install:
//
//	go run ./00-cluster                  # until Ctrl-C; type help meanwhile
//	go run ./00-cluster ./03-together    # and that program in the same terminal
//	go run ./00-cluster -data DIR        # keeps the records for the next time
//	go run ./00-cluster -watch           # only the board, for a cluster that runs already
//
// The brokers listen on 127.0.0.1:9093, 9094 and 9095, as those of
// docker-compose.yml do. With a program to run, a cluster that is already there
// is used instead. The board is a page in the browser that shows the cluster live.
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
)

const topic = "message-log"

var ports = [embedded.Brokers]int{9093, 9094, 9095}

// fail is told why the cluster has ended by itself.
var fail func(error)

func main() {
	data := flag.String("data", "", "keep records and committed offsets in this `folder`, for the next start")
	port := flag.Int("board", boardPort, "serve the board on this `port`, or on the next free one; 0 for any")
	watchOnly := flag.Bool("watch", false, "serve only the board, for a cluster that runs already, here or on the given addresses")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./00-cluster [-data folder] [-board port] [program [arguments]]\n"+
			"       go run ./00-cluster -watch [-board port] [addresses]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if os.Getenv("GOMEMLIMIT") == "" {
		// Records that were removed give their memory back soon. By default the
		// process may take twice what is in use.
		debug.SetMemoryLimit(embedded.ProcessBytes)
	}

	// The first signal begins an orderly end. While a program runs, the signals
	// are passed on to it.
	signals := launch.Signals()

	// A cluster that has ended by itself ends this program, as Ctrl-C does.
	failure := make(chan error, 1)
	fail = func(err error) {
		failure <- err
		signals <- os.Interrupt
	}

	var status int
	var err error
	switch {
	case *watchOnly:
		err = watch(*port, flag.Args(), signals)
	case flag.NArg() == 0:
		err = run(*data, *port, signals)
	default:
		status, err = runProgram(*data, *port, flag.Arg(0), flag.Args()[1:], signals)
	}
	select {
	case err = <-failure:
	default:
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(status)
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
	status := func(ctx context.Context, out io.Writer) error { return printStatus(ctx, cluster, out) }
	terminal.Serve(cluster, status, signals)
	closeBoard()
	closeCluster()
	fmt.Println("The cluster has ended.")
	return nil
}

// runProgram starts the cluster and runs a program on it. It returns the exit
// status of the program.
func runProgram(data string, port int, folder string, args []string, signals <-chan os.Signal) (int, error) {
	// The program is built first: if it doesn't compile, nothing was started.
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
	// Of a cluster that was there already, cluster is nil.
	url, closeBoard := startBoard(port, cluster)
	defer closeBoard()
	if url != "" {
		fmt.Fprintf(os.Stderr, "The board shows them live, in a browser: %s\n", url)
	}
	return program.Run(args, signals)
}

// startCluster starts the cluster, unless something has its ports.
func startCluster(data string, warn func(sentence string)) (cluster *embedded.Cluster, stop func(), err error) {
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

func welcome(data, board string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Three Kafka brokers are up on %s, with the topic %s.\n", portcheck.Addresses(ports[:]), topic)
	if data == "" {
		fmt.Fprintf(&b, "Records are kept in memory, at most %d MiB in all, and go with this process.\n", embedded.MemoryBytes>>20)
	} else {
		fmt.Fprintf(&b, "Records and committed offsets are kept in %s, at most %d GiB in all.\n", data, embedded.DataBytes>>30)
	}
	fmt.Fprintf(&b, "Beyond that the oldest records go first; every %.0f minutes those go whose own time is over 7 days ago.\n", embedded.RetentionCheck.Minutes())
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
