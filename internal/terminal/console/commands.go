package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A Cluster has brokers that can be stopped and started.
type Cluster interface {
	StopBroker(id int) error
	StartBroker(id int) error
}

// A Status prints how the cluster is.
type Status func(ctx context.Context, out io.Writer) error

const help = `status     the brokers, the partitions with their leaders, the groups with their lag
stop 2     stop broker 2, as a crash would; its partitions get other leaders
start 2    start it again; its partitions come back
help       this list
exit       end the cluster, as Ctrl-C does
`

// statusTimeout is how long a cluster may take to say how it is.
const statusTimeout = 5 * time.Second

// carryOut carries out one line. Capitals are as good as small letters.
func carryOut(cluster Cluster, status Status, line string, out io.Writer) error {
	words := strings.Fields(strings.ToLower(line))
	if len(words) == 0 {
		return nil
	}
	switch command, args := words[0], words[1:]; {
	case command == "help" && len(args) == 0:
		fmt.Fprint(out, help)
		return nil
	case command == "status" && len(args) == 0:
		return printStatus(status, statusTimeout, out)
	case command == "stop":
		id, err := brokerNumber(command, args)
		if err != nil {
			return err
		}
		if err := cluster.StopBroker(id); err != nil {
			return err
		}
		fmt.Fprintf(out, "Broker %d is stopped. Type start %d to bring it back.\n", id, id)
		return nil
	case command == "start":
		id, err := brokerNumber(command, args)
		if err != nil {
			return err
		}
		if err := cluster.StartBroker(id); err != nil {
			return err
		}
		fmt.Fprintf(out, "Broker %d runs again.\n", id)
		return nil
	default:
		typed := strings.TrimSpace(line)
		const most = 40 // of what was pasted by mistake
		if len(typed) > most {
			typed = strings.ToValidUTF8(typed[:most], "") + "…"
		}
		return fmt.Errorf("there is no command %q: type help for the list", typed)
	}
}

// exit tells whether the input ends the cluster.
func (in input) exit() bool {
	word := strings.ToLower(strings.TrimSpace(in.line))
	return word == "exit" || word == "quit"
}

// printStatus prints how the cluster is, or that it doesn't say so in time.
func printStatus(status Status, timeout time.Duration, out io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var text bytes.Buffer
	done := make(chan error, 1)
	go func() { done <- status(ctx, &text) }()
	select {
	case err := <-done:
		if _, err := text.WriteTo(out); err != nil {
			return fmt.Errorf("printing the status: %w", err)
		}
		return err
	case <-ctx.Done(): // A client may take longer to give up.
		return fmt.Errorf("the brokers don't answer within %v", timeout)
	}
}

// brokerNumber reads which broker a command is for.
func brokerNumber(command string, args []string) (int, error) {
	choice := fmt.Sprintf("type %s 1, %s 2 or %s 3", command, command, command)
	if len(args) != 1 {
		return 0, fmt.Errorf("which broker? %s", choice)
	}
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return 0, fmt.Errorf("%q is not the number of a broker: %s", args[0], choice)
	}
	return id, nil
}
