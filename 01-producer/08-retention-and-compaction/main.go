// This program removes the oldest records of a topic, as retention does, and shows where a
// group goes on that had committed one of them, client by client. On Apache Kafka it also shows
// what compaction leaves of a topic.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic          = "retention"
	groupID        = "retention" // Each group has this name, the client's and the time.
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	committed      = 2 // Each group had read the offsets 0 and 1 before it went away.
	start          = 7 // The records before this offset are removed.
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run removes records and has the groups come back. Then it looks at a compacted topic.
func run(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker1Address, broker2Address, broker3Address))
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopicWith(ctx, nil); err != nil {
		return err
	}
	if err := removeAndComeBack(ctx, admin); err != nil {
		return err
	}
	if err := deleteTopic(ctx); err != nil {
		return err
	}

	metadata, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("asking for the cluster's name: %w", err)
	}
	if metadata.Cluster == "embedded-cluster" {
		fmt.Println("compaction isn't shown here, since this cluster compacts once an hour: " +
			"docker compose up -d --wait starts Apache Kafka, which takes about 15 s for it")
		return nil
	}
	if err := compact(ctx); err != nil {
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

// createTopicWith creates the topic with some settings. It has one partition, so that an
// offset is enough to name a record.
func createTopicWith(ctx context.Context, settings []kafka.ConfigEntry) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	response, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{
			Topic:         topic,
			NumPartitions: 1,
			// Each record lies on three brokers, so none is lost when one of them dies.
			ReplicationFactor: 3,
			ConfigEntries:     settings,
		}},
	})
	if err == nil {
		err = response.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("creating the topic %s: %w", topic, err)
	}
	return nil
}

// A receiver joins a group, and returns the offset of the first record that it is handed.
type receiver func(ctx context.Context, group string) (offset int64, err error)

// removeAndComeBack writes ten records, and has groups with a committed offset come back when
// the record at that offset is gone.
func removeAndComeBack(ctx context.Context, admin *kadm.Client) error {
	for number := range 10 {
		if err := write(ctx, "some key", []byte(fmt.Sprint("record ", number))); err != nil {
			return err
		}
	}
	if err := tellOffsets(ctx, admin, "ten records are written"); err != nil {
		return err
	}
	// Retention removes old records too, but looks for them only every five minutes. This request
	// removes them at once.
	removed, err := admin.DeleteRecords(ctx, offset(start))
	if err == nil {
		err = removed.Error()
	}
	if err != nil {
		return fmt.Errorf("removing records: %w", err)
	}
	if err := tellOffsets(ctx, admin, "the oldest seven are removed"); err != nil {
		return err
	}

	fmt.Printf("groups come back that had committed offset %d:\n", committed)
	clients := []struct {
		name    string
		receive receiver
	}{
		{"kafka-go", byKafkaGo},
		{"franz-go", byFranzGo},
		{"sarama", bySarama(sarama.OffsetNewest)}, // It is the default.
		{"sarama, OffsetOldest", bySarama(sarama.OffsetOldest)},
	}
	now := time.Now().Format("150405.000")
	for _, client := range clients {
		group := groupID + "-" + strings.ReplaceAll(client.name, ", ", "-") + "-" + now
		if err := comeBack(ctx, admin, group, client.name, client.receive); err != nil {
			return fmt.Errorf("%s: %w", client.name, err)
		}
	}
	return nil
}

// write writes one record.
func write(ctx context.Context, key string, value []byte) error {
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
	err := w.WriteMessages(ctx, kafka.Message{Key: []byte(key), Value: value})
	err = errors.Join(err, w.Close())
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// tellOffsets prints which offsets the topic has.
func tellOffsets(ctx context.Context, admin *kadm.Client, what string) error {
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("asking where the topic starts: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("asking where the topic ends: %w", err)
	}
	fmt.Printf("%-29s offsets %d to %d\n", what+":",
		starts[topic][0].Offset, ends[topic][0].Offset-1)
	return nil
}

// offset names an offset of the topic's only partition.
func offset(at int64) kadm.Offsets {
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, 0, at, -1)
	return offsets
}

// comeBack commits an offset for a group, as if the group had been there before, and prints
// where it goes on. In the end it deletes the group.
func comeBack(
	ctx context.Context, admin *kadm.Client, group, name string, receive receiver,
) error {
	if err := admin.CommitAllOffsets(ctx, group, offset(committed)); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	var first int64
	received := make(chan error, 1)
	go func() {
		var err error
		first, err = receive(ctx, group)
		received <- err
	}()
	for {
		select {
		case err := <-received:
			if err != nil {
				return err
			}
			skips := ""
			if first > start {
				skips = fmt.Sprintf(", and skips %d to %d, which are there", start, first-1)
			}
			fmt.Printf("  %-27s goes on at %d%s\n", name, first, skips)
			return deleteGroup(ctx, admin, group)
		case <-time.After(3 * time.Second):
			fmt.Println("    nothing comes for 3 s, so a new record is written")
			if err := write(ctx, "some key", []byte("a new record")); err != nil {
				return err
			}
		}
	}
}

