package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A Found is a record in the log.
type Found struct {
	Number    int
	Partition int32
	Offset    int64
}

// A Reader reads a partition up to an offset.
type Reader func(ctx context.Context, brokers []string, topic string, partition int32, end int64) ([]Found, error)

// ReaderFor returns a reader that is another client than the one under test, so
// that no client vouches for itself.
func ReaderFor(client string) (name string, r Reader) {
	if client == "franz-go" {
		return "kafka-go", readWithKafkaGo
	}
	return "franz-go", readWithFranz
}

// ReadLog reads a whole topic up to the offsets that all in-sync replicas have.
func ReadLog(ctx context.Context, brokers []string, topic string, read Reader) ([]Found, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", topic, err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		return nil, fmt.Errorf("asking for the ends of %s: %w", topic, err)
	}
	var found []Found
	for _, end := range ends.Offsets().Sorted() {
		if end.At == 0 {
			continue
		}
		part, err := read(ctx, brokers, topic, end.Partition, end.At)
		if err != nil {
			return nil, fmt.Errorf("reading partition %d of %s: %w", end.Partition, topic, err)
		}
		found = append(found, part...)
	}
	return found, nil
}

func readWithFranz(ctx context.Context, brokers []string, topic string, partition int32, end int64) (found []Found, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(0)}}))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	for at := int64(0); at < end; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for records := fetches.RecordIter(); !records.Done() && at < end; {
			r := records.Next()
			at = r.Offset + 1
			if found, err = add(found, r.Value, partition, r.Offset, end); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func readWithKafkaGo(ctx context.Context, brokers []string, topic string, partition int32, end int64) (found []Found, err error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: brokers, Topic: topic, Partition: int(partition), MaxWait: 500 * time.Millisecond,
	})
	defer r.Close()
	for at := int64(0); at < end; {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		at = m.Offset + 1
		if found, err = add(found, m.Value, partition, m.Offset, end); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// add adds a record, if it lies before the end.
func add(found []Found, value []byte, partition int32, offset, end int64) ([]Found, error) {
	if offset >= end {
		return found, nil
	}
	n, err := Number(value)
	return append(found, Found{Number: n, Partition: partition, Offset: offset}), err
}
