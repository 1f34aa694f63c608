// This program "crashes" with a record in hand, and starts again: once with
// ReadMessage, which commits before the work, and once with FetchMessage and
// CommitMessages, which commit after it.
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
	topic          = "crash"
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

// A receiver is one of the two methods of kafka-go's reader that return a record.
type receiver func(*kafka.Reader, context.Context) (kafka.Message, error)

// run crashes and starts again with each of the two methods.
func run(ctx context.Context) error {
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := produce(ctx); err != nil {
		return err
	}
	// Each start of this program takes groups of its own, so that it can be repeated.
	now := time.Now().Format("150405.000")

	fmt.Println("ReadMessage commits, then the work begins:")
	if err := consumeTwice(ctx, "read-"+now, (*kafka.Reader).ReadMessage); err != nil {
		return err
	}
	fmt.Println("FetchMessage doesn't commit. CommitMessages would, after the work:")
	return consumeTwice(ctx, "fetch-"+now, (*kafka.Reader).FetchMessage)
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

// produce writes three records with the same key. So they lie in one partition, in this order.
func produce(ctx context.Context) error {
	w := &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
	}
	for _, value := range []string{"first", "second", "third"} {
		message := kafka.Message{Key: []byte("some key"), Value: []byte(value)}
		if err := w.WriteMessages(ctx, message); err != nil {
			return fmt.Errorf("writing the %s record: %w", value, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	return nil
}

// consumeTwice receives a record and crashes, then starts again and receives another.
func consumeTwice(ctx context.Context, group string, receive receiver) error {
	for _, then := range []string{
		"and the program crashes before its work is done",
		"after the restart",
	} {
		r := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{broker1Address, broker2Address, broker3Address},
			Topic:   topic,
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
