// This program is 03-together with sarama instead of kafka-go.
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

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "message-log"
	groupID        = "my-sarama-group"
	broker1Address = "localhost:9093" // Any of the three names all brokers, so one may be down.
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	interval       = time.Second // between two records
)

// clientID is how the cluster, its board and its status name this process among others.
var clientID = fmt.Sprintf("sarama-%d", os.Getpid())

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
	addresses := []string{broker1Address, broker2Address, broker3Address}
	config := sarama.NewConfig()
	config.ClientID = clientID
	// Where nobody listens or answers, the next broker is asked after a second. The default is 30 s.
	config.Net.DialTimeout = time.Second
	config.Net.ReadTimeout = time.Second
	// When all were asked in vain, the reason is told. By default they are asked three times more.
	config.Metadata.Retry.Max = 0
	create := func() error {
		admin, err := sarama.NewClusterAdmin(addresses, config)
		if err != nil {
			return err
		}
		details := &sarama.TopicDetail{
			// Up to three members of a group can share three partitions. A topic that is there
			// already keeps the number of partitions that it has.
			NumPartitions: 3,
			// Each record lies on three brokers, so none is lost when one of them dies.
			ReplicationFactor: 3,
		}
		err = admin.CreateTopic(topic, details, false)
		return errors.Join(err, admin.Close())
	}
	noAnswer := errors.New("no broker answers")
	deadline := time.Now().Add(8 * time.Second)
	var answer error // the cluster's last one
	for {
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := within(attempt, create)
		cancel()
		if ctx.Err() != nil || errors.Is(err, sarama.ErrTopicAlreadyExists) {
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
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
			err = noAnswer
		}
		if answer == nil {
			fmt.Printf("waiting to create the topic %s: %s\n", topic, line(err))
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
	case errors.Is(answer, sarama.ErrInvalidReplicationFactor):
		advice = "three replicas need three brokers, and all of them must run"
	case !errors.As(answer, new(sarama.KError)):
		advice = "go run ./00-cluster starts three brokers; if a cluster with stopped brokers " +
			"runs in another terminal, type start 1 there"
	}
	return fmt.Errorf("creating the topic %s on %s: %w (%s)", topic, addresses, answer, advice)
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	config := sarama.NewConfig()
	config.ClientID = clientID
	// The key decides the partition by murmur2, as in Java's client. The default is another hash.
	config.Producer.Partitioner = sarama.NewMurmur2Partitioner
	// A write succeeds when all in-sync replicas have the record. By default only the leader has it,
	// and it is lost when the leader dies.
	config.Producer.RequiredAcks = sarama.WaitForAll
	// A record that the client sends again, since the answer was lost, is there once. By default it
	// can be there twice. Idempotence takes one request at a time.
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	// The client tries for five minutes (1,200 times 250 ms), so that a leader can move. By default it
	// gives up after 0.3 s, and a record that is then written by hand again can be there twice.
	config.Producer.Retry.Max = 1200
	config.Producer.Retry.Backoff = 250 * time.Millisecond
	// It looks for the new leader for as long. By default it gives up after three attempts.
	config.Metadata.Retry.Max = 1200
	config.Metadata.Retry.Backoff = 250 * time.Millisecond
	// The client tells of each record that is acknowledged. By default it tells only of failures.
	config.Producer.Return.Successes = true

	addresses := []string{broker1Address, broker2Address, broker3Address}
	var producer sarama.AsyncProducer
	err = within(ctx, func() (err error) {
		producer, err = sarama.NewAsyncProducer(addresses, config)
		return err
	})
	if ctx.Err() != nil {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	finish, cancel := withGrace(ctx)
	defer cancel()
	for ctx.Err() == nil {
		i := strconv.Itoa(written)
		message := &sarama.ProducerMessage{
			Topic: topic,
			Key:   sarama.StringEncoder(i),
			Value: sarama.StringEncoder("this is message" + i),
		}
		waiting := time.AfterFunc(2*time.Second, func() {
			fmt.Printf("waiting to write %s: no acknowledgement for 2 s\n", i)
		})
		// Ctrl-C doesn't interrupt a write: the record in hand has three seconds more.
		producer.Input() <- message
		select {
		case <-producer.Successes():
			err = nil
		case failure := <-producer.Errors():
			err = failure.Err
		case <-finish.Done():
			waiting.Stop()
			fmt.Printf("record %d may or may not have been written\n", written)
			return written, nil
		}
		waiting.Stop()
		if refused(err) {
			return written, fmt.Errorf("writing record %d: %w", written, err)
		}
		if err != nil {
			// The client has given up. One of its attempts may have succeeded without an answer.
			fmt.Printf("waiting to write %d: %s (it is written again, and may be there twice)\n",
				written, line(err))
			pause(ctx, time.Second)
			continue
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, message.Partition, message.Offset)
		written++
		pause(ctx, interval)
	}
	err = within(finish, producer.Close)
	if err != nil {
		fmt.Println("the producer was not closed:", line(err)) // Nothing is in its hands.
	}
	return written, nil
}

// consume receives records until ctx is cancelled. It returns how many.
func consume(ctx context.Context) (received int, err error) {
	config := sarama.NewConfig()
	config.ClientID = clientID
	// The client asks only for the topic that it reads. By default it asks for all that there are.
	config.Metadata.Full = false
	// Where the group has committed nothing yet, it starts at the oldest record. By default it starts
	// at the end, and skips what is there.
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	// What is marked as done is committed every second, and at the end. So does the default.
	config.Consumer.Offsets.AutoCommit.Interval = time.Second
	// Errors come to a channel. By default they are dropped.
	config.Consumer.Return.Errors = true
	// A dead member's partitions move to others after 10 s. So does the default.
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	// A member learns of a rebalance within a second. The default is 3 s.
	config.Consumer.Group.Heartbeat.Interval = time.Second

	addresses := []string{broker1Address, broker2Address, broker3Address}
	var group sarama.ConsumerGroup
	err = within(ctx, func() (err error) {
		group, err = sarama.NewConsumerGroup(addresses, groupID, config)
		return err
	})
	if ctx.Err() != nil {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("making a consumer: %w", err)
	}
	// In status and on the board, the group's member in this terminal has this name.
	fmt.Printf("member %s of the group %s\n", clientID, groupID)
	m := &member{}
	go func() {
		for err := range group.Errors() {
			m.waits(err)
		}
	}()
	finish, cancel := withGrace(ctx)
	defer cancel()
	err = within(finish, func() error {
		for ctx.Err() == nil {
			// Consume ends whenever the partitions are shared out anew.
			err := group.Consume(ctx, []string{topic}, m)
			if refused(err) {
				return errors.Join(err, group.Close())
			}
			if err != nil {
				m.waits(err)
				pause(ctx, 200*time.Millisecond)
			}
		}
		// Whoever leaves the group spares the others the wait for its session to end.
		return group.Close()
	})
	received = int(m.received.Load())
	if refused(err) {
		return received, fmt.Errorf("receiving from %s as the group %s: %w", topic, groupID, err)
	}
	if err != nil {
		fmt.Printf("not left the group %s: it notices in 10 s that this member is gone\n", groupID)
	}
	return received, nil
}

// A member handles the records that the group assigns to this process.
type member struct {
	received     atomic.Int64 // It receives from several partitions at the same time.
	failed, told atomic.Int64 // when, in seconds
}

// Setup is called when the member gets its partitions.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	partitions := session.Claims()[topic]
	if len(partitions) == 0 {
		fmt.Println("assigned partitions: none, so this member waits until another one leaves")
		return nil
	}
	fmt.Println("assigned partitions:", list(partitions))
	return nil
}

