package franz

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/clients/adapter"
)

// ReadWithoutGroup implements adapter.Client.
func (Client) ReadWithoutGroup(ctx context.Context, brokers []string, topic string) (string, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic))
	if err != nil {
		return "", adapter.Refuse(err)
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return "", fmt.Errorf("reading: %w", err)
		}
		if fetches.NumRecords() > 0 {
			return adapter.ReadsTopic, nil
		}
	}
}

// IgnoreErrors implements adapter.Client.
func (Client) IgnoreErrors(ctx context.Context, brokers []string, topic string, n int) (adapter.Ignored, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return adapter.Ignored{}, fmt.Errorf("making the client: %w", err)
	}
	defer cl.Close()
	for range n {
		cl.Produce(ctx, &kgo.Record{Value: []byte("value")}, nil)
	}
	var flush error
	if !adapter.EndsWithin(3*time.Second, func() { flush = cl.Flush(ctx) }) {
		return adapter.Ignored{Says: "Flush never ends", Stops: true}, nil
	}
	if flush != nil {
		return adapter.ReturnedBy("Flush"), nil
	}
	return adapter.Dropped, nil
}

// ErrorOf implements adapter.Client.
func (Client) ErrorOf(code int16) error { return kerr.ErrorForCode(code) }
