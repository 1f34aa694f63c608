// This program watches the lag of a group: of one consumer that falls behind, and of three
// that catch up. Then it shows three readers for which the same records are there, and which
// receive them at different times.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "lag"
	groupID        = "lag"
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

// run has a group fall behind and catch up, and then writes what nobody in it reads.
func run(ctx context.Context) error {
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	// Each start of this program takes a group of its own, so that it can be repeated.
	group := groupID + "-" + time.Now().Format("150405.000")
	if err := fallBehindAndCatchUp(ctx, group); err != nil {
		return err
	}
	if err := fetchSizes(ctx, group); err != nil {
		return err
	}
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	return deleteGroup(ctx, group)
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

// fallBehindAndCatchUp prints the lag of the group once a second, while one member reads, and
// then while three do.
func fallBehindAndCatchUp(ctx context.Context, group string) error {
	fmt.Println("120 records a second are written. A consumer works 10 ms on each, and commits it:")
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	reading, stopReading := context.WithCancel(ctx)
	defer stopReading()
	var all errgroup.Group
	all.Go(func() error { return produce(writing) })
	first := newMember(group)
	all.Go(func() error { return consume(reading, first) })

	for second := 1; second <= 20; second++ {
		time.Sleep(time.Second)
		left, err := lag(ctx, group)
		if err != nil {
			return err
		}
		fmt.Printf("  after %d s   lag %d\n", second, left)
		if second == 3 {
			fmt.Printf("kafka-go's own Reader.Lag() says %d. Two more consumers join the group:\n",
				first.Lag())
			all.Go(func() error { return consume(reading, newMember(group)) })
			all.Go(func() error { return consume(reading, newMember(group)) })
		}
		if second > 3 && left < 20 {
			break
		}
	}

	// Nothing is written any more. The members end when they have worked on all there is.
	stopWriting()
	for {
		left, err := lag(ctx, group)
		if err != nil {
			return err
		}
		if left == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	stopReading()
	return all.Wait()
}

// produce writes 120 records a second until ctx is cancelled.
func produce(ctx context.Context) error {
	w := newWriter(kafka.Murmur2Balancer{})
	begin := time.Now()
	written := 0
	for ctx.Err() == nil {
		var due []kafka.Message
		for ; written < int(120*time.Since(begin).Seconds()); written++ {
			due = append(due, kafka.Message{
				Key:   []byte(strconv.Itoa(written)),
				Value: []byte("some value"),
			})
		}
		if err := w.WriteMessages(context.WithoutCancel(ctx), due...); err != nil {
			return errors.Join(fmt.Errorf("writing: %w", err), w.Close())
		}
		time.Sleep(25 * time.Millisecond)
	}
	return w.Close()
}

// newWriter returns a writer with this balancer, which chooses the partition of each record.
func newWriter(balancer kafka.Balancer) *kafka.Writer {
	return &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
		// The balancer chooses the partition: by the key, or always the same one.
		Balancer: balancer,
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
	}
}

// newMember returns a reader that is a member of the group.
func newMember(group string) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		GroupID: group,
		// A group that has committed nothing starts at the oldest record.
		StartOffset: kafka.FirstOffset,
		// A member hears of a new one within a second. The default is 3 s.
		HeartbeatInterval: time.Second,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
}

// consume works on records, and commits each after the work, until ctx is cancelled.
func consume(ctx context.Context, r *kafka.Reader) error {
	for {
		message, err := r.FetchMessage(ctx)
		if ctx.Err() != nil {
			return r.Close()
		}
		if err != nil {
			return errors.Join(fmt.Errorf("receiving: %w", err), r.Close())
		}
		time.Sleep(10 * time.Millisecond) // the work
		err = r.CommitMessages(context.WithoutCancel(ctx), message)
		if err != nil {
			fmt.Println("not committed, so it may come again:", err)
		}
	}
}

