// This program "crashes" with a record in hand, and starts again: once with
// ReadMessage, which commits before the work, and once with FetchMessage and
// CommitMessages, which commit after it.
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
	topic          = "crash"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	// Each start of this program takes groups of its own, so that it can be repeated.
	now := strconv.FormatInt(time.Now().UnixNano(), 10)

	err := produce(ctx)
	if err == nil {
		fmt.Println("ReadMessage commits, then the work begins:")
		err = consumeTwice(ctx, "read-"+now, (*kafka.Reader).ReadMessage)
	}
	if err == nil {
		fmt.Println("FetchMessage doesn't commit. CommitMessages would, after the work:")
		err = consumeTwice(ctx, "fetch-"+now, (*kafka.Reader).FetchMessage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// produce creates a topic with one partition, and writes three records to it.
func produce(ctx context.Context) (err error) {
	client := kafka.Client{Addr: kafka.TCP(broker1Address, broker2Address, broker3Address)}
	config := kafka.TopicConfig{Topic: topic, NumPartitions: 1, ReplicationFactor: 3}
	response, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err == nil {
		err = response.Errors[topic]
	}
	if errors.Is(err, kafka.TopicAlreadyExists) {
		return nil // The records of the last time are still there.
	}
	if err != nil {
		return fmt.Errorf("creating the topic %s: %w (it takes three brokers: go run ./00-cluster starts them)", topic, err)
	}
	w := &kafka.Writer{
		Topic: topic, Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// All in-sync replicas have the record when a write succeeds. By default none need to.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it is a second.
		BatchTimeout: time.Millisecond,
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, value := range []string{"first", "second", "third"} {
		if err := w.WriteMessages(ctx, kafka.Message{Value: []byte(value)}); err != nil {
			return fmt.Errorf("writing the %s record: %w", value, err)
		}
	}
	return nil
}

// consumeTwice receives a record and crashes, then starts again and receives another.
func consumeTwice(ctx context.Context, group string, receive func(*kafka.Reader, context.Context) (kafka.Message, error)) error {
	for _, then := range []string{"and the program crashes before its work is done", "after the restart"} {
		r := kafka.NewReader(kafka.ReaderConfig{
			Topic: topic, Brokers: []string{broker1Address, broker2Address, broker3Address},
			// The group's committed offset says where the next start goes on.
			GroupID: group,
			// A group that has committed nothing starts at the oldest record.
			StartOffset: kafka.FirstOffset,
			// A fetch waits this long for records, and Close waits for it. The default is 10 s.
			MaxWait: 500 * time.Millisecond,
		})
		message, err := receive(r, ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("receiving: %w", err), r.Close())
		}
		fmt.Printf("  received:  %s, %s\n", message.Value, then)
		// Closing commits nothing. It only spares us the wait for the dead member's session.
		if err := r.Close(); err != nil {
			return fmt.Errorf("closing the reader: %w", err)
		}
	}
	return nil
}
