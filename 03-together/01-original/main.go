// This program has the settings of the original listing, which are kafka-go's
// defaults: it creates no topic, has no balancer, leaves BatchTimeout at a
// second, commits before the work, and gives up at the first error. It is here
// to be tried, not to be copied.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "message-log"
	groupID        = "my-group"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	interval       = time.Second // between two records
)

var brokers = []string{broker1Address, broker2Address, broker3Address}

func main() {
	ctx := context.Background()
	failed := make(chan error)
	go func() { failed <- produce(ctx) }()
	go func() { failed <- consume(ctx) }()
	// The original panics where either of the two fails. The program ends here too.
	fmt.Fprintln(os.Stderr, "error:", <-failed)
	os.Exit(1)
}

// produce writes a record, and waits an interval after each write.
func produce(ctx context.Context) error {
	// NewWriter is deprecated. It has one advantage over the Writer struct that
	// replaced it: it waits for all in-sync replicas.
	w := kafka.NewWriter(kafka.WriterConfig{Topic: topic, Brokers: brokers})
	for i := 0; ; i++ {
		key := strconv.Itoa(i)
		message := kafka.Message{Key: []byte(key), Value: []byte("this is message" + key)}
		if err := w.WriteMessages(ctx, message); err != nil {
			return fmt.Errorf("could not write message %d: %w", i, err)
		}
		fmt.Println("writes:", i)
		time.Sleep(interval)
	}
}

// consume receives records, each of which is committed before it is printed.
func consume(ctx context.Context) error {
	r := kafka.NewReader(kafka.ReaderConfig{Topic: topic, Brokers: brokers, GroupID: groupID})
	for {
		message, err := r.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("could not read message: %w", err)
		}
		fmt.Println("received: ", string(message.Value))
	}
}
