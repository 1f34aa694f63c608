//go:build cgo && !(windows && arm64)

package confluent

import (
	"context"
	"fmt"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"kafka-with-go/internal/clients/adapter"
)

// ReadWithoutGroup implements adapter.Client.
func (Client) ReadWithoutGroup(_ context.Context, brokers []string, _ string) (string, error) {
	c, err := kafka.NewConsumer(base(brokers).kafka())
	if err != nil {
		return "", adapter.Refuse(err)
	}
	return "makes a consumer", c.Close()
}

// IgnoreErrors implements adapter.Client.
func (Client) IgnoreErrors(_ context.Context, brokers []string, topic string, n int) (adapter.Ignored, error) {
	p, err := kafka.NewProducer(base(brokers).kafka())
	if err != nil {
		return adapter.Ignored{}, fmt.Errorf("making the producer: %w", err)
	}
	for i := range n {
		err := p.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
			Value:          []byte("value"),
		}, nil)
		if err != nil {
			return adapter.ReturnedBy("Produce"), fmt.Errorf("record %d: %w", i, err)
		}
	}
	left := p.Flush(5000)
	kept := len(p.Events())
	p.Close()
	if left > 0 {
		says := fmt.Sprintf("stay in memory (%d of %d), and Flush never gets to 0", kept, n)
		return adapter.Ignored{Says: says, Stops: true}, nil
	}
	return adapter.Dropped, nil
}

// ErrorOf implements adapter.Client.
func (Client) ErrorOf(code int16) error { return kafka.NewError(kafka.ErrorCode(code), "", false) }
