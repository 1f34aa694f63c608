// This program is 03-together with goka instead of kafka-go, and its group counts how often each key came.
package main

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
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
	addresses, config := []string{broker1Address, broker2Address, broker3Address}, goka.DefaultConfig()
	// Where nobody answers, the next address is tried after a second. By default: 30 s, four times over.
	config.Net.DialTimeout, config.Metadata.Retry.Max = time.Second, 0
	for deadline := time.Now().Add(8 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		topics, err := goka.NewTopicManager(addresses, config, goka.NewTopicManagerConfig())
		if err == nil {
			// Three members can share three partitions, and with three replicas no record dies with a broker.
			err = errors.Join(topics.EnsureTopicExists(topic, 3, 3, nil), topics.Close())
		}
		switch {
		case err == nil, ctx.Err() != nil:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("creating the topic %s on %s: %w (it takes three brokers: go run ./00-cluster starts them)", topic, addresses, err)
		}
	}
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	if ctx.Err() != nil {
		return 0, nil // An emitter needs a cluster to be made.
	}
	emitter, err := goka.NewEmitter([]string{broker1Address, broker2Address, broker3Address}, topic, new(codec.String),
		goka.WithEmitterProducerBuilder(newProducer))
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	for waiting := false; ctx.Err() == nil; {
		i, message, delivered := strconv.Itoa(written), new(sarama.ProducerMessage), make(chan error, 1)
		// Ctrl-C doesn't interrupt a write: the record in hand is finished.
		promise, err := emitter.Emit(i, "this is message"+i)
		if err == nil {
			promise.ThenWithMessage(func(m *sarama.ProducerMessage, err error) { message = m; delivered <- err })
			err = <-delivered
		}
		if err != nil && !waiting {
			fmt.Printf("waiting to write %d: %q\n", written, err)
		}
		if waiting = err != nil; waiting {
			time.Sleep(100 * time.Millisecond)
			continue // It is tried anew. If it was written all the same, it is there twice.
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, message.Partition, message.Offset)
		written++
		select {
		case <-time.After(interval):
		case <-ctx.Done():
		}
	}
	return written, emitter.Finish()
}

// newProducer makes the client of sarama's that writes, for the emitter above and for the table below.
func newProducer(addresses []string, _ string, _ func() hash.Hash32) (goka.Producer, error) {
	config := goka.DefaultConfig()
	config.Producer.Partitioner = sarama.NewMurmur2Partitioner // The key decides as in Java's client. By default: otherwise.
	// All in-sync replicas have the record when a write succeeds, and once. By default the leader has it, perhaps twice.
	config.Producer.RequiredAcks, config.Producer.Idempotent, config.Net.MaxOpenRequests = sarama.WaitForAll, true, 1
	config.Producer.Retry.Max = 100                                     // In these 10 s a leader can move. By default it is 1 s.
	config.Producer.Flush.Frequency, config.Producer.Flush.Bytes = 0, 0 // By default a record waits 100 ms for others.
	return goka.NewProducer(addresses, config)
}

// consume receives records until ctx is cancelled. It returns how many.
func consume(ctx context.Context) (received int, err error) {
	addresses, config := []string{broker1Address, broker2Address, broker3Address}, goka.DefaultConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest // A new group starts there. By default it skips what is there.
	tables, count := goka.NewTopicManagerConfig(), atomic.Int64{}
	tables.Table.Replication = 3 // The table is a compacted topic. By default it has two replicas.
	group := goka.DefineGroup(groupID, goka.Persist(new(codec.Int64)), goka.Input(topic, new(codec.String),
		func(record goka.Context, value any) { // It is called for each partition in a goroutine of its own.
			fmt.Printf("received:  %s   (partition %d, offset %d)\n", value, record.Partition(), record.Offset())
			times, _ := record.Value().(int64)
			fmt.Printf("counted:   key %s, %d times\n", record.Key(), times+1)
			// The commit, every second and at the end, follows this write: a record that was in hand at a crash comes again.
			record.SetValue(times + 1)
			count.Add(1)
		}))
	for told := int64(-1); ctx.Err() == nil; { // A processor ends when something fails. Then another one goes on.
		processor, failed := goka.NewProcessor(addresses, group, goka.WithProducerBuilder(newProducer),
			goka.WithConsumerGroupBuilder(goka.ConsumerGroupBuilderWithConfig(config)),
			goka.WithTopicManagerBuilder(goka.TopicManagerBuilderWithConfig(config, tables)),
			goka.WithStorageBuilder(storage.MemoryBuilder()),                        // Of the table. By default it is below /tmp/goka.
			goka.WithLogger(slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo))) // By default what happens is on the screen.
		if failed == nil {
			failed = processor.Run(ctx)
		}
		if err = failed; err != nil && ctx.Err() == nil && told != count.Load() {
			fmt.Printf("waiting to receive: %q\n", err)
			told = count.Load()
		}
	}
	return int(count.Load()), err
}
