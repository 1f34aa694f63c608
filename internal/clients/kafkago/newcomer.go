package kafkago

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"kafka-with-go/internal/clients/adapter"
)

// ReadWithoutGroup implements adapter.Client.
func (Client) ReadWithoutGroup(ctx context.Context, brokers []string, topic string) (string, error) {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: brokers, Topic: topic})
	defer adapter.CloseSoon(r.Close)
	if _, err := r.ReadMessage(ctx); err != nil {
		return "", fmt.Errorf("reading: %w", err)
	}
	return adapter.ReadsPartition, nil
}

// IgnoreErrors implements adapter.Client. Only with Async does a write wait for nobody.
func (c Client) IgnoreErrors(ctx context.Context, brokers []string, topic string, n int) (adapter.Ignored, error) {
	w := &kafka.Writer{Addr: kafka.TCP(brokers...), Topic: topic, Async: true}
	if c.NewWriter {
		w = kafka.NewWriter(kafka.WriterConfig{Brokers: brokers, Topic: topic, Async: true})
	}
	for i := range n {
		if err := w.WriteMessages(ctx, kafka.Message{Value: []byte("value")}); err != nil {
			return adapter.ReturnedBy("the write"), fmt.Errorf("record %d: %w", i, err)
		}
	}
	if err := w.Close(); err != nil {
		return adapter.ReturnedBy("Close"), nil
	}
	dropped := adapter.Dropped
	dropped.Says = "with Async and no Completion, " + dropped.Says
	return dropped, nil
}

// ErrorOf implements adapter.Client.
func (Client) ErrorOf(code int16) error { return kafka.Error(code) }
