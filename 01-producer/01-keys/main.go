// This program writes the keys a to d three times each: once as kafka-go distributes records
// by default, and once by the hash of the key. Then it computes where other clients put the
// same keys, and shows what becomes of the order within a key when partitions are added.
package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic          = "keys"
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

// run asks the three questions. It leaves its topic, so that you can look at it on the board.
func run(ctx context.Context) error {
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := produce(ctx, "round robin (the default)", nil); err != nil {
		return err
	}
	if err := produce(ctx, "by the hash of the key", kafka.Murmur2Balancer{}); err != nil {
		return err
	}

	if err := compareClients(); err != nil {
		return err
	}

	fmt.Println("\nSix changes with the key a. After the third a partition is added:")
	if err := addWhileWriting(ctx, 4, false); err != nil {
		return err
	}
	return addWhileWriting(ctx, 5, true)
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

// produce writes each key three times, and prints the partitions it went to.
func produce(ctx context.Context, name string, balancer kafka.Balancer) error {
	partitions := make(map[string][]int)
	w := &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
		// The balancer chooses the partition of each record. It is what differs here: nil stands for
		// kafka-go's own default.
		Balancer: balancer,
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
		// The writer tells here in which partition a record lies: of one record at a time, since the
		// next is written when this one is done. WriteMessages returns its error.
		Completion: func(messages []kafka.Message, _ error) {
			for _, m := range messages {
				partitions[string(m.Key)] = append(partitions[string(m.Key)], m.Partition)
			}
		},
	}

	keys := []string{"a", "b", "c", "d"}
	for range 3 {
		for _, key := range keys {
			message := kafka.Message{Key: []byte(key), Value: []byte("some value")}
			if err := w.WriteMessages(ctx, message); err != nil {
				return fmt.Errorf("writing the key %s: %w", key, err)
			}
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}

	fmt.Printf("%s:\n", name)
	for _, key := range keys {
		fmt.Printf("  key %s went to partitions %v\n", key, partitions[key])
	}
	return nil
}

// compareClients prints the partition of each key among three, as the clients choose it if
// you set nothing.
func compareClients() error {
	const partitions = 3
	fmt.Println("\nThe same keys, by the default of each client:")
	fmt.Println("  key   sarama, goka   confluent   franz-go, Java")
	for _, key := range []string{"a", "b", "c", "d"} {
		// FNV-1a
		message := &sarama.ProducerMessage{Key: sarama.StringEncoder(key)}
		bySarama, err := sarama.NewHashPartitioner(topic).Partition(message, partitions)
		if err != nil {
			return fmt.Errorf("asking sarama for the partition of %s: %w", key, err)
		}
		// CRC32, as in librdkafka, the C library inside confluent-kafka-go
		byConfluent := crc32.ChecksumIEEE([]byte(key)) % partitions
		// murmur2. franz-go's default can't be asked from outside; this one hashes keys likewise.
		partitioner := kgo.StickyKeyPartitioner(nil).ForTopic(topic)
		byFranz := partitioner.Partition(&kgo.Record{Key: []byte(key)}, partitions)
		fmt.Printf("  %-5s %-14d %-11d %d\n", key, bySarama, byConfluent, byFranz)
	}
	return nil
}

// addWhileWriting writes three changes, adds a partition, and writes three more. It prints in
// which order a group works on them that has a member for each partition.
func addWhileWriting(ctx context.Context, partitions int, readFirst bool) error {
	before, err := change(ctx, 1, 2, 3)
	if err != nil {
		return err
	}
	var worked []string
	if readFirst {
		// The group has read all that is there before a partition is added.
		worked, err = work(ctx, before)
		before = nil
		if err != nil {
			return err
		}
	}
	if err := addPartition(ctx, partitions); err != nil {
		return err
	}
	after, err := change(ctx, 4, 5, 6)
	if err != nil {
		return err
	}
	rest, err := work(ctx, append(before, after...))
	if err != nil {
		return err
	}
	worked = append(worked, rest...)

	what := "while the first three wait to be read"
	if readFirst {
		what = "when the group has read the first three"
	}
	fmt.Printf("  %-40s worked on in the order %v\n", what+":", worked)
	return nil
}

// change writes changes with the key a, and returns them with their partitions and offsets.
func change(ctx context.Context, numbers ...int) ([]kafka.Message, error) {
	var written []kafka.Message
	w := &kafka.Writer{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// A writer hears of new partitions within seconds. One with a new transport asks at once.
		Transport: &kafka.Transport{},
		Topic:     topic,
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
		// The writer tells here where a record lies. WriteMessages returns its error.
		Completion: func(messages []kafka.Message, _ error) {
			written = append(written, messages...)
		},
	}
	for _, number := range numbers {
		message := kafka.Message{Key: []byte("a"), Value: []byte(strconv.Itoa(number))}
		if err := w.WriteMessages(ctx, message); err != nil {
			return nil, fmt.Errorf("writing change %d: %w", number, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("closing the writer: %w", err)
	}
	return written, nil
}

// addPartition gives the topic as many partitions as are wanted.
func addPartition(ctx context.Context, partitions int) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	response, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: int32(partitions)}},
	})
	if err == nil {
		err = response.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("adding a partition: %w", err)
	}
	time.Sleep(500 * time.Millisecond) // Until all brokers have heard of it.
	return nil
}

// work reads the records, each partition by a member of its own, and returns their values in
// the order in which the work on them ended.
func work(ctx context.Context, records []kafka.Message) ([]string, error) {
	first := make(map[int]int64) // the first offset, by partition
	count := make(map[int]int)
	for _, r := range slices.Backward(records) {
		first[r.Partition] = r.Offset
		count[r.Partition]++
	}

	var (
		mu      sync.Mutex
		worked  []string
		failed  error
		ready   sync.WaitGroup // They all begin when each has its records.
		members sync.WaitGroup
	)
	ready.Add(len(first))
	for partition := range maps.Keys(first) {
		members.Go(func() {
			received, err := consume(ctx, partition, first[partition], count[partition])
			ready.Done()
			ready.Wait()
			for _, r := range received {
				time.Sleep(200 * time.Millisecond) // This is the work.
				mu.Lock()
				worked = append(worked, string(r.Value))
				mu.Unlock()
			}
			mu.Lock()
			failed = errors.Join(failed, err)
			mu.Unlock()
		})
	}
	members.Wait()
	return worked, failed
}

// consume reads so many records of a partition, from an offset on.
func consume(ctx context.Context, partition int, from int64, count int) ([]kafka.Message, error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers:   []string{broker1Address, broker2Address, broker3Address},
		Topic:     topic,
		Partition: partition,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	err := r.SetOffset(from)
	var received []kafka.Message
	for err == nil && len(received) < count {
		var message kafka.Message
		message, err = r.ReadMessage(ctx)
		if err == nil {
			received = append(received, message)
		}
	}
	err = errors.Join(err, r.Close())
	if err != nil {
		return nil, fmt.Errorf("reading partition %d: %w", partition, err)
	}
	return received, nil
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
