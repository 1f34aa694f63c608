// Package sarama drives IBM/sarama.
package sarama

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kafka-with-go/internal/clients/adapter"
)

// Client is sarama.
type Client struct {
	// Sync has the synchronous producer write, which waits for each call.
	Sync bool
}

// Name implements adapter.Client.
func (c Client) Name() string {
	if c.Sync {
		return "sarama, sync"
	}
	return "sarama"
}

// Available implements adapter.Client.
func (Client) Available() error { return nil }

// Settings implements adapter.Client.
func (Client) Settings(config adapter.Config) []adapter.Setting {
	if config.Way == adapter.Defaults {
		return []adapter.Setting{{Name: "Producer.Return.Successes", Value: "true"}}
	}
	t := config.Tuning
	c := NewConfig(config)
	return []adapter.Setting{
		{Name: "Producer.Return.Successes", Value: "true"},
		{Name: "Producer.Partitioner", Value: "NewMurmur2Partitioner"},
		{Name: "Producer.RequiredAcks", Value: fmt.Sprint(c.Producer.RequiredAcks)},
		{Name: "Producer.Idempotent", Value: fmt.Sprint(c.Producer.Idempotent)},
		{Name: "Net.MaxOpenRequests", Value: fmt.Sprint(c.Net.MaxOpenRequests)},
		{Name: "Producer.Flush.Frequency", Value: c.Producer.Flush.Frequency.String()},
		{Name: "Producer.Flush.Bytes", Value: fmt.Sprint(c.Producer.Flush.Bytes)},
		{Name: "Producer.MaxMessageBytes", Value: fmt.Sprint(c.Producer.MaxMessageBytes)},
		{Name: "Producer.Retry.Max", Value: fmt.Sprint(c.Producer.Retry.Max)},
		{Name: "Consumer.Offsets.Initial", Value: "OffsetOldest"},
		{Name: "Consumer.Offsets.AutoCommit.Interval", Value: t.CommitInterval.String()},
		{Name: "Consumer.MaxWaitTime", Value: t.FetchWait.String()},
		{Name: "Consumer.Group.Session.Timeout", Value: t.SessionTimeout.String()},
		{Name: "Consumer.Group.Heartbeat.Interval", Value: (t.SessionTimeout / 10).String()},
	}
}

// NewConfig returns sarama's configuration for a way. goka's adapter uses it too.
func NewConfig(config adapter.Config) *sarama.Config {
	c := sarama.NewConfig()
	Apply(c, config)
	return c
}

// Apply changes a configuration of sarama as a way asks for.
func Apply(c *sarama.Config, config adapter.Config) {
	c.Producer.Return.Successes = true // Without it nobody learns that a record is written.
	if config.FromFirst || config.Way == adapter.Matched {
		c.Consumer.Offsets.Initial = sarama.OffsetOldest
	}
	if config.Way == adapter.Defaults {
		return
	}
	t := config.Tuning
	c.Producer.Partitioner = sarama.NewMurmur2Partitioner
	c.Producer.Compression = sarama.CompressionNone
	switch t.Acks {
	case adapter.All:
		c.Producer.RequiredAcks = sarama.WaitForAll
	case adapter.Leader:
		c.Producer.RequiredAcks = sarama.WaitForLocal
	case adapter.None:
		c.Producer.RequiredAcks = sarama.NoResponse
	}
	if t.Idempotent && t.Acks == adapter.All {
		c.Producer.Idempotent = true
		c.Version = sarama.V2_1_0_0 // sarama asks for one that has it.
	}
	// More requests at once can turn the order of records around when one fails.
	c.Net.MaxOpenRequests = 1
	c.Producer.Flush.Frequency, c.Producer.Flush.Bytes = t.Linger, t.BatchBytes
	if t.Linger == 0 {
		c.Producer.Flush.Bytes = 0 // Without a time, sarama would wait for the bytes for ever.
	}
	c.Producer.MaxMessageBytes = t.BatchBytes
	c.Producer.Retry.Max = max(3, int(t.GiveUp/(250*time.Millisecond)))
	c.Producer.Retry.Backoff = 250 * time.Millisecond
	c.Consumer.Offsets.AutoCommit.Interval = t.CommitInterval
	c.Consumer.MaxWaitTime = t.FetchWait
	c.Consumer.Group.Session.Timeout = t.SessionTimeout
	c.Consumer.Group.Heartbeat.Interval = t.SessionTimeout / 10
	c.Consumer.Return.Errors = true
}

