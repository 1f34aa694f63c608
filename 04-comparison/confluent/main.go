//go:build cgo

// This program is 03-together with confluent-kafka-go instead of kafka-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "message-log"
	groupID        = "my-confluent-group"
	broker1Address = "localhost:9093" // Any of the three names all brokers, so one may be down.
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	interval       = time.Second // between two records
)

// clientID is how the cluster, its board and its status name this process among others.
var clientID = fmt.Sprintf("confluent-%d", os.Getpid())

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

// run creates the topic, and writes and reads it at the same time until Ctrl-C.
func run(ctx context.Context) error {
	if err := createTopic(ctx); err != nil {
		return err
	}
	// Both functions block, so each gets a goroutine. If one fails, the other is cancelled.
	var written, received int
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		written, err = produce(ctx)
		return err
	})
	both.Go(func() (err error) {
		received, err = consume(ctx)
		return err
	})
	if err := both.Wait(); err != nil {
		return err
	}
	fmt.Printf("stopped: %d written, %d received\n", written, received)
	return nil
}

// createTopic creates the topic if it isn't there. It returns when the cluster says
// that the topic exists.
func createTopic(ctx context.Context) error {
	addresses := broker1Address + "," + broker2Address + "," + broker3Address
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{
		"bootstrap.servers": addresses,
		"client.id":         clientID,
		// The function warn prints what librdkafka warns of. By default all its log goes to stderr.
		"log_level":              4,
		"go.logs.channel.enable": true,
	})
	if err != nil {
		return fmt.Errorf("making an admin client: %w", err)
	}
	go warn(admin.Logs())
	defer admin.Close()
	topics := []kafka.TopicSpecification{{
		Topic: topic,
		// Up to three members of a group can share three partitions. A topic that is there already
		// keeps the number of partitions that it has.
		NumPartitions: 3,
		// Each record lies on three brokers, so none is lost when one of them dies.
		ReplicationFactor: 3,
	}}
	noAnswer := errors.New("no broker answers")
	deadline := time.Now().Add(8 * time.Second)
	var answer error // the cluster's last one
	for {
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		results, err := admin.CreateTopics(attempt, topics, kafka.SetAdminRequestTimeout(2*time.Second))
		cancel()
		if err == nil && results[0].Error.Code() != kafka.ErrNoError {
			err = results[0].Error
		}
		if ctx.Err() != nil || code(err) == kafka.ErrTopicAlreadyExists {
			return nil
		}
		if err == nil {
			fmt.Printf("created the topic %s: it is new\n", topic)
			continue // The next answer is that it exists.
		}
		if refused(err) {
			return fmt.Errorf("creating the topic %q: %w (its name is at the top of this program, "+
				"its settings are in createTopic: change what the cluster refuses)", topic, err)
		}
		if code(err) == kafka.ErrTimedOut || errors.Is(err, context.DeadlineExceeded) {
			err = noAnswer
		}
		if answer == nil {
			fmt.Printf("waiting to create the topic %s: %v\n", topic, err)
		}
		if answer == nil || err != noAnswer {
			answer = err
		}
		if time.Now().After(deadline) {
			break
		}
		pause(ctx, 200*time.Millisecond)
	}

	// What to do depends on what the cluster has answered.
	advice := "the cluster has not been ready for 8 s: look at its terminal"
	switch {
	case code(answer) == kafka.ErrInvalidReplicationFactor:
		advice = "three replicas need three brokers, and all of them must run"
	case code(answer) <= 0:
		advice = "go run ./00-cluster starts three brokers; if a cluster with stopped brokers " +
			"runs in another terminal, type start 1 there"
	}
	return fmt.Errorf("creating the topic %s on %s: %w (%s)", topic, addresses, answer, advice)
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	producer, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": broker1Address + "," + broker2Address + "," + broker3Address,
		"client.id":         clientID,
		// The function warn prints what librdkafka warns of. By default all its log goes to stderr.
		"log_level":              4,
		"go.logs.channel.enable": true,
		// A broker that comes back is found within a second. By default it can take 10 s.
		"reconnect.backoff.max.ms": 1000,
		// The key decides the partition by murmur2, as in Java's client. The default is another hash.
		"partitioner": "murmur2_random",
		// A write succeeds when all in-sync replicas have the record. So does the default.
		"acks": "all",
		// A record that the client sends again, since the answer was lost, is there once. By default it
		// can be there twice, and behind later ones.
		"enable.idempotence": true,
		// The client tries for five minutes, so that a leader can move. So does the default. With less, a
		// record that is then written by hand again can be there twice.
		"delivery.timeout.ms": 300000,
	})
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	go warn(producer.Logs())
	var trouble atomic.Value // what the client said last, since it last wrote a record
	go func() {
		for event := range producer.Events() {
			trouble.Store(", " + event.String()) // It only informs: the client goes on trying.
		}
	}()
	finish, cancel := withGrace(ctx)
	defer cancel()
	topic := topic // A record wants the topic's address, and a constant has none.
	for ctx.Err() == nil {
		i := strconv.Itoa(written)
		message := &kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
			Key:            []byte(i),
			Value:          []byte("this is message" + i),
		}
		trouble.Store("")
		waiting := time.AfterFunc(2*time.Second, func() {
			fmt.Printf("waiting to write %s: no acknowledgement for 2 s%s\n", i, trouble.Load())
		})
		// Ctrl-C doesn't interrupt a write: the record in hand has three seconds more.
		delivered := make(chan kafka.Event, 1)
		err = producer.Produce(message, delivered)
		if err != nil {
			return written, fmt.Errorf("writing record %d: %w", written, err)
		}
		var report *kafka.Message
		select {
		case event := <-delivered:
			report = event.(*kafka.Message) // Nothing else comes to this channel.
		case <-finish.Done():
			waiting.Stop()
			fmt.Printf("record %d may or may not have been written\n", written)
			return written, nil
		}
		waiting.Stop()
		place := report.TopicPartition
		err = place.Error
		fatal := producer.GetFatalError()
		if fatal != nil {
			err = fatal // The client has come to its end, as when a permission is missing.
		}
		if refused(err) {
			return written, fmt.Errorf("writing record %d: %w", written, err)
		}
		if err != nil {
			// The client has given up. One of its attempts may have succeeded without an answer.
			fmt.Printf("waiting to write %d: %v (it is written again, and may be there twice)\n",
				written, err)
			pause(ctx, time.Second)
			continue
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, place.Partition, place.Offset)
		written++
		pause(ctx, interval)
	}
	err = within(finish, func() error {
		producer.Close()
		return nil
	})
	if err != nil {
		fmt.Println("the producer was not closed:", err) // Nothing is in its hands.
	}
	return written, nil
}

