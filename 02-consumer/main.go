// This program receives the records of a topic as a member of a consumer group,
// until Ctrl-C. Started several times, it shares the topic's partitions.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "message-log"
	groupID        = "my-group"
	broker1Address = "localhost:9093" // Any of the three names all brokers, so one may be down.
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

func main() {
	// Ctrl-C, SIGTERM and the closing of the window cancel ctx, and everything ends in good order.
	ctx, stop := signal.NotifyContext(context.Background(),
		os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// After the first signal they have their usual effect: a second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)

	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run creates the topic, unless it is there, and reads it until Ctrl-C.
func run(ctx context.Context) error {
	if err := createTopic(ctx); err != nil {
		return err
	}
	received, err := consume(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("stopped: %d received\n", received)
	return nil
}

// createTopic creates the topic if it isn't there. It returns when the cluster says
// that the topic exists.
func createTopic(ctx context.Context) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 2 s without an answer the request is made again, perhaps to another broker.
		Timeout: 2 * time.Second,
	}
	request := &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{
			Topic: topic,
			// Up to three members of a group can share three partitions. A topic that
			// is there already keeps the number of partitions that it has.
			NumPartitions: 3,
			// Each record lies on three brokers, so none is lost when one of them dies.
			ReplicationFactor: 3,
		}},
	}
	noAnswer := errors.New("no broker answers")
	deadline := time.Now().Add(8 * time.Second)
	var answer error // the cluster's last one
	for {
		response, err := client.CreateTopics(ctx, request)
		if err == nil {
			err = response.Errors[topic]
		}
		switch {
		case errors.Is(err, kafka.TopicAlreadyExists):
			return nil
		case ctx.Err() != nil:
			return nil // Ctrl-C came while the program was waiting.
		case err == nil:
			fmt.Printf("created the topic %s: it is new\n", topic)
			continue // The next answer is that it exists.
		case refused(err):
			return fmt.Errorf("creating the topic %q: %w (its name is at the top of this program, "+
				"its settings are in createTopic: change what the cluster refuses)", topic, err)
		case errors.Is(err, context.DeadlineExceeded),
			errors.Is(err, os.ErrDeadlineExceeded),
			errors.Is(err, kafka.BrokerNotAvailable):
			// These are kafka-go's own errors, when it hears nothing for 2 s or reaches no broker.
			err = noAnswer
		}
		if answer == nil {
			fmt.Printf("waiting to create the topic %s: %v\n", topic, err)
		}
		if answer == nil || err != noAnswer {
			answer = err // A real answer is kept, also when none comes after it.
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}

	// What to do depends on what the cluster has answered.
	advice := "the cluster has not been ready for 8 s: look at its terminal"
	switch {
	case errors.Is(answer, kafka.InvalidReplicationFactor):
		advice = "three replicas need three brokers, and all of them must run"
	case answer == noAnswer:
		advice = "go run ./00-cluster starts three brokers; if a cluster with stopped brokers " +
			"runs in another terminal, type start 1 there"
	}
	return fmt.Errorf("creating the topic %s on %s: %w (%s)", topic, client.Addr, answer, advice)
}

