// This program starts readers before their topic is there, and adds partitions while
// readers read. It counts the readers that receive what is written then.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "late-topic"
	groupID        = "late-topic"
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

// run has a topic come late, and then three more partitions of it.
func run(ctx context.Context) error {
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	// Each start of this program takes groups of its own, so that it can be repeated.
	now := time.Now().Format("150405.000-")
	if err := lateTopic(ctx, groupID+"-"+now+"topic-"); err != nil {
		return err
	}
	if err := latePartitions(ctx, groupID+"-"+now+"partitions-"); err != nil {
		return err
	}
	return deleteTopic(ctx)
}

// lateTopic starts five readers with each of two settings, and then creates the topic.
func lateTopic(ctx context.Context, prefix string) error {
	var byDefault, watching []*member
	for i := range 5 {
		byDefault = append(byDefault, start(ctx, fmt.Sprint(prefix, i), false, kafka.FirstOffset))
		watching = append(watching, start(ctx, fmt.Sprint(prefix, 5+i), true, kafka.FirstOffset))
	}
	fmt.Println("Ten readers start. 2 s later their topic is created, and a record is written to")
	fmt.Println("each of its three partitions. After 6 s more, the records have come to:")
	time.Sleep(2 * time.Second)
	// On a cluster that has just started it may take longer until each has joined its group.
	for joins(byDefault) < 5 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	joined, joinedWatching := joins(byDefault), joins(watching)
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := produce(ctx, nil, 3); err != nil {
		return err
	}
	time.Sleep(6 * time.Second)
	fmt.Printf("  by default                 %d of 5 readers (joined groups %d times in the 2 s)\n",
		receivers(byDefault), joined)
	fmt.Printf("  WatchPartitionChanges      %d of 5 readers (joined groups %d times in the 2 s)\n",
		receivers(watching), joinedWatching)
	if err := closeAll(byDefault, watching); err != nil {
		return err
	}

	// The same groups begin once more. The topic is there now.
	for i, m := range byDefault {
		byDefault[i] = start(ctx, m.group, false, kafka.FirstOffset)
	}
	for receivers(byDefault) < 5 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Printf("  by default, started again  %d of 5 readers\n", receivers(byDefault))
	if err := closeAll(byDefault); err != nil {
		return err
	}
	return deleteGroups(ctx, groupsOf(byDefault, watching)...)
}

// latePartitions starts three readers of the topic, and then adds three partitions to it.
func latePartitions(ctx context.Context, prefix string) error {
	readers := []*member{
		start(ctx, prefix+"default", false, kafka.FirstOffset),
		start(ctx, prefix+"watching", true, kafka.FirstOffset),
		start(ctx, prefix+"last", true, kafka.LastOffset),
	}
	for joins(readers) < 3 && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Println("Three readers read. Three partitions are added, and a record is written to each of")
	fmt.Println("the six. After 7 s, those in the new partitions have come to:")
	transport, err := addPartitions(ctx)
	if err != nil {
		return err
	}
	if err := produce(ctx, transport, 6); err != nil {
		return err
	}
	written := time.Now()
	time.Sleep(7 * time.Second)
	for i, name := range []string{
		"by default                ",
		"WatchPartitionChanges     ",
		"the same, with LastOffset ",
	} {
		fmt.Printf("  %s %d of 3 records", name, readers[i].added.Load())
		if last := readers[i].last.Load(); last != nil {
			fmt.Printf(", after %.1f s", last.Sub(written).Seconds())
		}
		fmt.Println()
	}
	if err := closeAll(readers); err != nil {
		return err
	}
	return deleteGroups(ctx, groupsOf(readers)...)
}

// A member is a reader that is the only one of its group.
type member struct {
	group  string
	reader *kafka.Reader
	joined int64
	// How many records it has received, how many of them from partitions that were added, and
	// when the last of those came.
	received, added atomic.Int64
	last            atomic.Pointer[time.Time]
}