// byKafkaGo joins with kafka-go's defaults.
func byKafkaGo(ctx context.Context, group string) (offset int64, err error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		GroupID: group,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	message, err := r.FetchMessage(ctx)
	return message.Offset, errors.Join(err, r.Close())
}

// byFranzGo joins with franz-go's defaults.
func byFranzGo(ctx context.Context, group string) (offset int64, err error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker1Address, broker2Address, broker3Address),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
	)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	fetches := client.PollRecords(ctx, 1)
	if err := fetches.Err(); err != nil {
		return 0, err
	}
	return fetches.Records()[0].Offset, nil
}

// bySarama joins with sarama's defaults, but for where a group starts.
func bySarama(initial int64) receiver {
	return func(ctx context.Context, group string) (offset int64, err error) {
		config := sarama.NewConfig()
		// A group starts here where it has committed nothing, and where the record at its
		// committed offset is gone. The default is the end.
		config.Consumer.Offsets.Initial = initial
		brokers := []string{broker1Address, broker2Address, broker3Address}
		consumer, err := sarama.NewConsumerGroup(brokers, group, config)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, consumer.Close()) }()
		first := make(firstOffset, 1)
		for {
			// Consume returns when the first record has come, and before that at a rebalance.
			if err := consumer.Consume(ctx, []string{topic}, first); err != nil {
				return 0, err
			}
			select {
			case offset := <-first:
				return offset, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			default:
			}
		}
	}
}

// A firstOffset is a handler for sarama that takes one record.
type firstOffset chan int64

func (firstOffset) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (firstOffset) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (first firstOffset) ConsumeClaim(
	_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	message, ok := <-claim.Messages()
	if ok {
		first <- message.Offset
	}
	return nil
}

// deleteGroup deletes a group, as soon as its member has left.
func deleteGroup(ctx context.Context, admin *kadm.Client, group string) error {
	for {
		response, err := admin.DeleteGroup(ctx, group)
		if err == nil {
			err = response.Err
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, kerr.NonEmptyGroup) || ctx.Err() != nil {
			return fmt.Errorf("deleting the group %s: %w", group, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// compact creates the topic anew with settings that have it compacted soon, writes to it, and
// prints what lies in it before and after.
func compact(ctx context.Context) error {
	err := createTopicWith(ctx, []kafka.ConfigEntry{
		// The newest record of each key is kept. By default records are deleted when they are old.
		{ConfigName: "cleanup.policy", ConfigValue: "compact"},
		// A segment is a file of the log. The newest one is never compacted, so a new one begins
		// after a second. The default is a week.
		{ConfigName: "segment.ms", ConfigValue: "1000"},
		// A log is compacted as soon as 1 % of it is new. The default is half of it.
		{ConfigName: "min.cleanable.dirty.ratio", ConfigValue: "0.01"},
	})
	if err != nil {
		return err
	}
	// Customers and where they live. The last record of Alan has no value: it is a tombstone,
	// which says that the key is deleted.
	for _, record := range []struct {
		key   string
		value []byte
	}{
		{"Ada", []byte("London")},
		{"Alan", []byte("Paris")},
		{"Ada", []byte("Rome")},
		{"Alan", []byte("Oslo")},
		{"Ada", []byte("Bern")},
		{"Alan", nil},
	} {
		if err := write(ctx, record.key, record.value); err != nil {
			return err
		}
	}
	before, err := read(ctx)
	if err != nil {
		return err
	}
	fmt.Println("a compacted topic:", strings.Join(before, ", "))
	time.Sleep(1500 * time.Millisecond)
	if err := write(ctx, "Grace", []byte("Lisbon")); err != nil {
		return err
	}
	fmt.Println("one more record begins a new segment; those before it can be compacted now")
	fmt.Println("the broker looks every 15 s whether there is something to compact: waiting for it")
	deadline := time.Now().Add(time.Minute)
	left := before
	for len(left) >= len(before) {
		if time.Now().After(deadline) {
			return errors.New("nothing was compacted within a minute")
		}
		time.Sleep(500 * time.Millisecond)
		left, err = read(ctx)
		if err != nil {
			return err
		}
	}
	fmt.Println("what is left of it:", strings.Join(left, ", "))
	return nil
}

// read returns what lies in the topic.
func read(ctx context.Context) (records []string, err error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		// A fetch waits this long for records. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		message, err := r.ReadMessage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading: %w", err)
		}
		value := string(message.Value)
		if message.Value == nil {
			value = "(tombstone)"
		}
		records = append(records, fmt.Sprintf("%d %s=%s", message.Offset, message.Key, value))
		// The high-water mark is the offset that the next record will have.
		if message.Offset+1 == message.HighWaterMark {
			return records, nil
		}
	}
}