// consume receives records until ctx is cancelled. It returns how many.
func consume(ctx context.Context) (received int, err error) {
	if ctx.Err() != nil {
		return 0, nil // Ctrl-C came before there was anything to receive.
	}
	// In status and on the board, the group's member in this terminal has this name.
	fmt.Printf("member %s of the group %s\n", clientID, groupID)
	// A consumer that has lost its partitions may be one of a cluster that was started anew. It
	// can then leave a partition unread, without a word, so another consumer goes on.
	for ctx.Err() == nil && err == nil {
		var more int
		more, err = receive(ctx)
		received += more
	}
	return received, err
}

// receive receives records with one consumer, until ctx is cancelled or its partitions are lost.
func receive(ctx context.Context) (received int, err error) {
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": broker1Address + "," + broker2Address + "," + broker3Address,
		"client.id":         clientID,
		// The function warn prints what librdkafka warns of. By default all its log goes to stderr.
		"log_level":              4,
		"go.logs.channel.enable": true,
		// A broker that comes back is found within a second. By default it can take 10 s.
		"reconnect.backoff.max.ms": 1000,
		// The members of a group share the partitions.
		"group.id": groupID,
		// Where the group has committed nothing yet, it starts at the oldest record. By default it starts
		// at the end, and skips what is there.
		"auto.offset.reset": "earliest",
		// A dead member's partitions move to others after 10 s. The default is 45 s.
		"session.timeout.ms": 10000,
		// A member learns of a rebalance within a second. The default is 3 s.
		"heartbeat.interval.ms": 1000,
		// The loop stores what is done, after the work. By default a record counts as done when the
		// client hands it over.
		"enable.auto.offset.store": false,
		// What is stored is committed every second, and at the end. The default is 5 s.
		"auto.commit.interval.ms": 1000,
	})
	if err != nil {
		return 0, fmt.Errorf("making a consumer: %w", err)
	}
	go warn(consumer.Logs())
	lost := false
	err = consumer.Subscribe(topic, func(consumer *kafka.Consumer, event kafka.Event) error {
		lost = lost || consumer.AssignmentLost()
		return rebalanced(consumer, event)
	})
	if err != nil {
		return 0, fmt.Errorf("joining the group %s: %w", groupID, err)
	}
	finish, cancel := withGrace(ctx)
	defer cancel()
	waiting := false
	for ctx.Err() == nil && !lost && !refused(err) {
		err = nil
		// Poll can't be interrupted by ctx, so it waits for 100 ms at most.
		switch event := consumer.Poll(100).(type) {
		case *kafka.Message:
			fmt.Printf("received:  %s   (partition %d, offset %d)\n", event.Value,
				event.TopicPartition.Partition, event.TopicPartition.Offset)
			received++
			waiting = false
			// The store follows the work: what is not committed at a crash comes again.
			_, failed := consumer.StoreMessage(event)
			if failed != nil {
				fmt.Println("not committed, so it may come again:", failed)
			}
		case kafka.Error:
			err = event
			if !waiting && !refused(err) {
				fmt.Println("waiting to receive:", err) // The client goes on trying by itself.
				waiting = true
			}
		}
	}
	// Whoever leaves the group spares the others the wait for its session to end.
	closing, cancel := context.WithTimeout(finish, 10*time.Second)
	defer cancel()
	left := within(closing, consumer.Close)
	if left != nil && !lost {
		fmt.Printf("not left the group %s: it notices in 10 s that this member is gone\n", groupID)
	}
	if refused(err) {
		return received, fmt.Errorf("receiving from %s as the group %s: %w", topic, groupID, err)
	}
	return received, nil
}

