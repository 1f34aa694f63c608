// This program shows where a new group starts with three clients, reads again from an
// offset and from a time, and has a group work on yesterday's records once more.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic          = "replay"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

// All records have this key, so they lie in one partition.
var key = []byte("some key")

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run writes records of yesterday, and then reads them in many ways.
func run(ctx context.Context) error {
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := produce(ctx, yesterday(7), yesterday(8), yesterday(9), yesterday(10)); err != nil {
		return err
	}
	// Each start of this program takes groups of its own, so that it can be repeated.
	prefix := topic + "-" + time.Now().Format("150405.000") + "-"

	fmt.Println("1. There are four records. A new group begins, by default, with:")
	if err := newGroups(ctx, prefix); err != nil {
		return err
	}
	fmt.Println("2. A reader without a group begins with:")
	if err := withoutGroup(ctx); err != nil {
		return err
	}
	fmt.Println("3. A group has worked on all records, and is to do it again. It begins with:")
	if err := again(ctx, prefix+"again"); err != nil {
		return err
	}

	for _, name := range []string{"kafka-go", "franz-go", "sarama", "sarama-oldest", "again"} {
		if err := deleteGroup(ctx, prefix+name); err != nil {
			return err
		}
	}
	return deleteTopic(ctx)
}

// yesterday returns a full hour of yesterday.
func yesterday(hour int) time.Time {
	now := time.Now()
	return time.Date(now.Year(), now.Month(), now.Day()-1, hour, 0, 0, 0, time.Local)
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

// produce writes records with these times, which stand in their values, too.
func produce(ctx context.Context, times ...time.Time) error {
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
	for _, t := range times {
		day := "today"
		if t.Day() != time.Now().Day() {
			day = "yesterday"
		}
		// A record has the time that its producer gives it. By default that is the present.
		message := kafka.Message{Key: key, Value: []byte(day + t.Format(" 15:04")), Time: t}
		if err := w.WriteMessages(ctx, message); err != nil {
			return errors.Join(fmt.Errorf("writing: %w", err), w.Close())
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	return nil
}

// newGroups joins a new group with each client, and prints the first record that it gets.
func newGroups(ctx context.Context, prefix string) error {
	// Whoever begins at the end receives only what is written from now on.
	writing, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan error, 1)
	go func() { written <- produceUntil(writing) }()

	oldest := sarama.NewConfig()
	oldest.Consumer.Offsets.Initial = sarama.OffsetOldest
	withSarama := func(config *sarama.Config) func(context.Context, string) (string, error) {
		return func(ctx context.Context, group string) (string, error) {
			return firstOfSarama(ctx, group, config)
		}
	}
	for _, client := range []struct {
		name, group string
		first       func(ctx context.Context, group string) (string, error)
	}{
		{"kafka-go", "kafka-go", firstOfKafkaGo},
		{"franz-go", "franz-go", firstOfFranzGo},
		{"sarama", "sarama", withSarama(sarama.NewConfig())},
		{"sarama, OffsetOldest", "sarama-oldest", withSarama(oldest)},
	} {
		first, err := client.first(ctx, prefix+client.group)
		if err != nil {
			return fmt.Errorf("receiving with %s: %w", client.name, err)
		}
		fmt.Printf("  %-40s %s\n", client.name, first)
	}
	stop()
	return <-written
}

// produceUntil writes a record of the present five times a second, until ctx is cancelled.
func produceUntil(ctx context.Context) error {
	for ctx.Err() == nil {
		err := produce(ctx, time.Now())
		if err != nil && ctx.Err() == nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}

// firstOfKafkaGo returns the first record that a group gets with kafka-go's defaults.
func firstOfKafkaGo(ctx context.Context, group string) (string, error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		GroupID: group,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	message, err := r.FetchMessage(ctx)
	return string(message.Value), errors.Join(err, r.Close())
}

// firstOfFranzGo returns the first record that a group gets with franz-go's defaults.
func firstOfFranzGo(ctx context.Context, group string) (string, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker1Address, broker2Address, broker3Address),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
	)
	if err != nil {
		return "", err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return "", err
		}
		for record := range fetches.RecordsAll() {
			return string(record.Value), nil
		}
	}
}

// firstOfSarama returns the first record that a group gets with sarama.
func firstOfSarama(ctx context.Context, group string, config *sarama.Config) (string, error) {
	addresses := []string{broker1Address, broker2Address, broker3Address}
	consumer, err := sarama.NewConsumerGroup(addresses, group, config)
	if err != nil {
		return "", err
	}
	first := make(firstRecord, 1)
	for len(first) == 0 && err == nil {
		err = consumer.Consume(ctx, []string{topic}, first)
	}
	if err := errors.Join(err, consumer.Close()); err != nil {
		return "", err
	}
	return <-first, nil
}

// firstRecord takes the value of the first record that comes to it.
type firstRecord chan string

// Setup is called when the member gets its partitions.
func (firstRecord) Setup(sarama.ConsumerGroupSession) error { return nil }

// Cleanup is called when the member loses its partitions.
func (firstRecord) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim is called for each partition. When it returns, the session ends.
func (f firstRecord) ConsumeClaim(
	_ sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim,
) error {
	message, ok := <-claim.Messages()
	if ok {
		f <- string(message.Value)
	}
	return nil
}

