// This program writes asynchronously, so WriteMessages doesn't wait for the brokers. It shows
// who then hears of a record that was refused, and what is left of the records when main
// returns at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "async"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	written        = 10
	tooLarge       = 5 // The broker refuses this record.
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run writes ten records in three ways, of which the broker refuses one. Then it starts
// processes that write ten records and end.
func run(ctx context.Context) error {
	if len(os.Args) > 1 {
		return writeAndReturn(ctx, os.Args[1]) // This is a process that startItself has started.
	}
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}

	fmt.Printf("%d records, of which the broker refuses record %d:\n", written, tooLarge)
	if err := produce(ctx, "each write waited for", false, false); err != nil {
		return err
	}
	if err := produce(ctx, "Async, and nobody asks", true, false); err != nil {
		return err
	}
	if err := produce(ctx, "Async, with a Completion", true, true); err != nil {
		return err
	}

	fmt.Printf("%d good records, Async, and main returns:\n", written)
	if err := startItself(ctx, "without Close"); err != nil {
		return err
	}
	if err := startItself(ctx, "after Close"); err != nil {
		return err
	}
	return deleteTopic(ctx)
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

// produce writes the records, and prints how many errors the program heard of and how many
// records are in the topic then.
func produce(ctx context.Context, name string, async, asks bool) error {
	before, err := inTopic(ctx)
	if err != nil {
		return err
	}
	var heard atomic.Int64
	tell := func(record []byte, err error) {
		heard.Add(1)
		fmt.Printf("  record %s: %v\n", record, err)
	}

	w := newWriter()
	// WriteMessages returns as soon as a record is handed over, so it never tells of a broker that
	// refuses the record. By default it waits.
	w.Async = async
	if asks {
		// The writer tells here what became of a batch. Its goroutines call this, several at a time.
		w.Completion = func(messages []kafka.Message, err error) {
			if err != nil {
				tell(messages[0].Key, err)
			}
		}
	}
	// Each record travels alone, so that the broker refuses only the one that is too large.
	w.BatchSize = 1
	// The writer lets large records pass. By default it refuses those over 1 MB by itself.
	w.BatchBytes = 10 << 20
	for number := 1; number <= written; number++ {
		message := kafka.Message{Key: []byte(strconv.Itoa(number)), Value: []byte("some value")}
		if number == tooLarge {
			message.Value = make([]byte, 2<<20) // By default a topic takes 1 MB.
		}
		if err := w.WriteMessages(ctx, message); err != nil {
			tell(message.Key, err)
		}
	}
	// Close waits until the last batch was written or refused. It always returns nil.
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}

	after, err := inTopic(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%-26s errors heard of: %d   records in the topic: %d\n",
		name, heard.Load(), after-before)
	return nil
}

// newWriter returns a writer with kafka-go's defaults, but for two.
func newWriter() *kafka.Writer {
	return &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// The broker answers when all in-sync replicas have the record. By default it doesn't
		// answer at all, and no Completion would hear of a record that was lost.
		RequiredAcks: kafka.RequireAll,
	}
}

// startItself starts this program a second time, as a process of its own: when its main
// returns, its goroutines end, too. It prints how many records that process left in the topic.
func startItself(ctx context.Context, name string) error {
	before, err := inTopic(ctx)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("looking for this program: %w", err)
	}
	process := exec.CommandContext(ctx, program, name)
	process.Stderr = os.Stderr
	if err := process.Run(); err != nil {
		return fmt.Errorf("running this program a second time: %w", err)
	}
	after, err := inTopic(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%-26s exit status 0        records in the topic: %d\n", name, after-before)
	return nil
}

// writeAndReturn hands the records to a writer that is asynchronous, and returns. So does main.
func writeAndReturn(ctx context.Context, name string) error {
	w := newWriter()
	w.Async = true
	for number := 1; number <= written; number++ {
		message := kafka.Message{Key: []byte(strconv.Itoa(number)), Value: []byte("some value")}
		if err := w.WriteMessages(ctx, message); err != nil {
			return fmt.Errorf("writing record %d: %w", number, err)
		}
	}
	if name == "without Close" {
		return nil
	}
	// What still waits for its batch is written now, and Close returns when it is.
	return w.Close()
}

// inTopic returns how many records the topic has.
func inTopic(ctx context.Context) (records int64, err error) {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	request := &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{
			topic: {kafka.LastOffsetOf(0), kafka.LastOffsetOf(1), kafka.LastOffsetOf(2)},
		},
	}
	for range 20 {
		records = 0
		var response *kafka.ListOffsetsResponse
		response, err = client.ListOffsets(ctx, request)
		if err == nil {
			for _, partition := range response.Topics[topic] {
				err = errors.Join(err, partition.Error)
				records += partition.LastOffset
			}
		}
		if err == nil || ctx.Err() != nil {
			break
		}
		time.Sleep(100 * time.Millisecond) // A broker hears a moment later of a new topic.
	}
	if err != nil {
		return 0, fmt.Errorf("counting the records of %s: %w", topic, err)
	}
	return records, nil
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