// rebalanced is called by Poll when the member gets or loses partitions. When it returns,
// the client has committed what was stored, and goes on with the partitions that it has.
func rebalanced(consumer *kafka.Consumer, event kafka.Event) error {
	numbers := func(partitions []kafka.TopicPartition) (numbers []int32) {
		for _, p := range partitions {
			numbers = append(numbers, p.Partition)
		}
		return numbers
	}
	switch event := event.(type) {
	case kafka.AssignedPartitions:
		if len(event.Partitions) == 0 {
			fmt.Println("assigned partitions: none, so this member waits until another one leaves")
			return nil
		}
		fmt.Println("assigned partitions:", list(numbers(event.Partitions)))
	case kafka.RevokedPartitions:
		if len(event.Partitions) == 0 {
			return nil
		}
		if consumer.AssignmentLost() {
			fmt.Println("lost partitions:", list(numbers(event.Partitions)))
			// The client commits what is stored all the same, and a cluster that was started anew, and
			// knows neither the group nor the records, takes that: it would then skip its first records.
			for i := range event.Partitions {
				event.Partitions[i].Offset = kafka.OffsetInvalid
			}
			_, err := consumer.StoreOffsets(event.Partitions)
			return err
		}
		fmt.Println("revoked partitions:", list(numbers(event.Partitions)))
	}
	return nil
}

// warn prints what librdkafka warns of, such as an offset that it resets. Connections that
// fail are left out: there are dozens in an outage, and what waits for them is told elsewhere.
func warn(logs chan kafka.LogEvent) {
	for entry := range logs {
		if entry.Tag != "FAIL" {
			fmt.Fprintln(os.Stderr, "warning:", entry.Message)
		}
	}
}

// code returns the code of an error. Those of the cluster are above 0, those of the client below.
func code(err error) kafka.ErrorCode {
	var answer kafka.Error
	if errors.As(err, &answer) {
		return answer.Code()
	}
	return kafka.ErrNoError
}

// refused tells whether an error is an answer that the cluster would give again and
// again. All other failures may mend themselves, as when a broker comes back.
func refused(err error) bool {
	var answer kafka.Error
	if errors.As(err, &answer) && answer.IsFatal() {
		return true // This client has come to its end, and only another one could go on.
	}
	return slices.Contains([]kafka.ErrorCode{
		kafka.ErrTopicException,
		kafka.ErrInvalidPartitions,
		kafka.ErrInvalidConfig,
		kafka.ErrInvalidRequest,
		kafka.ErrPolicyViolation,
		kafka.ErrMsgSizeTooLarge,
		kafka.ErrInvalidRecord,
		kafka.ErrTopicAuthorizationFailed,
		kafka.ErrGroupAuthorizationFailed,
		kafka.ErrClusterAuthorizationFailed,
		kafka.ErrInvalidGroupID,
		kafka.ErrInvalidSessionTimeout,
		kafka.ErrUnsupportedVersion,
	}, code(err))
}

// within runs f, which no context can end, and waits for it no longer than until ctx is cancelled.
func within(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// list returns partitions in words: 0, 1, 2.
func list(partitions []int32) string {
	sorted := slices.Sorted(slices.Values(partitions))
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(sorted)), ", "), "[]")
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
