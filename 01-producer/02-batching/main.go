// This program writes ten records with kafka-go's default and in two other ways, and prints
// how long each way takes. Then a hundred goroutines write at once, and it draws how many
// records a second they write with six values of BatchTimeout.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
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
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run answers both questions, and leaves nothing.
func run(ctx context.Context) error {
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	err := tenRecords(ctx)
	if err == nil {
		err = manyAtOnce(ctx)
	}
	return errors.Join(err, deleteTopic(ctx))
}

// deleteTopic deletes the topic if it is there, so that each run begins with an empty one.
func deleteTopic(ctx context.Context) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	response, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err == nil {
		err = response.Errors[topic]
	}
	switch {
	case err == nil, errors.Is(err, kafka.UnknownTopicOrPartition):
		return nil
	case errors.Is(err, kafka.BrokerNotAvailable):
		// This is kafka-go's own error, when it reaches no broker.
		err = errors.New("no broker answers")
	}
	return fmt.Errorf("deleting the topic %s: %w (go run ./00-cluster starts a cluster)", topic, err)
}

// createTopic creates the topic if it isn't there. It returns when the cluster says
// that the topic exists.
func createTopic(ctx context.Context) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 2 s without an answer the request is made again, perhaps to another broker.
		Timeout: 2 * time.Second,
	}
	request := &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{
			Topic: topic,
			// Up to three members of a group can share three partitions. A topic that
			// is there already keeps the number of partitions that it has.
			NumPartitions: 3,
			// Each record lies on three brokers, so none is lost when one of them dies.
			ReplicationFactor: 3,
		}},
	}
	noAnswer := errors.New("no broker answers")
	deadline := time.Now().Add(8 * time.Second)
	var answer error // the cluster's last one
	for {
		response, err := client.CreateTopics(ctx, request)
		if err == nil {
			err = response.Errors[topic]
		}
		switch {
		case errors.Is(err, kafka.TopicAlreadyExists):
			return nil
		case ctx.Err() != nil:
			return nil // Ctrl-C came while the program was waiting.
		case err == nil:
			fmt.Printf("created the topic %s: it is new\n", topic)
			continue // The next answer is that it exists.
		case refused(err):
			return fmt.Errorf("creating the topic %q: %w (its name is at the top of this program, "+
				"its settings are in createTopic: change what the cluster refuses)", topic, err)
		case errors.Is(err, context.DeadlineExceeded),
			errors.Is(err, os.ErrDeadlineExceeded),
			errors.Is(err, kafka.BrokerNotAvailable):
			// These are kafka-go's own errors, when it hears nothing for 2 s or reaches no broker.
			err = noAnswer
		}
		if answer == nil {
			fmt.Printf("waiting to create the topic %s: %v\n", topic, err)
		}
		if answer == nil || err != noAnswer {
			answer = err // A real answer is kept, also when none comes after it.
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}

	// What to do depends on what the cluster has answered.
	advice := "the cluster has not been ready for 8 s: look at its terminal"
	switch {
	case errors.Is(answer, kafka.InvalidReplicationFactor):
		advice = "three replicas need three brokers, and all of them must run"
	case answer == noAnswer:
		advice = "go run ./00-cluster starts three brokers; if a cluster with stopped brokers " +
			"runs in another terminal, type start 1 there"
	}
	return fmt.Errorf("creating the topic %s on %s: %w (%s)", topic, client.Addr, answer, advice)
}

