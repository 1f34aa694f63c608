// This program writes records that wait for an acknowledgement from nobody, from the leader,
// and from all in-sync replicas. You stop the leader meanwhile. The program counts what was
// acknowledged, and what is there.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "acks"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

func main() {
	// The program waits until you have stopped a broker and started it again.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run writes while all brokers run, and again when broker 2 has been stopped.
func run(ctx context.Context) error {
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := defaults(); err != nil {
		return err
	}
	// This client looks from outside, and asks anew who leads what once a second.
	client := &kafka.Client{
		Addr:      kafka.TCP(broker1Address, broker2Address, broker3Address),
		Timeout:   5 * time.Second,
		Transport: &kafka.Transport{MetadataTTL: time.Second},
	}
	partition, err := find(ctx, client)
	if err != nil {
		return err
	}
	fmt.Printf("\nBroker 2 leads partition %d. Replicas: %v. In sync: %v.\n",
		partition.ID, ids(partition.Replicas), ids(partition.Isr))

	writers := newWriters(partition.ID)
	fmt.Println("Ten records with each setting, while all brokers run:")
	at, err := measure(ctx, client, writers, partition.ID, 0)
	if err != nil {
		return err
	}

	fmt.Println()
	fmt.Println("Now stop broker 2: type  stop 2  in the cluster's terminal,")
	fmt.Println("or press Stop on the board; with Docker, type  docker compose kill kafka-2.")
	if err := wait(ctx, false); err != nil {
		return err
	}
	fmt.Println("Broker 2 is gone. Another ten records with each setting.")
	fmt.Println("(Apache Kafka needs up to 9 s to notice, and to choose another leader.)")
	at, err = measure(ctx, client, writers, partition.ID, at)
	if err != nil {
		return err
	}

	cluster, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return fmt.Errorf("asking who is in sync: %w", err)
	}
	embedded := cluster.ClusterID == "embedded-cluster"
	if embedded {
		fmt.Println("\nThis is the embedded cluster, which keeps one copy of each record. To see what")
		fmt.Println("in-sync replicas change, end it, and run this program on Apache Kafka:")
		fmt.Println("docker compose up -d --wait")
	} else {
		at, err = tooFew(ctx, client, partition.ID, at)
		if err != nil {
			return err
		}
	}

	fmt.Println()
	fmt.Println("Now start broker 2: type  start 2,")
	fmt.Println("or press Start on the board; with Docker, type  docker compose start kafka-2.")
	if err := wait(ctx, true); err != nil {
		return err
	}
	fmt.Println("Broker 2 is back.")
	if !embedded {
		if err := inSync(ctx, client, partition.ID, at); err != nil {
			return err
		}
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

// defaults prints for whose acknowledgement kafka-go's two kinds of writers wait if you
// set nothing.
func defaults() error {
	old := kafka.NewWriter(kafka.WriterConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
	})
	literal := &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
	}
	fmt.Println("RequiredAcks, if you don't set it:")
	fmt.Println("  kafka.NewWriter(kafka.WriterConfig{…})", old.RequiredAcks)
	fmt.Println("  &kafka.Writer{…}                      ", literal.RequiredAcks)
	if err := errors.Join(old.Close(), literal.Close()); err != nil {
		return fmt.Errorf("closing the writers: %w", err)
	}
	return nil
}

// find returns the partition that broker 2 leads.
func find(ctx context.Context, client *kafka.Client) (kafka.Partition, error) {
	request := &kafka.MetadataRequest{Topics: []string{topic}}
	// A topic that is new may have no leaders for a moment.
	for range 50 {
		time.Sleep(200 * time.Millisecond)
		cluster, err := client.Metadata(ctx, request)
		if err != nil {
			return kafka.Partition{}, fmt.Errorf("asking who leads the topic: %w", err)
		}
		for _, partition := range cluster.Topics[0].Partitions {
			if partition.Leader.ID == 2 {
				return partition, nil
			}
		}
	}
	return kafka.Partition{}, errors.New("broker 2 leads no partition: start it if it is " +
		"stopped, and start this program again")
}

// ids returns the numbers of brokers, in order.
func ids(brokers []kafka.Broker) []int {
	var list []int
	for _, b := range brokers {
		list = append(list, b.ID)
	}
	slices.Sort(list)
	return list
}

// A writer is kafka-go's, with one setting of acks and a connection of its own.
type writer struct {
	name      string
	transport *kafka.Transport
	*kafka.Writer
}

// newWriters returns writers to a partition, which differ in RequiredAcks alone.
func newWriters(partition int) []writer {
	var writers []writer
	for _, setting := range []struct {
		name string
		acks kafka.RequiredAcks
	}{
		{"none", kafka.RequireNone},  // The record has left this program.
		{"leader", kafka.RequireOne}, // The leader has the record.
		{"all", kafka.RequireAll},    // All replicas that are in sync have the record.
	} {
		transport := &kafka.Transport{
			// While you type, the connection stays open. By default it is closed after 30 s.
			IdleTimeout: 5 * time.Minute,
			// The writer believes for an hour what it heard about the leaders. By default it
			// asks anew every few seconds, and could do so between your stop and its write.
			MetadataTTL: time.Hour,
		}
		writers = append(writers, writer{setting.name, transport, &kafka.Writer{
			Addr:      kafka.TCP(broker1Address, broker2Address, broker3Address),
			Transport: transport,
			Topic:     topic,
			// All records go to the partition that broker 2 leads.
			Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return partition }),
			// This is what differs.
			RequiredAcks: setting.acks,
			// Ten records make a batch, so they are sent at once, in one request.
			BatchSize: 10,
			// An error is returned at once, and write tries again. By default the writer tries
			// ten times, without a word.
			MaxAttempts: 1,
		}})
	}
	return writers
}

