// This program writes ten records, one at a time, with kafka-go's default and
// with two other settings, and prints how long each way takes.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "batching"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var ten []kafka.Message
	for i := range 10 {
		ten = append(ten, kafka.Message{Key: []byte(strconv.Itoa(i)), Value: []byte("some value")})
	}

	err := createTopic(ctx)
	if err == nil {
		// By default a record waits a second for company, and nobody comes.
		err = produce(ctx, "one at a time, by default", 0, one(ten))
	}
	if err == nil {
		err = produce(ctx, "one at a time, BatchTimeout 1 ms", time.Millisecond, one(ten))
	}
	if err == nil {
		// Ten at once wait together: a second in all, not ten.
		err = produce(ctx, "ten at once, by default", 0, [][]kafka.Message{ten})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// one makes a call of its own for each message.
func one(messages []kafka.Message) (calls [][]kafka.Message) {
	for _, m := range messages {
		calls = append(calls, []kafka.Message{m})
	}
	return calls
}

// createTopic creates the topic with three partitions, unless it exists.
func createTopic(ctx context.Context) error {
	client := kafka.Client{Addr: kafka.TCP(broker1Address, broker2Address, broker3Address)}
	config := kafka.TopicConfig{Topic: topic, NumPartitions: 3, ReplicationFactor: 3}
	response, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err == nil {
		err = response.Errors[topic]
	}
	if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return fmt.Errorf("creating the topic %s: %w (it takes three brokers: go run ./00-cluster starts them)", topic, err)
	}
	return nil
}

// produce makes the calls one after the other, and prints the time they take.
func produce(ctx context.Context, name string, batchTimeout time.Duration, calls [][]kafka.Message) (err error) {
	w := &kafka.Writer{
		Topic: topic, Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// All in-sync replicas have the record when a write succeeds. By default none need to.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. 0 means the default, a second.
		BatchTimeout: batchTimeout,
	}
	defer func() { err = errors.Join(err, w.Close()) }()

	start := time.Now()
	for _, messages := range calls {
		if err := w.WriteMessages(ctx, messages...); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	fmt.Printf("%-33s %8.3f s\n", name+":", time.Since(start).Seconds())
	return nil
}