// tenRecords writes ten records in three ways.
func tenRecords(ctx context.Context) error {
	fmt.Println("Ten records. The first way takes ten seconds.")
	var ten []kafka.Message
	for i := range 10 {
		ten = append(ten, kafka.Message{
			Key:   []byte(strconv.Itoa(i)),
			Value: []byte("some value"),
		})
	}
	// Ten calls of WriteMessages with a record each, or one call with ten records.
	var oneByOne [][]kafka.Message
	for _, message := range ten {
		oneByOne = append(oneByOne, []kafka.Message{message})
	}
	together := [][]kafka.Message{ten}

	// Each record waits a second for others, and none come.
	if err := produce(ctx, "one at a time, by default", 0, oneByOne); err != nil {
		return err
	}
	// Each record waits a thousandth of that.
	err := produce(ctx, "one at a time, BatchTimeout 1 ms", time.Millisecond, oneByOne)
	if err != nil {
		return err
	}
	// All ten wait at the same time: a second altogether.
	return produce(ctx, "ten at once, by default", 0, together)
}

// produce makes the calls one after the other, and prints the time they take.
func produce(ctx context.Context, name string, wait time.Duration, calls [][]kafka.Message) error {
	w := newWriter(wait)
	start := time.Now()
	for _, messages := range calls {
		if err := w.WriteMessages(ctx, messages...); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
	}
	fmt.Printf("%-33s %8.3f s\n", name+":", time.Since(start).Seconds())

	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	return nil
}

// newWriter returns a writer that differs from others in BatchTimeout alone.
func newWriter(wait time.Duration) *kafka.Writer {
	return &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. The default is a second.
		BatchTimeout: wait,
	}
}

// manyAtOnce draws how many records a second a hundred goroutines write, each of which waits
// for its record before it writes another.
func manyAtOnce(ctx context.Context) error {
	waits := []time.Duration{
		10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond,
		10 * time.Millisecond, 100 * time.Millisecond, time.Second,
	}
	fmt.Println("\nA hundred goroutines, for half a second or more with each BatchTimeout:")
	var rates, sizes []float64
	most := 0.0
	for _, wait := range waits {
		rate, size, err := measure(ctx, wait)
		if err != nil {
			return err
		}
		rates = append(rates, rate)
		sizes = append(sizes, size)
		most = max(most, rate)
	}

	fmt.Println("  BatchTimeout   records a second   in a request")
	for i, wait := range waits {
		bar := strings.Repeat("█", max(1, int(40*rates[i]/most)))
		fmt.Printf("  %-12v   %16.0f   %12.1f   %s\n", wait, rates[i], sizes[i], bar)
	}
	return nil
}

// measure has a hundred goroutines write. It returns how many records they wrote a second, and
// how many records were in a request.
func measure(ctx context.Context, wait time.Duration) (rate, size float64, err error) {
	w := newWriter(wait)
	var written atomic.Int64
	var writers errgroup.Group
	start := time.Now()
	for i := range 100 {
		writers.Go(func() error {
			message := kafka.Message{Key: []byte(strconv.Itoa(i)), Value: []byte("some value")}
			for time.Since(start) < time.Second/2 {
				if err := w.WriteMessages(ctx, message); err != nil {
					return fmt.Errorf("writing with BatchTimeout %v: %w", wait, err)
				}
				written.Add(1)
			}
			return nil
		})
	}
	err = writers.Wait()
	took := time.Since(start).Seconds()
	err = errors.Join(err, w.Close())

	stats := w.Stats()
	return float64(written.Load()) / took, float64(stats.Messages) / float64(stats.Writes), err
}

// refused tells whether an error is an answer that the cluster would give again and
// again. All other failures may mend themselves, as when a broker comes back.
func refused(err error) bool {
	var each kafka.WriteErrors // from a write, one for each of its records
	if errors.As(err, &each) {
		err = each[0]
	}
	var answer kafka.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer {
	case kafka.InvalidTopic, kafka.InvalidPartitionNumber, kafka.InvalidConfiguration,
		kafka.PolicyViolation, kafka.InvalidRequest, kafka.UnsupportedVersion,
		kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidRecord,
		kafka.InvalidRequiredAcks, kafka.InvalidSessionTimeout, kafka.TopicAuthorizationFailed,
		kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return true
	default:
		return false
	}
}
