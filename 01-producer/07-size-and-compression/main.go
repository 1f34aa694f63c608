// This program writes a record that is too large, for the writer and for the topic, and reads
// it with a reader whose limit is smaller still. Then it measures what each codec saves and
// what it costs.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "size"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	key            = "some key" // This key has all records lie in one partition.
	kB             = 1000
	MiB            = 1 << 20 // 1,048,576 bytes
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run writes the large record with several settings and reads it. Then it tries the codecs.
func run(ctx context.Context) error {
	network := &countingNetwork{}
	// All of kafka-go's clients and writers connect by this function.
	kafka.DefaultTransport = &kafka.Transport{Dial: network.dial}
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}

	var large []byte // about 2 MB of orders
	for number := 0; len(large) < 2*MiB; number++ {
		large = append(large, order(number)...)
	}
	fmt.Printf("a record of %d kB is written:\n", len(large)/kB)
	const none = kafka.Compression(0)
	for _, try := range []struct {
		name       string
		batchBytes int64
		codec      kafka.Compression
	}{
		{"BatchBytes 1 MiB (the default)", MiB, none},
		{"BatchBytes 1 MiB, zstd", MiB, kafka.Zstd},
		{"BatchBytes 10 MiB", 10 * MiB, none},
		{"BatchBytes 10 MiB, zstd", 10 * MiB, kafka.Zstd},
	} {
		err := writeLarge(ctx, network, try.name, large, try.batchBytes, try.codec)
		if err != nil {
			return err
		}
	}
	if err := raiseLimit(ctx); err != nil {
		return err
	}
	err := writeLarge(ctx, network, "BatchBytes and topic 10 MiB", large, 10*MiB, none)
	if err != nil {
		return err
	}
	fmt.Println("the topic is read:")
	if err := readLarge(ctx, "MaxBytes 10 MiB", 10*MiB); err != nil {
		return err
	}
	if err := readLarge(ctx, "MaxBytes 10 kB", 10*kB); err != nil {
		return err
	}

	fmt.Println("bytes that one order, as JSON, takes on its way to the broker:")
	const row = "%-14s %12s %12s %20s %20s\n"
	fmt.Printf(row, "", "alone", "100 at once", "to compress 1 MB", "to decompress 1 MB")
	for _, codec := range []kafka.Compression{none, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		alone, err := measureSize(ctx, network, codec, 1)
		if err != nil {
			return err
		}
		together, err := measureSize(ctx, network, codec, 100)
		if err != nil {
			return err
		}
		compress, decompress, err := measureTime(codec)
		if err != nil {
			return fmt.Errorf("compressing with %s: %w", codec, err)
		}
		fmt.Printf(row, codec, fmt.Sprint(alone, " bytes"), fmt.Sprint(together, " bytes"),
			fmt.Sprintf("%.1f ms", compress), fmt.Sprintf("%.1f ms", decompress))
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

// order returns an order as many programs would write it. The same number gives the same order.
func order(number int) []byte {
	random := rand.New(rand.NewPCG(uint64(number), 0))
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	return fmt.Appendf(nil, `{"id":"%016x","number":%d,"customer":"%s %s","city":"%s",`+
		`"article":"%s %s","quantity":%d,"price":%.2f,"currency":"EUR","paid":%t}`,
		random.Uint64(), number,
		one("Ada", "Alan", "Barbara", "Dennis", "Edsger", "Frances", "Grace", "Leslie"),
		one("Allen", "Dijkstra", "Hopper", "Lamport", "Liskov", "Lovelace", "Ritchie", "Turing"),
		one("Bern", "Dublin", "Lisbon", "London", "Madrid", "Oslo", "Paris", "Prague", "Rome"),
		one("black", "blue", "green", "grey", "red", "white", "yellow"),
		one("bicycle", "chair", "coat", "desk", "kettle", "lamp", "shirt", "table", "umbrella"),
		1+random.IntN(9), float64(random.IntN(50_000))/100, random.IntN(4) > 0)
}

// writeLarge writes the large record, and prints who refuses it and how much was sent.
func writeLarge(
	ctx context.Context, network *countingNetwork,
	name string, large []byte, batchBytes int64, codec kafka.Compression,
) error {
	w := newWriter(codec)
	// A batch has no more bytes than this, before it is compressed. The default is 1 MiB.
	w.BatchBytes = batchBytes
	before := network.sent.Load()
	err := w.WriteMessages(ctx, kafka.Message{Key: []byte(key), Value: large})
	sent := network.sent.Load() - before
	result := "written"
	switch {
	case errors.As(err, new(kafka.MessageTooLargeError)):
		result = "refused by the writer"
	case errors.Is(oneError(err), kafka.MessageSizeTooLarge):
		result = "refused by the broker"
	case err != nil:
		return fmt.Errorf("writing with %s: %w", name, err)
	}
	fmt.Printf("  %-31s %-22s %5d kB sent\n", name, result, sent/kB)
	if err != nil {
		fmt.Println("   ", err)
	}
	return w.Close()
}

// oneError returns the error about the only record of a write.
func oneError(err error) error {
	var each kafka.WriteErrors // one for each record
	if errors.As(err, &each) {
		return each[0]
	}
	return err
}

func newWriter(codec kafka.Compression) *kafka.Writer {
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
		// The records of a batch are compressed together. By default they aren't compressed.
		Compression: codec,
	}
}