// withoutGroup reads from three places. It commits nothing, so no group is changed.
func withoutGroup(ctx context.Context) error {
	for _, place := range []struct {
		name string
		set  func(*kafka.Reader) error
	}{
		{"SetOffset(kafka.FirstOffset)", func(r *kafka.Reader) error {
			return r.SetOffset(kafka.FirstOffset)
		}},
		{"SetOffset(3)", func(r *kafka.Reader) error {
			return r.SetOffset(3)
		}},
		{"SetOffsetAt(ctx, yesterday at 9:00)", func(r *kafka.Reader) error {
			return r.SetOffsetAt(ctx, yesterday(9))
		}},
	} {
		r := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{broker1Address, broker2Address, broker3Address},
			Topic:   topic,
			// Without a group, a reader reads one partition: here the one of the key.
			Partition: kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: key}, 0, 1, 2),
			// A fetch waits this long for records, and Close waits for it. The default is 10 s.
			MaxWait: 500 * time.Millisecond,
		})
		err := place.set(r)
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", place.name, err), r.Close())
		}
		message, err := r.ReadMessage(ctx)
		if err := errors.Join(err, r.Close()); err != nil {
			return fmt.Errorf("receiving from %s: %w", place.name, err)
		}
		fmt.Printf("  %-40s %s\n", place.name, message.Value)
	}
	return nil
}

// again has a group work on all records, and then tries to have it begin anew.
func again(ctx context.Context, group string) error {
	r := reader(group)
	for atEnd := false; !atEnd; {
		message, err := r.FetchMessage(ctx)
		if err == nil {
			err = r.CommitMessages(ctx, message)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("working as the group %s: %w", group, err), r.Close())
		}
		atEnd = message.Offset+1 == message.HighWaterMark
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("closing the reader: %w", err)
	}

	if err := produce(ctx, time.Now()); err != nil {
		return err
	}
	r = reader(group)
	if err := printFirst(ctx, r, "StartOffset: kafka.FirstOffset"); err != nil {
		return errors.Join(err, r.Close())
	}
	// The reader is still a member of the group.
	refusal := reset(ctx, group, yesterday(9))
	if refusal == nil {
		return errors.Join(errors.New("the group was reset under its member"), r.Close())
	}
	fmt.Printf("  %-40s refused: %v\n", "reset, while a member is there", refusal)
	if err := r.Close(); err != nil {
		return fmt.Errorf("closing the reader: %w", err)
	}

	// The last member has left.
	if err := reset(ctx, group, yesterday(9)); err != nil {
		return err
	}
	r = reader(group)
	return errors.Join(printFirst(ctx, r, "reset to yesterday at 9:00"), r.Close())
}

// reader returns a reader for a group.
func reader(group string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		// The group's committed offset says where this start goes on.
		GroupID: group,
		// Only where the group has committed nothing, it starts at the oldest record.
		StartOffset: kafka.FirstOffset,
		// After a failure the reader waits a second, and joins the group again. The default is 5 s.
		JoinGroupBackoff: time.Second,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
}

// printFirst prints the first record that a reader gets.
func printFirst(ctx context.Context, r *kafka.Reader, what string) error {
	message, err := r.FetchMessage(ctx)
	if err != nil {
		return fmt.Errorf("receiving: %w", err)
	}
	fmt.Printf("  %-40s %s\n", what, message.Value)
	return nil
}

// reset has a group go on, in each partition, with the first record that has this time or a
// later one. The group may have no member.
func reset(ctx context.Context, group string, from time.Time) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	var questions []kafka.OffsetRequest
	for partition := range 3 {
		questions = append(questions,
			kafka.TimeOffsetOf(partition, from), kafka.LastOffsetOf(partition))
	}
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: questions},
	})
	if err != nil {
		return fmt.Errorf("asking for offsets: %w", err)
	}
	var commits []kafka.OffsetCommit
	for _, p := range offsets.Topics[topic] {
		if p.Error != nil {
			return fmt.Errorf("asking for the offsets of partition %d: %w", p.Partition, p.Error)
		}
		commit := kafka.OffsetCommit{Partition: p.Partition, Offset: p.LastOffset}
		for offset := range p.Offsets {
			if offset >= 0 { // There is a record of that time or later.
				commit.Offset = offset
			}
		}
		commits = append(commits, commit)
	}

	response, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{
		GroupID: group,
		// No member commits here. The coordinator takes that only while the group has no member.
		GenerationID: -1,
		Topics:       map[string][]kafka.OffsetCommit{topic: commits},
	})
	if err != nil {
		return fmt.Errorf("committing for the group %s: %w", group, err)
	}
	for _, p := range response.Topics[topic] {
		if p.Error != nil {
			return p.Error
		}
	}
	return nil
}

// deleteGroup deletes a group, which has no member any more.
func deleteGroup(ctx context.Context, group string) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	request := &kafka.DeleteGroupsRequest{GroupIDs: []string{group}}
	response, err := client.DeleteGroups(ctx, request)
	if err == nil {
		err = response.Errors[group]
	}
	// A group that has committed nothing may be gone as soon as its last member has left.
	if err != nil && !errors.Is(err, kafka.GroupIdNotFound) {
		return fmt.Errorf("deleting the group %s: %w", group, err)
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