// consume receives records until ctx is cancelled. It returns how many.
func consume(ctx context.Context) (received int, err error) {
	if ctx.Err() != nil {
		return 0, nil // Ctrl-C came before there was anything to receive.
	}
	finish, cancel := withGrace(ctx)
	defer cancel()
	// status and the board show this member of the group by this name.
	clientID := fmt.Sprintf("02-consumer-%d", os.Getpid())
	fmt.Printf("member %s of the group %s\n", clientID, groupID)
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		Dialer: &kafka.Dialer{
			ClientID: clientID,
			// A broker that can't be reached in this time is given up. A Dialer without it waits on.
			Timeout: 10 * time.Second,
		},
		// The members of a group share the partitions. Without a group, a reader of
		// kafka-go reads one partition only.
		GroupID: groupID,
		// Where the group has committed nothing yet, it starts at the oldest record.
		StartOffset: kafka.FirstOffset,
		// A member of which nothing is heard for 10 s counts as dead, and the others get its
		// partitions. The default is 30 s.
		SessionTimeout: 10 * time.Second,
		// The member is heard of once a second. The default is 3 s.
		HeartbeatInterval: time.Second,
		// When partitions are assigned anew, every member has to answer within 10 s. So the others
		// wait no longer for one that has just died. The default is 30 s.
		RebalanceTimeout: 10 * time.Second,
		// After a failure the reader waits a second, and joins the group again. The default is 5 s.
		JoinGroupBackoff: time.Second,
		// Partitions that are added later are read too. By default they never are.
		WatchPartitionChanges: true,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
		// The reader tells only its logger which partitions this member has.
		Logger: kafka.LoggerFunc(newTeller()),
	})

	waiting := false
	for {
		message, err := r.FetchMessage(ctx)
		if ctx.Err() != nil {
			break // A record that has come in this moment isn't committed, so it comes again.
		}
		if refused(err) {
			return received, fmt.Errorf("receiving from %s as the group %s: %w", topic, groupID, err)
		}
		if err != nil {
			if !waiting {
				fmt.Println("waiting to receive:", err)
			}
			waiting = true
			pause(ctx, 100*time.Millisecond)
			continue // The reader goes on trying by itself.
		}
		waiting = false
		fmt.Printf("received:  %s   (partition %d, offset %d)\n",
			message.Value, message.Partition, message.Offset)
		received++

		// The commit follows the work: a record that was in hand at a crash comes again.
		commit, cancel := context.WithTimeout(finish, 5*time.Second)
		err = r.CommitMessages(commit, message)
		cancel()
		if err != nil {
			fmt.Println("not committed, so it may come again:", err)
		}
	}

	// Close leaves the group, so that the other members get the partitions at once.
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			return received, fmt.Errorf("closing the reader: %w", err)
		}
	case <-finish.Done():
		fmt.Printf("not left the group %s: it notices in 10 s that this member is gone\n", groupID)
	}
	return received, nil
}

// newTeller returns a logger for kafka-go's reader. It prints two things that the reader
// tells nobody else: that this member has other partitions than before, and that its
// position in one of them lies beyond the end of the log, as when the topic was deleted
// and made anew.
func newTeller() func(format string, args ...any) {
	// What was printed before. The reader's goroutines use the logger at the same time.
	var told sync.Map
	partition := regexp.MustCompile(`partition:(\d+)`)
	return func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		switch {
		case strings.HasPrefix(text, "subscribed to topics and partitions"):
			var partitions []string
			for _, match := range partition.FindAllStringSubmatch(text, -1) {
				partitions = append(partitions, match[1])
			}
			assigned := strings.Join(partitions, ", ")
			if assigned == "" {
				assigned = "none, so this member receives nothing for now"
			}
			before, _ := told.Swap("assigned", assigned)
			if assigned != before {
				fmt.Println("assigned partitions:", assigned)
			}
		case strings.Contains(text, "Offset Out Of Range"),
			strings.Contains(text, "passed the last offset"):
			_, again := told.LoadOrStore(text, true)
			if !again {
				fmt.Println("beyond the end of the log, so what is written now is skipped "+
					"(end this program, and start it again):", text)
			}
		}
	}
}

// refused tells whether an error is an answer that the cluster would give again and
// again. All other failures may mend themselves, as when a broker comes back.
func refused(err error) bool {
	var each kafka.WriteErrors // from a write, one for each of its records
	if errors.As(err, &each) {
		err = each[0]
	}
	var answer kafka.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer {
	case kafka.InvalidTopic, kafka.InvalidPartitionNumber, kafka.InvalidConfiguration,
		kafka.PolicyViolation, kafka.InvalidRequest, kafka.UnsupportedVersion,
		kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidRecord,
		kafka.InvalidRequiredAcks, kafka.InvalidSessionTimeout, kafka.TopicAuthorizationFailed,
		kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return true
	default:
		return false
	}
}

// withGrace returns a context that lives three seconds longer than ctx: what is
// in hand at a Ctrl-C can be finished, but isn't waited for without end.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(3*time.Second, cancel) })
	return longer, cancel
}

// pause waits for a time, or until Ctrl-C.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