// A countingNetwork opens connections to the brokers, and counts the bytes that are sent to them.
type countingNetwork struct {
	sent atomic.Int64
}

func (n *countingNetwork) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, kind, address)
	if err != nil {
		return nil, err
	}
	return &connection{Conn: conn, network: n}, nil
}

type connection struct {
	net.Conn
	network *countingNetwork
}

func (c *connection) Write(request []byte) (int, error) {
	c.network.sent.Add(int64(len(request)))
	return c.Conn.Write(request)
}

// raiseLimit has the topic take batches of 10 MiB. It returns when its leader does.
func raiseLimit(ctx context.Context) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	response, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic,
			ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{
				// The topic refuses larger batches than this. They are counted as they come:
				// compressed, if the writer compresses. The default is about 1 MiB.
				Name:            "max.message.bytes",
				Value:           strconv.Itoa(10 * MiB),
				ConfigOperation: kafka.ConfigOperationSet,
			}},
		}},
	})
	if err == nil {
		err = response.Resources[0].Error
	}
	if err != nil {
		return fmt.Errorf("raising the limit of the topic %s: %w", topic, err)
	}
	time.Sleep(time.Second) // The brokers hear of it a moment later.
	return nil
}

// readLarge reads what the topic has, with a limit for each fetch.
func readLarge(ctx context.Context, name string, maxBytes int) (err error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		// Without a group, a reader reads one partition: here the one that the key belongs to.
		Partition: kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: []byte(key)}, 0, 1, 2),
		// A fetch returns no more than this, but always a whole batch. The default is 1 MB.
		MaxBytes: maxBytes,
		// A fetch waits this long for records. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	defer func() { err = errors.Join(err, r.Close()) }()
	for count := 1; ; count++ {
		record, err := r.ReadMessage(ctx)
		if err != nil {
			return fmt.Errorf("reading with %s: %w", name, err)
		}
		// The high-water mark is the offset that the next record will have.
		if record.Offset+1 == record.HighWaterMark {
			fmt.Printf("  %-31s received: %d records, the last of %d kB\n",
				name, count, len(record.Value)/kB)
			return nil
		}
	}
}

// measureSize writes a hundred orders, so many in a batch, and returns how many bytes each of
// them took on its way to the broker.
func measureSize(
	ctx context.Context, network *countingNetwork, codec kafka.Compression, batch int,
) (size int64, err error) {
	w := newWriter(codec)
	w.BatchSize = batch
	var orders []kafka.Message
	for number := range 100 {
		orders = append(orders, kafka.Message{Key: []byte(key), Value: order(number)})
	}
	// The first write also makes the connections. It isn't counted.
	if err := w.WriteMessages(ctx, orders[0]); err != nil {
		return 0, fmt.Errorf("writing orders with %s: %w", codec, err)
	}
	before := network.sent.Load()
	for some := range slices.Chunk(orders, batch) {
		if err := w.WriteMessages(ctx, some...); err != nil {
			return 0, fmt.Errorf("writing orders with %s: %w", codec, err)
		}
	}
	size = (network.sent.Load() - before) / int64(len(orders))
	return size, w.Close()
}

// measureTime compresses a batch of a hundred orders and decompresses it again, without any
// broker. It returns how many milliseconds 1 MB takes. The fastest of many times counts, since
// the others shared the processor with something else.
func measureTime(codec kafka.Compression) (compress, decompress float64, err error) {
	if codec.Codec() == nil {
		return 0, 0, nil // Nothing is compressed.
	}
	var batch bytes.Buffer
	for number := range 100 {
		batch.Write(order(number))
	}
	var fastest, fastestBack time.Duration
	for try := range 50 {
		var small bytes.Buffer
		start := time.Now()
		w := codec.Codec().NewWriter(&small)
		_, err := w.Write(batch.Bytes())
		if err = errors.Join(err, w.Close()); err != nil {
			return 0, 0, err
		}
		took := time.Since(start)

		start = time.Now()
		r := codec.Codec().NewReader(&small)
		_, err = io.Copy(io.Discard, r)
		if err = errors.Join(err, r.Close()); err != nil {
			return 0, 0, err
		}
		tookBack := time.Since(start)
		if try == 0 {
			fastest, fastestBack = took, tookBack
		}
		fastest, fastestBack = min(fastest, took), min(fastestBack, tookBack)
	}
	megabytes := float64(batch.Len()) / 1e6
	return fastest.Seconds() * 1000 / megabytes, fastestBack.Seconds() * 1000 / megabytes, nil
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
