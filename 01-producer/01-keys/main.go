// This program writes the keys a to d three times each: once as kafka-go
// distributes records by default, and once by the hash of the key.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "keys"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := createTopic(ctx)
	if err == nil {
		err = produce(ctx, "round robin (the default)", &kafka.RoundRobin{})
	}
	if err == nil {
		err = produce(ctx, "by the hash of the key", kafka.Murmur2Balancer{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
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

// produce writes each key three times, and prints the partitions it went to.
func produce(ctx context.Context, name string, balancer kafka.Balancer) (err error) {
	partitions := make(map[string][]int)
	w := &kafka.Writer{
		Topic: topic, Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// The balancer chooses the partition of each record. It is what differs here.
		Balancer: balancer,
		// All in-sync replicas have the record when a write succeeds. By default none need to.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it is a second.
		BatchTimeout: time.Millisecond,
		// The writer tells here in which partition a record lies.
		Completion: func(messages []kafka.Message, _ error) {
			for _, m := range messages {
				partitions[string(m.Key)] = append(partitions[string(m.Key)], m.Partition)
			}
		},
	}
	defer func() { err = errors.Join(err, w.Close()) }()

	fmt.Printf("%s:\n", name)
	for range 3 {
		for _, key := range []string{"a", "b", "c", "d"} {
			if err := w.WriteMessages(ctx, kafka.Message{Key: []byte(key), Value: []byte("some value")}); err != nil {
				return fmt.Errorf("writing the key %s: %w", key, err)
			}
		}
	}
	for _, key := range []string{"a", "b", "c", "d"} {
		fmt.Printf("  key %s went to partitions %v\n", key, partitions[key])
	}
	return nil
}
