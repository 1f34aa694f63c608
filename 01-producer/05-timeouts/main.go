// This program writes four orders. The answer to the third is lost on its way back, so the
// order is written and its writer hears nothing. The program shows what lies in the topic
// then, for each way to deal with it.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic          = "timeouts"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	customer       = "some customer" // All orders have this key, so they lie in one partition.
	lost           = "3"             // The answer to this order is lost.
)

// orders are the ids of four orders. An order has its id before it is written for the first
// time, and keeps it.
var orders = []string{"1", "2", lost, "4"}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run writes the orders in four ways, and looks each time at what lies in the topic.
func run(ctx context.Context) error {
	network := &lossyNetwork{}
	// All of kafka-go's clients and writers connect by this function.
	kafka.DefaultTransport = &kafka.Transport{Dial: network.dial}
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	fmt.Printf("four orders; the answer to order %s is lost, and each way waits 2 s for it\n", lost)
	const row = "%-37s %-13s %-13s %s\n"
	fmt.Printf(row, "", "acknowledged", "in the topic", "worked on, each id once")
	ways := []struct {
		name  string
		write func(context.Context, *lossyNetwork) (acknowledged []string, err error)
	}{
		{"kafka-go tries again by itself", writeByDefault},
		{"the program tries again", writeAgain},
		{"the program takes the error for a no", giveUp},
		{"franz-go tries again, idempotent", writeIdempotent},
	}
	end := int64(0)
	for _, way := range ways {
		acknowledged, err := way.write(ctx, network)
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		var inTopic []string
		inTopic, end, err = read(ctx, end)
		if err != nil {
			return fmt.Errorf("reading the topic: %w", err)
		}
		fmt.Printf(row, way.name, strings.Join(acknowledged, " "), strings.Join(inTopic, " "),
			strings.Join(work(inTopic), " "))
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

// writeByDefault writes each order once, and leaves it to kafka-go to try again. WriteMessages
// tells of no error then.
func writeByDefault(ctx context.Context, network *lossyNetwork) (acknowledged []string, err error) {
	w := newWriter()
	for _, order := range orders {
		network.loseNext.Store(order == lost)
		if err := w.WriteMessages(ctx, message(order)); err != nil {
			return nil, fmt.Errorf("writing order %s: %w", order, err)
		}
		acknowledged = append(acknowledged, order)
	}
	return acknowledged, w.Close()
}

// writeAgain makes one attempt, and writes an order again of which WriteMessages told an error.
func writeAgain(ctx context.Context, network *lossyNetwork) (acknowledged []string, err error) {
	w := newWriter()
	// The default is 10: the writer tries again by itself, and the program doesn't hear of it.
	w.MaxAttempts = 1
	for _, order := range orders {
		network.loseNext.Store(order == lost)
		err := w.WriteMessages(ctx, message(order))
		if err != nil {
			fmt.Printf("  error about order %s: %v\n", order, err)
			err = w.WriteMessages(ctx, message(order))
		}
		if err != nil {
			return nil, fmt.Errorf("writing order %s again: %w", order, err)
		}
		acknowledged = append(acknowledged, order)
	}
	return acknowledged, w.Close()
}

// giveUp makes one attempt, and takes an error for the news that the order isn't written.
func giveUp(ctx context.Context, network *lossyNetwork) (acknowledged []string, err error) {
	w := newWriter()
	w.MaxAttempts = 1
	for _, order := range orders {
		network.loseNext.Store(order == lost)
		err := w.WriteMessages(ctx, message(order))
		if err != nil {
			fmt.Printf("  error about order %s: %v\n", order, err)
			continue
		}
		acknowledged = append(acknowledged, order)
	}
	return acknowledged, w.Close()
}

func newWriter() *kafka.Writer {
	return &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
		// An answer is waited for this long. The default is 10 s.
		WriteTimeout: 2 * time.Second,
	}
}

func message(order string) kafka.Message {
	return kafka.Message{Key: []byte(customer), Value: []byte(order)}
}

// writeIdempotent writes each order once with franz-go, which tries again by itself, too. Each
// of its batches has a number, by which the broker knows the second copy, and drops it.
func writeIdempotent(
	ctx context.Context, network *lossyNetwork,
) (acknowledged []string, err error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker1Address, broker2Address, broker3Address),
		kgo.DefaultProduceTopic(topic),
		// A write succeeds when all in-sync replicas have the record. That is the default, and so
		// is that the producer is idempotent.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		// Both together are how long an answer is waited for. The default is 10 s each.
		kgo.ProduceRequestTimeout(time.Second),
		kgo.RequestTimeoutOverhead(time.Second),
		kgo.Dialer(network.dial),
	)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	for _, order := range orders {
		network.loseNext.Store(order == lost)
		record := kgo.KeySliceRecord([]byte(customer), []byte(order))
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return nil, fmt.Errorf("writing order %s: %w", order, err)
		}
		acknowledged = append(acknowledged, order)
	}
	return acknowledged, nil
}

// A lossyNetwork opens connections to the brokers, and loses an answer when it is told to.
type lossyNetwork struct {
	loseNext atomic.Bool // the answer to the next request that writes records
}

func (n *lossyNetwork) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, kind, address)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, network: n}, nil
}

// A connection is one on which no answer arrives any more, once one was lost.
type connection struct {
	net.Conn
	network *lossyNetwork
	loses   atomic.Bool
}

// Write sends a request to the broker. After four bytes for its length come two for its kind,
// which are 0 if it writes records.
func (c *connection) Write(request []byte) (int, error) {
	writes := len(request) > 6 && request[4] == 0 && request[5] == 0
	if writes && c.network.loseNext.CompareAndSwap(true, false) {
		c.loses.Store(true)
	}
	return c.Conn.Write(request)
}

// Read receives what the broker answers.
func (c *connection) Read(answer []byte) (int, error) {
	for {
		n, err := c.Conn.Read(answer)
		if err != nil || !c.loses.Load() {
			return n, err
		}
		// The answer came, and nobody sees it. The next one is waited for, until the client gives up.
	}
}

// read returns the orders that lie in the topic from an offset on, and where they end.
func read(ctx context.Context, from int64) (inTopic []string, end int64, err error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		// Without a group, a reader reads one partition: here the one that the key belongs to.
		Partition: kafka.Murmur2Balancer{}.Balance(message(""), 0, 1, 2),
		// A fetch waits this long for records. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := r.SetOffset(from); err != nil {
		return nil, 0, err
	}
	for {
		record, err := r.ReadMessage(ctx)
		if err != nil {
			return nil, 0, err
		}
		inTopic = append(inTopic, string(record.Value))
		// The high-water mark is the offset that the next record will have.
		if record.Offset+1 == record.HighWaterMark {
			return inTopic, record.HighWaterMark, nil
		}
	}
}

// work does the work on each order once: it drops an order whose id it knows already.
func work(inTopic []string) (worked []string) {
	for _, order := range inTopic {
		if slices.Contains(worked, order) {
			continue
		}
		worked = append(worked, order)
	}
	return worked
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
