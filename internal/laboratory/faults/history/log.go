package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

// A Reader reads a whole topic up to the offsets that all in-sync replicas have.
type Reader func(ctx context.Context, brokers []string, topic string) ([]Found, error)

// ReaderFor returns a reader that is another client than the one under test, so
// that no client vouches for itself.
func ReaderFor(client string) (name string, r Reader) {
	if client == "franz-go" {
		return "kafka-go", ReadWithKafkaGo
	}
	return "franz-go", ReadWithFranz
}

// ReadWithFranz is a Reader.
func ReadWithFranz(ctx context.Context, brokers []string, topic string) ([]Found, error) {
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
		from := map[string]map[int32]kgo.Offset{topic: {end.Partition: kgo.NewOffset().At(0)}}
		cl.AddConsumePartitions(from)
		for at := int64(0); at < end.At; {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return nil, fmt.Errorf("reading partition %d of %s: %w", end.Partition, topic, err)
			}
			for records := fetches.RecordIter(); !records.Done(); {
				r := records.Next()
				if r.Partition != end.Partition || r.Offset >= end.At {
					continue
				}
				n, err := Number(r.Value)
				if err != nil {
					return nil, fmt.Errorf("reading partition %d of %s: %w", end.Partition, topic, err)
				}
				found = append(found, Found{Number: n, Partition: r.Partition, Offset: r.Offset})
				at = r.Offset + 1
			}
		}
		cl.RemoveConsumePartitions(map[string][]int32{topic: {end.Partition}})
	}
	return found, nil
}

// ReadWithKafkaGo is a Reader.
func ReadWithKafkaGo(ctx context.Context, brokers []string, topic string) ([]Found, error) {
	cl := &kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second}
	meta, err := cl.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return nil, fmt.Errorf("asking for the partitions of %s: %w", topic, err)
	}
	if len(meta.Topics) != 1 || meta.Topics[0].Error != nil {
		return nil, fmt.Errorf("asking for the partitions of %s: %v", topic, meta.Topics)
	}
	var asked []kafka.OffsetRequest
	for _, p := range meta.Topics[0].Partitions {
		asked = append(asked, kafka.LastOffsetOf(p.ID))
	}
	ends, err := cl.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}})
	if err != nil {
		return nil, fmt.Errorf("asking for the ends of %s: %w", topic, err)
	}
	slices.SortFunc(ends.Topics[topic], func(a, b kafka.PartitionOffsets) int { return a.Partition - b.Partition })
	var found []Found
	for _, end := range ends.Topics[topic] {
		if end.Error != nil {
			return nil, fmt.Errorf("asking for the end of partition %d of %s: %w", end.Partition, topic, end.Error)
		}
		part, err := readPartition(ctx, brokers, topic, end.Partition, end.LastOffset)
		if err != nil {
			return nil, fmt.Errorf("reading partition %d of %s: %w", end.Partition, topic, err)
		}
		found = append(found, part...)
	}
	return found, nil
}

func readPartition(ctx context.Context, brokers []string, topic string, partition int, end int64) ([]Found, error) {
	if end == 0 {
		return nil, nil
	}
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: brokers, Topic: topic, Partition: partition, MaxWait: 500 * time.Millisecond,
	})
	defer r.Close()
	var found []Found
	for at := int64(0); at < end; {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			return nil, err
		}
		if m.Offset >= end {
			break
		}
		n, err := Number(m.Value)
		if err != nil {
			return nil, err
		}
		found = append(found, Found{Number: n, Partition: int32(partition), Offset: m.Offset})
		at = m.Offset + 1
	}
	return found, nil
}
