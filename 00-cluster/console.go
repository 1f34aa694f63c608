package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"kafka-with-go/internal/embedded"
)

const help = `status     the brokers, the partitions with their leaders, the groups with their lag
stop 2     stop broker 2, as a crash would; its partitions get other leaders
start 2    start it again; its partitions come back
help       this list
Ctrl-C     end the cluster
`

// serveConsole carries out what is typed, until a signal comes. The end of the
// input (Ctrl-D, or no terminal at all) ends only the typing.
func serveConsole(cluster *embedded.Cluster, in io.Reader, out io.Writer, signals <-chan os.Signal) {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			lines <- s.Text()
		}
	}()
	prompt := func() {
		if isTerminal(in) {
			fmt.Fprint(out, "> ")
		}
	}
	prompt()
	for {
		select {
		case <-signals:
			fmt.Fprintln(out, "\nThe cluster has ended.")
			return
		case line, ok := <-lines:
			if !ok {
				lines = nil // A nil channel is never ready: only a signal is left.
				continue
			}
			if err := obey(cluster, line, out); err != nil {
				fmt.Fprintln(out, "error:", err)
			}
			prompt()
		}
	}
}

// isTerminal tells whether somebody types the input.
func isTerminal(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// obey carries out one line.
func obey(cluster *embedded.Cluster, line string, out io.Writer) error {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil
	}
	switch command, args := words[0], words[1:]; {
	case command == "help" && len(args) == 0:
		fmt.Fprint(out, help)
		return nil
	case command == "status" && len(args) == 0:
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return printStatus(ctx, cluster, out)
	case (command == "stop" || command == "start") && len(args) == 1:
		id, err := strconv.Atoi(args[0])
		if err != nil {
			return fmt.Errorf("%q is not the number of a broker: type %s 1, %s 2 or %s 3", args[0], command, command, command)
		}
		if command == "stop" {
			if err := cluster.StopBroker(id); err != nil {
				return err
			}
			fmt.Fprintf(out, "Broker %d is stopped. Type start %d to bring it back.\n", id, id)
			return nil
		}
		if err := cluster.StartBroker(id); err != nil {
			return err
		}
		fmt.Fprintf(out, "Broker %d runs again.\n", id)
		return nil
	default:
		return fmt.Errorf("there is no command %q: type help for the list", strings.Join(words, " "))
	}
}