// Cleanup is called when the member loses its partitions. What is marked is committed after it.
func (m *member) Cleanup(session sarama.ConsumerGroupSession) error {
	partitions := session.Claims()[topic]
	if len(partitions) > 0 {
		fmt.Println("revoked partitions:", list(partitions))
	}
	return nil
}

// ConsumeClaim is called for each partition, in a goroutine of its own.
func (m *member) ConsumeClaim(
	session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	for message := range claim.Messages() {
		if session.Context().Err() != nil {
			return nil
		}
		fmt.Printf("received:  %s   (partition %d, offset %d)\n",
			message.Value, message.Partition, message.Offset)
		m.received.Add(1)
		// The mark follows the work: what is not committed at a crash comes again.
		session.MarkMessage(message, "")
	}
	return nil
}

// waits tells of an error. Those that come within 5 s are of one outage: of them it tells one,
// and another one every 30 s.
func (m *member) waits(err error) {
	now := time.Now().Unix()
	before := m.failed.Swap(now)
	if (now-before > 5 || now-m.told.Load() >= 30) && !errors.Is(err, context.Canceled) {
		fmt.Printf("waiting to receive: %s\n", line(err))
		m.told.Store(now)
	}
}

// refused tells whether an error is an answer that the cluster would give again and
// again. All other failures may mend themselves, as when a broker comes back.
func refused(err error) bool {
	for _, answer := range []error{
		sarama.ErrInvalidTopic,
		sarama.ErrInvalidPartitions,
		sarama.ErrInvalidConfig,
		sarama.ErrInvalidRequest,
		sarama.ErrPolicyViolation,
		sarama.ErrMessageSizeTooLarge,
		sarama.ErrMessageSetSizeTooLarge,
		sarama.ErrInvalidRecord,
		sarama.ErrTopicAuthorizationFailed,
		sarama.ErrGroupAuthorizationFailed,
		sarama.ErrClusterAuthorizationFailed,
		sarama.ErrInvalidGroupId,
		sarama.ErrInvalidSessionTimeout,
		sarama.ErrUnsupportedVersion,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
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

// line returns an error as one line: an error that several brokers gave has as many.
func line(err error) string {
	var parts []string
	for part := range strings.Lines(err.Error()) {
		part = strings.Trim(part, "\t\n *")
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
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