// measure writes ten records with each writer, and prints how many were acknowledged, and
// how many a consumer sees. The log ended at the offset before; it returns where it ends now.
func measure(ctx context.Context, client *kafka.Client, writers []writer, partition int,
	before int64) (int64, error) {

	fmt.Println("  acks     succeeded      there   what the program was told")
	for _, w := range writers {
		acknowledged, told, err := w.write(ctx)
		if err != nil {
			return before, err
		}
		// A consumer sees a record when all in-sync replicas have it, which takes a moment.
		time.Sleep(500 * time.Millisecond)
		after, err := end(ctx, client, partition)
		if err != nil {
			return before, err
		}
		fmt.Printf("  %-8s %-14d %-7d %s\n", w.name, acknowledged, after-before, told)
		before = after
	}
	return before, nil
}

// write writes ten records, again and again until they are acknowledged, or are refused
// because too few replicas are in sync. It returns what it was told first.
func (w writer) write(ctx context.Context) (acknowledged int, told string, err error) {
	var messages []kafka.Message
	for i := range 10 {
		value := fmt.Sprintf("acks %s, record %d", w.name, i)
		messages = append(messages, kafka.Message{Key: []byte(strconv.Itoa(i)), Value: []byte(value)})
	}
	first := ""
	for {
		err := w.WriteMessages(ctx, messages...)
		var each kafka.WriteErrors // one for each record, and here the same
		if errors.As(err, &each) {
			err = each[0]
		}
		switch {
		case err == nil && first == "":
			return len(messages), "success", nil
		case err == nil:
			return len(messages), first + "; written again: success", nil
		case errors.Is(err, kafka.NotEnoughReplicas):
			return 0, err.Error(), nil
		case refused(err) || ctx.Err() != nil:
			return 0, "", fmt.Errorf("writing with acks %s: %w", w.name, err)
		case first == "":
			first = err.Error()
		}
		// The next try uses a new connection, and asks anew who leads the partition.
		w.transport.CloseIdleConnections()
		time.Sleep(200 * time.Millisecond)
	}
}

// end returns the offset up to which a consumer can read the partition.
func end(ctx context.Context, client *kafka.Client, partition int) (int64, error) {
	request := &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(partition)}},
	}
	for {
		response, err := client.ListOffsets(ctx, request)
		if err == nil {
			err = response.Topics[topic][0].Error
		}
		if err == nil {
			return response.Topics[topic][0].LastOffset, nil
		}
		// While the partition has no leader, nobody can tell.
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return 0, fmt.Errorf("asking where the log ends: %w", err)
		}
	}
}

// wait waits until broker 2 listens, or until it doesn't.
func wait(ctx context.Context, listens bool) error {
	for {
		conn, err := net.DialTimeout("tcp", broker2Address, time.Second)
		if err == nil {
			if err := conn.Close(); err != nil {
				return fmt.Errorf("looking for broker 2: %w", err)
			}
		}
		if (err == nil) == listens {
			time.Sleep(500 * time.Millisecond) // Its older connections end, too.
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("nothing happened for five minutes: start this program again " +
				"when you are ready")
		}
	}
}

// tooFew has the topic want three in-sync replicas while there are two, and writes again.
func tooFew(ctx context.Context, client *kafka.Client, partition int, at int64) (int64, error) {
	response, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic,
			ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{
				// A write with acks all is refused while fewer replicas are in sync. The
				// cluster's setting is 2, so that one of three brokers may be away.
				Name:            "min.insync.replicas",
				Value:           "3",
				ConfigOperation: kafka.ConfigOperationSet,
			}},
		}},
	})
	if err == nil {
		err = response.Resources[0].Error
	}
	if err != nil {
		return at, fmt.Errorf("setting min.insync.replicas: %w", err)
	}
	time.Sleep(time.Second) // The leader hears of it from the controller.

	cluster, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return at, fmt.Errorf("asking who is in sync: %w", err)
	}
	for _, p := range cluster.Topics[0].Partitions {
		if p.ID == partition {
			fmt.Printf("\nIn sync are only %v. The topic now has min.insync.replicas 3:\n", ids(p.Isr))
		}
	}
	return measure(ctx, client, newWriters(partition), partition, at)
}

// inSync waits until all three replicas are in sync, and says what a consumer sees then.
func inSync(ctx context.Context, client *kafka.Client, partition int, before int64) error {
	fmt.Println("Waiting until it has copied what it missed, up to 30 s.")
	request := &kafka.MetadataRequest{Topics: []string{topic}}
	for caughtUp := false; !caughtUp; {
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("broker 2 doesn't get in sync: look at its log")
		}
		cluster, err := client.Metadata(ctx, request)
		if err != nil {
			return fmt.Errorf("asking who is in sync: %w", err)
		}
		for _, p := range cluster.Topics[0].Partitions {
			caughtUp = caughtUp || p.ID == partition && len(p.Isr) == 3
		}
	}
	time.Sleep(500 * time.Millisecond)
	after, err := end(ctx, client, partition)
	if err != nil {
		return err
	}
	fmt.Printf("All three are in sync, and a consumer sees %d records more.\n", after-before)
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
