// This program is 03-together with franz-go instead of kafka-go.
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

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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
	addresses := []string{broker1Address, broker2Address, broker3Address}
	// A request that fails is given up after a second, with the reason. By default it is tried for 30 s.
	client, err := kgo.NewClient(kgo.SeedBrokers(addresses...), kgo.RetryTimeout(time.Second))
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	for deadline := time.Now().Add(8 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		// Three members can share three partitions, and with three replicas no record dies with a broker.
		_, err := kadm.NewClient(client).CreateTopic(attempt, 3, 3, nil, topic)
		cancel()
		switch {
		case errors.Is(err, kerr.TopicAlreadyExists), ctx.Err() != nil:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("creating the topic %s on %s: %w (it takes three brokers: go run ./00-cluster starts them)", topic, addresses, err)
		}
	}
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	client, err := kgo.NewClient(
		// A leader that has moved is found within a second. By default it takes up to 5 s.
		kgo.SeedBrokers(broker1Address, broker2Address, broker3Address), kgo.MetadataMinAge(time.Second),
		// The key decides the partition, as in Java's client. It does so by default, too.
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		// All in-sync replicas have the record when a write succeeds. It is tried until it does, and written once.
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.UnknownTopicRetries(-1),
	)
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	defer client.Close()
	for ctx.Err() == nil {
		i := strconv.Itoa(written)
		record := &kgo.Record{Topic: topic, Key: []byte(i), Value: []byte("this is message" + i)}
		delivered := make(chan error, 1)
		// Ctrl-C doesn't interrupt a write: the record in hand is finished, unless nothing is heard of it.
		client.Produce(context.WithoutCancel(ctx), record, func(_ *kgo.Record, err error) { delivered <- err })
		select {
		case err = <-delivered:
		case <-time.After(2 * time.Second):
			fmt.Printf("waiting to write %d: no acknowledgement for 2 s\n", written)
			select {
			case err = <-delivered:
			case <-ctx.Done():
				return written, nil
			}
		}
		if err != nil {
			return written, fmt.Errorf("writing record %d: %w", written, err)
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, record.Partition, record.Offset)
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
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker1Address, broker2Address, broker3Address), kgo.MetadataMinAge(time.Second),
		// Where the group has committed nothing yet, it starts at the oldest record.
		kgo.ConsumerGroup(groupID), kgo.ConsumeTopics(topic), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		// When a member dies, the others have its partitions after 10 s and a beat. By default: 45 s and 3.
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(time.Second),
		// Only the loop commits, and partitions are taken away between its rounds. By default neither is so.
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
	)
	if err != nil {
		return 0, fmt.Errorf("making a consumer: %w", err)
	}
	defer client.CloseAllowingRebalance()
	for waiting := false; ctx.Err() == nil; client.AllowRebalance() {
		fetches := client.PollFetches(ctx)
		err := fetches.Err()
		if err != nil && ctx.Err() == nil && !waiting {
			fmt.Println("waiting to receive:", err)
		}
		waiting = err != nil // The client goes on trying by itself.
		for records := fetches.RecordIter(); !records.Done() && ctx.Err() == nil; received++ {
			record := records.Next()
			fmt.Printf("received:  %s   (partition %d, offset %d)\n", record.Value, record.Partition, record.Offset)
			// The commit follows the work: a record that was in hand at a crash comes again.
			commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			if err := client.CommitRecords(commit, record); err != nil {
				fmt.Println("not committed, so it may come again:", err)
			}
			cancel()
		}
	}
	return received, nil
}
