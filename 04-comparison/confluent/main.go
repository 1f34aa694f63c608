//go:build cgo

// This program is 03-together with confluent-kafka-go instead of kafka-go.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
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
	addresses := broker1Address + "," + broker2Address + "," + broker3Address
	// Errors are returned, and that is enough. By default the C library logs them to the screen as well.
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": addresses, "log_level": 0})
	if err != nil {
		return fmt.Errorf("making an admin client: %w", err)
	}
	defer admin.Close()
	// Three members can share three partitions, and with three replicas no record dies with a broker.
	config := []kafka.TopicSpecification{{Topic: topic, NumPartitions: 3, ReplicationFactor: 3}}
	for deadline := time.Now().Add(8 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		results, err := admin.CreateTopics(ctx, config, kafka.SetAdminRequestTimeout(time.Second))
		if err == nil {
			err = results[0].Error
		}
		switch failed, _ := err.(kafka.Error); {
		case failed.Code() == kafka.ErrTopicAlreadyExists, ctx.Err() != nil:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("creating the topic %s on %s: %w (it takes three brokers: go run ./00-cluster starts them)", topic, addresses, err)
		}
	}
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	producer, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": broker1Address + "," + broker2Address + "," + broker3Address, "log_level": 0,
		// The key decides the partition, as in Java's client. By default it does so by another formula.
		"partitioner": "murmur2_random",
		// All in-sync replicas have the record when a write succeeds, and once. By default it may be there twice.
		"acks": "all", "enable.idempotence": true,
		"message.timeout.ms": 10000, // In these 10 s a leader can move. By default it is 5 minutes.
	})
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	defer producer.Close()
	for topic, waiting := topic, false; ctx.Err() == nil; {
		i := strconv.Itoa(written)
		message := &kafka.Message{Key: []byte(i), Value: []byte("this is message" + i)}
		message.TopicPartition = kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}
		if err := producer.Produce(message, nil); err != nil {
			return written, fmt.Errorf("writing record %d: %w", written, err)
		}
		var report *kafka.Message
		for report == nil {
			event := <-producer.Events() // Others than the report only inform: the producer goes on trying.
			if report, _ = event.(*kafka.Message); report == nil && !waiting {
				fmt.Printf("waiting to write %d: %v\n", written, event)
				waiting = true
			}
		}
		if waiting = report.TopicPartition.Error != nil; waiting {
			continue // It is tried anew. If it was written all the same, it is there twice.
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, report.TopicPartition.Partition, report.TopicPartition.Offset)
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
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": broker1Address + "," + broker2Address + "," + broker3Address, "log_level": 0,
		// Where the group has committed nothing yet, it starts at the oldest record. By default it skips what is there.
		"group.id": groupID, "auto.offset.reset": "earliest",
		// When a member dies, the others have its partitions after 10 s and a beat. By default: 45 s and 3.
		"session.timeout.ms": 10000, "heartbeat.interval.ms": 1000,
		// What is stored is committed every second and at the end. By default a record is stored before the work.
		"enable.auto.offset.store": false, "auto.commit.interval.ms": 1000,
	})
	if err != nil {
		return 0, fmt.Errorf("making a consumer: %w", err)
	}
	if err := consumer.Subscribe(topic, nil); err != nil {
		return 0, fmt.Errorf("joining the group %s: %w", groupID, err)
	}
	for waiting := false; ctx.Err() == nil; {
		switch event := consumer.Poll(100).(type) { // It takes no context, so it returns after 100 ms.
		case *kafka.Message:
			fmt.Printf("received:  %s   (partition %d, offset %d)\n", event.Value, event.TopicPartition.Partition, event.TopicPartition.Offset)
			received, waiting = received+1, false
			// The commit follows the work: a record that was in hand at a crash comes again.
			if _, err := consumer.StoreMessage(event); err != nil {
				fmt.Println("not committed, so it may come again:", err)
			}
		case kafka.Error:
			if !waiting {
				fmt.Println("waiting to receive:", event)
			}
			waiting = true
		}
	}
	return received, consumer.Close()
}
