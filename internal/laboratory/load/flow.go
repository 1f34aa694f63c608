package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"kafka-with-go/internal/clients/adapter"
)

// A Flow is the flow of 03-together, which writes a record, waits until it is acknowledged, and
// commits each record that it receives; and what of that is changed to see what it costs.
type Flow struct {
	BatchTimeout time.Duration // instead of the flow's own
	NoCommits    bool
	NoGroup      bool
}

// newProducer is 03-together's writer.
func (f Flow) newProducer(config adapter.Config) *flowProducer {
	w := &kafka.Writer{
		Addr: kafka.TCP(config.Brokers...), Topic: config.Topic, Balancer: kafka.Murmur2Balancer{},
		RequiredAcks: kafka.RequireAll, BatchTimeout: time.Microsecond, MaxAttempts: 1,
	}
	if f.BatchTimeout > 0 {
		w.BatchTimeout = f.BatchTimeout
	}
	return &flowProducer{w}
}

type flowProducer struct{ w *kafka.Writer }

func (p *flowProducer) Produce(ctx context.Context, r *adapter.Record) error {
	return p.w.WriteMessages(ctx, kafka.Message{Key: r.Key, Value: r.Value})
}
func (p *flowProducer) Flush(context.Context) error { return nil }
func (p *flowProducer) Close() error                { return p.w.Close() }

// newConsumer is 03-together's reader: one for a group, and otherwise one for each partition.
func (f Flow) newConsumer(config adapter.Config, partitions int) *flowConsumer {
	c := &flowConsumer{flow: f}
	one := kafka.ReaderConfig{
		Brokers: config.Brokers, Topic: config.Topic, GroupID: config.Group, StartOffset: kafka.FirstOffset,
		SessionTimeout: 10 * time.Second, HeartbeatInterval: time.Second, MaxWait: 500 * time.Millisecond,
	}
	if !f.NoGroup {
		c.readers = append(c.readers, kafka.NewReader(one))
		return c
	}
	for one.GroupID = ""; one.Partition < partitions; one.Partition++ {
		c.readers = append(c.readers, kafka.NewReader(one))
	}
	return c
}

type flowConsumer struct {
	flow    Flow
	readers []*kafka.Reader
}

func (c *flowConsumer) Consume(ctx context.Context, handle func(*adapter.Record) error) error {
	ended := make(chan error, len(c.readers))
	for _, r := range c.readers {
		go func() { ended <- c.read(ctx, r, handle) }()
	}
	var errs []error
	for range c.readers {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}

func (c *flowConsumer) read(ctx context.Context, r *kafka.Reader, handle func(*adapter.Record) error) error {
	for {
		m, err := r.FetchMessage(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
		if err := handle(&adapter.Record{Key: m.Key, Value: m.Value}); err != nil {
			return err
		}
		if c.flow.NoCommits || c.flow.NoGroup {
			continue
		}
		if err := r.CommitMessages(ctx, m); err != nil && ctx.Err() == nil {
			return fmt.Errorf("committing: %w", err)
		}
	}
}

func (c *flowConsumer) Close() error {
	var errs []error
	for _, r := range c.readers {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}