// lag returns how many records of the topic come after the committed offsets of the group, in
// all partitions together.
func lag(ctx context.Context, group string) (total int64, err error) {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	commits, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
		GroupID: group,
		Topics:  map[string][]int{topic: {0, 1, 2}},
	})
	if err == nil {
		err = commits.Error
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the committed offsets: %w", err)
	}
	var requests []kafka.OffsetRequest
	for partition := range 3 {
		requests = append(requests, kafka.FirstOffsetOf(partition), kafka.LastOffsetOf(partition))
	}
	log, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: requests},
	})
	if err != nil {
		return 0, fmt.Errorf("asking for the ends of the partitions: %w", err)
	}
	committed := make(map[int]int64)
	for _, partition := range commits.Topics[topic] {
		if partition.Error != nil {
			return 0, fmt.Errorf("asking for the committed offsets: %w", partition.Error)
		}
		committed[partition.Partition] = partition.CommittedOffset
	}
	for _, partition := range log.Topics[topic] {
		if partition.Error != nil {
			return 0, fmt.Errorf("asking for the ends of the partitions: %w", partition.Error)
		}
		// Where nothing is committed, the offset is -1, and all that is there comes after it.
		from := max(committed[partition.Partition], partition.FirstOffset)
		total += partition.LastOffset - from
	}
	return total, nil
}

// kadmLag returns the same, as the administrative part of the client franz-go computes it.
func kadmLag(ctx context.Context, group string) (int64, error) {
	client, err := kadm.NewOptClient(kgo.SeedBrokers(broker1Address, broker2Address, broker3Address))
	if err != nil {
		return 0, fmt.Errorf("making a client: %w", err)
	}
	defer client.Close()
	lags, err := client.Lag(ctx, group)
	if err == nil {
		err = lags.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the lag: %w", err)
	}
	described := lags[group]
	return described.Lag.Total(), nil
}

// fetchSizes writes ten records while no member of the group is there, and measures when three
// readers that wait at the end of their partition receive the first of them.
func fetchSizes(ctx context.Context, group string) error {
	settings := []struct {
		name     string
		minBytes int
		maxWait  time.Duration
	}{
		{"MinBytes 1, MaxWait 10 s (the defaults)", 1, 10 * time.Second},
		{"MinBytes 10e3, MaxWait 500 ms", 10e3, 500 * time.Millisecond},
		{"MinBytes 10e3, MaxWait 10 s", 10e3, 10 * time.Second},
	}
	var all errgroup.Group
	received := make([]time.Time, len(settings))
	for i, setting := range settings {
		r := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{broker1Address, broker2Address, broker3Address},
			Topic:   topic,
			// Without a group the reader reads one partition, and there is no group to leave. So it
			// isn't closed when the program ends: that would take another MaxWait.
			Partition: 0,
			// A broker holds its answer back until it has so many bytes for the reader ...
			MinBytes: setting.minBytes,
			// ... but not for longer than this.
			MaxWait: setting.maxWait,
			// An answer has about so many bytes at most. kafka-go wants it set where MinBytes is.
			MaxBytes: 10e6,
		})
		if err := r.SetOffset(kafka.LastOffset); err != nil {
			return fmt.Errorf("going to the end: %w", err)
		}
		all.Go(func() error {
			_, err := r.FetchMessage(ctx)
			received[i] = time.Now()
			return err
		})
		for r.Stats().Fetches == 0 && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}

	w := newWriter(kafka.BalancerFunc(func(kafka.Message, ...int) int { return 0 }))
	ten := make([]kafka.Message, 10)
	for i := range ten {
		ten[i].Value = []byte("some value")
	}
	written := time.Now()
	if err := w.WriteMessages(ctx, ten...); err != nil {
		return errors.Join(fmt.Errorf("writing: %w", err), w.Close())
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	left, err := lag(ctx, group)
	if err != nil {
		return err
	}
	kadmLeft, err := kadmLag(ctx, group)
	if err != nil {
		return err
	}
	fmt.Println("The consumers have ended, and ten more records are written. The lag of the group is")
	fmt.Printf("  as this program computes it   %d\n", left)
	fmt.Printf("  as kadm says                  %d\n", kadmLeft)
	fmt.Println("It stays so for 9 s. Three readers without a group wait for these records. The first")
	fmt.Println("of them comes to the reader with")
	if err := all.Wait(); err != nil {
		return fmt.Errorf("receiving: %w", err)
	}
	for i, setting := range settings {
		after := received[i].Sub(written).Seconds()
		fmt.Printf("  %-40s after %.1f s\n", setting.name, after)
	}
	return nil
}

// deleteGroup deletes a group in which no member is left.
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
	if err != nil {
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
