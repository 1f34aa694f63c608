package main

import (
	"fmt"
	"os"
	"strings"

	"kafka-with-go/internal/board"
	"kafka-with-go/internal/cluster/embedded"
)

// boardPort is where the board is, unless the port is taken or -board names another.
const boardPort = 9096

// programs are the commands that start one more member, by their groups. The board shows them.
var programs = map[string]string{"my-group": "go run ./02-consumer"}

// startBoard serves the board of the cluster, or of one that runs elsewhere if
// cluster is nil. The chapters work without a board, so an error is told and ends nothing.
func startBoard(port int, cluster *embedded.Cluster) (url string, stop func()) {
	options := board.Options{Addrs: allAddresses(), Topic: topic, Port: port, Programs: programs}
	if cluster != nil {
		options.Brokers, options.Addrs = cluster, cluster.Addrs()
	}
	b, err := board.Start(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "there is no board:", err)
		return "", func() {}
	}
	if cluster != nil {
		cluster.SetBoard(b.URL())
	}
	return b.URL(), b.Close
}

// watch serves the board of a cluster that runs elsewhere, until a signal comes.
func watch(port int, args []string, signals <-chan os.Signal) error {
	// Addresses may be written with spaces or with commas between them.
	addrs := strings.FieldsFunc(strings.Join(args, ","), func(r rune) bool { return r == ',' })
	if len(addrs) == 0 {
		addrs = allAddresses()
	}
	b, err := board.Start(board.Options{Addrs: addrs, Topic: topic, Port: port, Programs: programs})
	if err != nil {
		return err
	}
	defer b.Close()
	fmt.Printf("The board of the cluster on %s: %s\n", strings.Join(addrs, ", "), b.URL())
	fmt.Println("Ctrl-C ends the board, and leaves the cluster alone.")
	<-signals
	fmt.Println("The board has ended.")
	return nil
}

// allAddresses are the addresses of the three brokers.
func allAddresses() []string {
	var addrs []string
	for _, port := range ports {
		addrs = append(addrs, fmt.Sprintf("localhost:%d", port))
	}
	return addrs
}