type producer struct {
	p       sarama.AsyncProducer
	topic   string
	window  *adapter.Window
	drained sync.WaitGroup
}

// NewProducer implements adapter.Client. Its documentation prefers the
// asynchronous producer, so that is the one used in both ways, unless Sync is set.
func (c Client) NewProducer(config adapter.Config, acked func(*adapter.Record, error)) (adapter.Producer, error) {
	if c.Sync {
		return newSyncProducer(config, acked)
	}
	p, err := sarama.NewAsyncProducer(config.Brokers, NewConfig(config))
	if err != nil {
		return nil, fmt.Errorf("starting the producer: %w", err)
	}
	inHand := config.Tuning.InHand
	if config.Way == adapter.Defaults {
		inHand = 1 << 20 // sarama bounds them by itself: this only counts them.
	}
	out := &producer{p: p, topic: config.Topic, window: adapter.NewWindow(inHand)}
	// Both channels are read, or Input would block in the end.
	out.drained.Go(func() {
		for m := range p.Successes() {
			r := m.Metadata.(*adapter.Record)
			r.Partition, r.Offset = m.Partition, m.Offset
			acked(r, nil)
			out.window.Leave(1)
		}
	})
	out.drained.Go(func() {
		for e := range p.Errors() {
			acked(e.Msg.Metadata.(*adapter.Record), e.Err)
			out.window.Leave(1)
		}
	})
	return out, nil
}

func (p *producer) Produce(ctx context.Context, r *adapter.Record) error {
	if err := p.window.Enter(ctx, 1); err != nil {
		return err
	}
	m := &sarama.ProducerMessage{Topic: p.topic, Value: sarama.ByteEncoder(r.Value), Metadata: r}
	if r.Key != nil {
		m.Key = sarama.ByteEncoder(r.Key)
	}
	select {
	case p.p.Input() <- m:
		return nil
	case <-ctx.Done():
		p.window.Leave(1)
		return fmt.Errorf("handing a record over: %w", ctx.Err())
	}
}

func (p *producer) Flush(ctx context.Context) error { return p.window.Empty(ctx) }

func (p *producer) Close() error {
	p.p.AsyncClose() // It flushes, and then closes both channels.
	p.drained.Wait()
	return nil
}

type consumer struct {
	g      sarama.ConsumerGroup
	config adapter.Config
	read   sync.WaitGroup
}

// NewConsumer implements adapter.Client.
func (Client) NewConsumer(config adapter.Config) (adapter.Consumer, error) {
	g, err := sarama.NewConsumerGroup(config.Brokers, config.Group, NewConfig(config))
	if err != nil {
		return nil, fmt.Errorf("making a member of the group: %w", err)
	}
	c := &consumer{g: g, config: config}
	c.read.Go(func() {
		for err := range g.Errors() { // The group goes on trying by itself.
			config.Say(err)
		}
	})
	return c, nil
}

func (c *consumer) Consume(ctx context.Context, handle func(*adapter.Record) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &handler{handle: handle, fail: cancel}
	var failed failure
	for ctx.Err() == nil {
		// Consume returns at every rebalance, and has to be called again.
		err := c.g.Consume(ctx, []string{c.config.Topic}, h)
		if errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return fmt.Errorf("consuming: %w", err)
		}
		if err != nil && ctx.Err() == nil {
			c.config.Say(err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	if errors.As(context.Cause(ctx), &failed) {
		return failed.error
	}
	return nil
}

func (c *consumer) Close() error {
	err := c.g.Close()
	c.read.Wait()
	return err
}

// A failure is an error of handle.
type failure struct{ error }

type handler struct {
	handle func(*adapter.Record) error
	fail   context.CancelCauseFunc
}

func (*handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim runs once a partition, in a goroutine of its own.
func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	var record adapter.Record
	for {
		select {
		case <-session.Context().Done():
			return nil
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			record = adapter.Record{Key: m.Key, Value: m.Value, Partition: m.Partition, Offset: m.Offset}
			if err := h.handle(&record); err != nil {
				h.fail(failure{err})
				return nil
			}
			session.MarkMessage(m, "")
		}
	}
}