// start starts a reader, and returns at once.
func start(ctx context.Context, group string, watch bool, offset int64) *member {
	m := &member{group: group}
	m.reader = kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		GroupID: group,
		// Whether the reader looks every 5 s if the topic has other partitions than before. If so,
		// it joins its group again, and gets them. By default it doesn't look.
		WatchPartitionChanges: watch,
		// Where the reader starts in a partition in which its group has committed nothing.
		StartOffset: offset,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	go m.receive(ctx)
	return m
}

// receive counts records until the reader is closed.
func (m *member) receive(ctx context.Context) {
	for {
		message, err := m.reader.FetchMessage(ctx)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			return
		}
		if err != nil {
			fmt.Println("waiting to receive:", err)
			continue // The reader goes on trying by itself.
		}
		m.received.Add(1)
		if message.Partition >= 3 {
			now := time.Now()
			m.last.Store(&now)
			m.added.Add(1)
		}
	}
}

// receivers returns how many members have received something.
func receivers(members []*member) (n int) {
	for _, m := range members {
		if m.received.Load() > 0 {
			n++
		}
	}
	return n
}

// joins returns how many times all members together have joined their groups.
func joins(members []*member) (n int64) {
	for _, m := range members {
		m.joined += m.reader.Stats().Rebalances // since the last call of Stats
		n += m.joined
	}
	return n
}

// groupsOf returns the names of the members' groups.
func groupsOf(kinds ...[]*member) (groups []string) {
	for _, members := range kinds {
		for _, m := range members {
			groups = append(groups, m.group)
		}
	}
	return groups
}

// closeAll closes all readers at the same time.
func closeAll(kinds ...[]*member) error {
	var closing sync.WaitGroup
	var failed atomic.Pointer[error]
	for _, members := range kinds {
		for _, m := range members {
			closing.Go(func() {
				if err := m.reader.Close(); err != nil {
					failed.Store(&err)
				}
			})
		}
	}
	closing.Wait()
	if err := failed.Load(); err != nil {
		return fmt.Errorf("closing a reader: %w", *err)
	}
	return nil
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

// addPartitions gives the topic six partitions in place of three. It returns a transport that
// knows them, for a writer: the one that writers have by default looks for them every 6 s.
func addPartitions(ctx context.Context) (*kafka.Transport, error) {
	transport := &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	client := &kafka.Client{
		Addr:      kafka.TCP(broker1Address, broker2Address, broker3Address),
		Transport: transport,
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	response, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 6}},
	})
	if err == nil {
		err = response.Errors[topic]
	}
	for err == nil {
		var metadata *kafka.MetadataResponse
		metadata, err = client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err == nil && len(metadata.Topics[0].Partitions) == 6 {
			return transport, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("adding partitions: %w", err)
}

// produce writes a record to each of the topic's partitions, of which it is told the number.
func produce(ctx context.Context, transport kafka.RoundTripper, partitions int) error {
	w := &kafka.Writer{
		Addr:      kafka.TCP(broker1Address, broker2Address, broker3Address),
		Transport: transport,
		Topic:     topic,
		// The records go to the partitions in turn, since each shall have one.
		Balancer: &kafka.RoundRobin{},
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
	}
	messages := make([]kafka.Message, partitions)
	for i := range messages {
		messages[i].Value = []byte("some value")
	}
	if err := w.WriteMessages(ctx, messages...); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	return nil
}

// deleteGroups deletes the groups of this run. No member is left in them.
func deleteGroups(ctx context.Context, groups ...string) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	// One request may name only groups with the same coordinator, so each group has its own.
	for _, group := range groups {
		request := &kafka.DeleteGroupsRequest{GroupIDs: []string{group}}
		response, err := client.DeleteGroups(ctx, request)
		if err == nil {
			err = response.Errors[group]
		}
		if err != nil {
			return fmt.Errorf("deleting the group %s: %w", group, err)
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
