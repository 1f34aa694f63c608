// This program writes a record a second to a topic and receives its own records
// in a consumer group: the producer of chapter 1 and the consumer of chapter 2.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "message-log"
	groupID        = "my-group"
	broker1Address = "localhost:9093" // With all three, one may be down when the program starts.
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	interval       = time.Second // between two records
)

func main() {
	// Ctrl-C cancels ctx, and everything ends in good order. A second Ctrl-C ends it at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)

	var written, received int
	err := createTopic(ctx)
	if err == nil {
		// Both functions block, so each gets a goroutine. If one fails, the other is cancelled.
		both, ctx := errgroup.WithContext(ctx)
		both.Go(func() (err error) { written, err = produce(ctx); return err })
		both.Go(func() (err error) { received, err = consume(ctx); return err })
		err = both.Wait()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	fmt.Printf("stopped: %d written, %d received\n", written, received)
}

// createTopic creates the topic, and returns when the cluster says that it exists.
func createTopic(ctx context.Context) error {
	client := kafka.Client{Addr: kafka.TCP(broker1Address, broker2Address, broker3Address)}
	attempts, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	// Three members can share three partitions, and with three replicas no record dies with a broker.
	config := kafka.TopicConfig{Topic: topic, NumPartitions: 3, ReplicationFactor: 3}
	for {
		response, err := client.CreateTopics(attempts, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
		if err == nil {
			err = response.Errors[topic]
		}
		switch {
		case errors.Is(err, kafka.TopicAlreadyExists), ctx.Err() != nil:
			return nil
		case attempts.Err() != nil:
			return fmt.Errorf("creating the topic %s on %s: %w (it takes three brokers: go run ./00-cluster starts them)",
				topic, client.Addr, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	var last kafka.Message
	w := &kafka.Writer{
		Topic: topic, Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// All in-sync replicas have the record when a write succeeds. By default none need to.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it is a second.
		BatchTimeout: time.Millisecond,
		// The loop below tries again, and says so. By default ten attempts fail in silence.
		MaxAttempts: 1,
		// The writer tells here where in the topic the record lies.
		Completion: func(messages []kafka.Message, _ error) { last = messages[0] },
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for waiting := false; ctx.Err() == nil; {
		i := strconv.Itoa(written)
		message := kafka.Message{Key: []byte(i), Value: []byte("this is message" + i)}
		// Ctrl-C doesn't interrupt a write: the record in hand is finished.
		err := w.WriteMessages(context.WithoutCancel(ctx), message)
		if err != nil && !waiting {
			fmt.Printf("waiting to write %d: %v\n", written, err)
		}
		if waiting = err != nil; waiting {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, last.Partition, last.Offset)
		written++
		select {
		case <-time.After(interval):
		case <-ctx.Done():
		}
	}
	return written, nil
}

// consume receives records until ctx is cancelled. It returns how many.
func consume(ctx context.Context) (received int, err error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Topic: topic, Brokers: []string{broker1Address, broker2Address, broker3Address},
		// The members of a group share the partitions. Without a group each reader gets them all.
		GroupID: groupID,
		// Where the group has committed nothing yet, it starts at the oldest record.
		StartOffset: kafka.FirstOffset,
		// When a member dies, the others have its partitions after 10 s and a beat. By default: 30 s and 3.
		SessionTimeout: 10 * time.Second, HeartbeatInterval: time.Second,
		// After a failure the reader joins the group again in a second. The default is 5 s.
		JoinGroupBackoff: time.Second,
		// Partitions that are added later are read too. By default they never are.
		WatchPartitionChanges: true,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	defer func() { err = errors.Join(err, r.Close()) }()
	for waiting := false; ; {
		message, err := r.FetchMessage(ctx)
		if ctx.Err() != nil {
			return received, nil
		}
		if err != nil && !waiting {
			fmt.Println("waiting to receive:", err)
		}
		if waiting = err != nil; waiting {
			continue // The reader goes on trying by itself.
		}
		fmt.Printf("received:  %s   (partition %d, offset %d)\n", message.Value, message.Partition, message.Offset)
		received++
		// The commit follows the work: a record that was in hand at a crash comes again.
		commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		if err := r.CommitMessages(commit, message); err != nil {
			fmt.Println("not committed, so it may come again:", err)
		}
		cancel()
	}
}
