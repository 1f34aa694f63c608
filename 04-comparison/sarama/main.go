// This program is 03-together with sarama instead of kafka-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/IBM/sarama"
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
	addresses, config := []string{broker1Address, broker2Address, broker3Address}, sarama.NewConfig()
	// Where nobody answers, the next address is tried after a second. By default: 30 s, four times over.
	config.Net.DialTimeout, config.Metadata.Retry.Max = time.Second, 0
	for deadline := time.Now().Add(8 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		admin, err := sarama.NewClusterAdmin(addresses, config)
		if err == nil {
			// Three members can share three partitions, and with three replicas no record dies with a broker.
			err = admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 3}, false)
			err = errors.Join(err, admin.Close())
		}
		switch {
		case errors.Is(err, sarama.ErrTopicAlreadyExists), ctx.Err() != nil:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("creating the topic %s on %s: %w (it takes three brokers: go run ./00-cluster starts them)", topic, addresses, err)
		}
	}
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	if ctx.Err() != nil {
		return 0, nil // A producer needs a cluster to be made.
	}
	addresses, config := []string{broker1Address, broker2Address, broker3Address}, sarama.NewConfig()
	config.Producer.Partitioner = sarama.NewMurmur2Partitioner // The key decides as in Java's client. By default: otherwise.
	// All in-sync replicas have the record when a write succeeds, and once. By default the leader has it, perhaps twice.
	config.Producer.RequiredAcks, config.Producer.Idempotent, config.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	config.Producer.Retry.Max = 100         // In these 10 s a leader can move. By default it is 0.3 s.
	config.Producer.Return.Successes = true // A SyncProducer demands it. By default an AsyncProducer is silent on success.
	producer, err := sarama.NewSyncProducer(addresses, config)
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	for waiting := false; ctx.Err() == nil; {
		i := sarama.StringEncoder(strconv.Itoa(written))
		message := &sarama.ProducerMessage{Topic: topic, Key: i, Value: "this is message" + i}
		// Ctrl-C doesn't interrupt a write: the record in hand is finished.
		partition, offset, err := producer.SendMessage(message)
		if err != nil && !waiting {
			fmt.Printf("waiting to write %d: %q\n", written, err)
		}
		if waiting = err != nil; waiting {
			time.Sleep(100 * time.Millisecond)
			continue // It is tried anew. If it was written all the same, it is there twice.
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, partition, offset)
		written++
		select {
		case <-time.After(interval):
		case <-ctx.Done():
		}
	}
	return written, producer.Close()
}

// consume receives records until ctx is cancelled. It returns how many.
func consume(ctx context.Context) (received int, err error) {
	addresses, config := []string{broker1Address, broker2Address, broker3Address}, sarama.NewConfig()
	config.Metadata.Full = false                          // Only this topic is asked for, by Consume. By default all are, right here.
	config.Consumer.Offsets.Initial = sarama.OffsetOldest // A new group starts there. By default it skips what is there.
	config.Consumer.Return.Errors = true                  // They come to a channel, to be read. By default nobody learns of them.
	// When a member dies, the others have its partitions after 10 s and a beat. By default: 10 s and 3.
	config.Consumer.Group.Session.Timeout, config.Consumer.Group.Heartbeat.Interval = 10*time.Second, time.Second
	group, err := sarama.NewConsumerGroup(addresses, groupID, config)
	if err != nil {
		return 0, fmt.Errorf("making a consumer: %w", err)
	}
	var w worker
	go func() {
		for err := range group.Errors() {
			w.waits(err)
		}
	}()
	for ctx.Err() == nil { // Consume ends whenever the partitions are shared out anew.
		w.waits(group.Consume(ctx, []string{topic}, &w))
	}
	return int(w.received.Load()), group.Close()
}

type worker struct{ received, failed atomic.Int64 } // It receives from several partitions at the same time.

func (w *worker) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (w *worker) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (w *worker) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := <-claim.Messages(); message != nil && session.Context().Err() == nil; message = <-claim.Messages() {
		fmt.Printf("received:  %s   (partition %d, offset %d)\n", message.Value, message.Partition, message.Offset)
		w.received.Add(1)
		// The mark follows the work, and a commit every second the marks: what is unmarked at a crash comes again.
		session.MarkMessage(message, "")
	}
	return nil
}

// waits tells of an error, unless another came within 5 s: then both are of one outage.
func (w *worker) waits(err error) {
	if now := time.Now().Unix(); err != nil && !errors.Is(err, context.Canceled) && now-w.failed.Swap(now) > 5 {
		fmt.Printf("waiting to receive: %q\n", err)
	}
}
