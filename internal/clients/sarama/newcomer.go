package sarama

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"kafka-with-go/internal/clients/adapter"
)

// ReadWithoutGroup implements adapter.Client.
func (Client) ReadWithoutGroup(ctx context.Context, brokers []string, topic string) (string, error) {
	c, err := sarama.NewConsumer(brokers, nil)
	if err != nil {
		return "", adapter.Refuse(err)
	}
	defer adapter.CloseSoon(c.Close)
	p, err := c.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return "", fmt.Errorf("reading a partition: %w", err)
	}
	defer adapter.CloseSoon(p.Close)
	select {
	case <-p.Messages():
		return adapter.ReadsPartition, nil
	case <-ctx.Done():
		return "", fmt.Errorf("reading a partition: %w", ctx.Err())
	}
}

// IgnoreErrors implements adapter.Client. sarama takes more records than the others before
// it stops: its queues are long.
func (Client) IgnoreErrors(_ context.Context, brokers []string, topic string, n int) (adapter.Ignored, error) {
	p, err := sarama.NewAsyncProducer(brokers, sarama.NewConfig())
	if err != nil {
		return adapter.Ignored{}, fmt.Errorf("making the producer: %w", err)
	}
	for range 100 * n {
		select {
		case p.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("value")}:
		case <-time.After(3 * time.Second):
			p.AsyncClose()
			for range p.Errors() { // Now that somebody reads them, it can close.
			}
			return adapter.Ignored{Says: "stop the producer: Input() blocks for ever", Stops: true}, nil
		}
	}
	if err := p.Close(); err != nil {
		return adapter.ReturnedBy("Close"), nil
	}
	return adapter.Dropped, nil
}

// ErrorOf implements adapter.Client.
func (Client) ErrorOf(code int16) error { return sarama.KError(code) }
