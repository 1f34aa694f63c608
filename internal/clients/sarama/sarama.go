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

// Options are what is set of sarama's configuration. goka's adapter uses them too.
func Options(config adapter.Config) (o adapter.Options[sarama.Config]) {
	o.AddOwn("without it nobody learns that a record is written, as the others tell by default",
		"Producer.Return.Successes", true, func(c *sarama.Config) { c.Producer.Return.Successes = true })
	if config.FromFirst || config.Way != adapter.Defaults {
		o.Add(adapter.Starting, "Consumer.Offsets.Initial", "OffsetOldest",
			func(c *sarama.Config) { c.Consumer.Offsets.Initial = sarama.OffsetOldest })
	}
	if config.Way == adapter.Defaults {
		return o
	}
	t := config.Tuning
	acks := map[adapter.Acks]sarama.RequiredAcks{
		adapter.All: sarama.WaitForAll, adapter.Leader: sarama.WaitForLocal, adapter.None: sarama.NoResponse,
	}[t.Acks]
	idempotent := t.Idempotent && t.Acks == adapter.All
	flushBytes := t.BatchBytes
	if t.Linger == 0 {
		flushBytes = 0 // Without a time, sarama would wait for the bytes for ever.
	}
	retries := max(3, int(t.GiveUp/(250*time.Millisecond)))
	o.Add(adapter.Partitioning, "Producer.Partitioner", "NewMurmur2Partitioner",
		func(c *sarama.Config) { c.Producer.Partitioner = sarama.NewMurmur2Partitioner })
	o.Add(adapter.Compression, "Producer.Compression", "CompressionNone",
		func(c *sarama.Config) { c.Producer.Compression = sarama.CompressionNone })
	o.Add(adapter.Acknowledged, "Producer.RequiredAcks", acks, func(c *sarama.Config) { c.Producer.RequiredAcks = acks })
	o.Add(adapter.Idempotence, "Producer.Idempotent", idempotent, func(c *sarama.Config) { c.Producer.Idempotent = idempotent })
	o.AddOwn("its idempotent producer asks for it, and without it a failed request can change the order of records",
		"Net.MaxOpenRequests", 1, func(c *sarama.Config) { c.Net.MaxOpenRequests = 1 })
	o.Add(adapter.Lingering, "Producer.Flush.Frequency", t.Linger, func(c *sarama.Config) { c.Producer.Flush.Frequency = t.Linger })
	o.Add(adapter.BatchSize, "Producer.Flush.Bytes", flushBytes, func(c *sarama.Config) { c.Producer.Flush.Bytes = flushBytes })
	o.Add(adapter.BatchSize, "Producer.MaxMessageBytes", t.BatchBytes,
		func(c *sarama.Config) { c.Producer.MaxMessageBytes = t.BatchBytes })
	o.Add(adapter.Unfinished, "records in hand", "counted by the adapter: the producer has no bound", nil)
	o.Add(adapter.GivingUp, "Producer.Retry.Max", retries, func(c *sarama.Config) { c.Producer.Retry.Max = retries })
	o.Add(adapter.GivingUp, "Producer.Retry.Backoff", 250*time.Millisecond,
		func(c *sarama.Config) { c.Producer.Retry.Backoff = 250 * time.Millisecond })
	o.Add(adapter.Committing, "Consumer.Offsets.AutoCommit.Interval", t.CommitInterval,
		func(c *sarama.Config) { c.Consumer.Offsets.AutoCommit.Interval = t.CommitInterval })
	o.Add(adapter.AfterWork, "MarkMessage", "after each record", nil)
	o.Add(adapter.FetchWaiting, "Consumer.MaxWaitTime", t.FetchWait, func(c *sarama.Config) { c.Consumer.MaxWaitTime = t.FetchWait })
	o.Add(adapter.Queueing, "ChannelBufferSize", t.Queue, func(c *sarama.Config) { c.ChannelBufferSize = t.Queue })
	o.Add(adapter.Sessions, "Consumer.Group.Session.Timeout", t.SessionTimeout,
		func(c *sarama.Config) { c.Consumer.Group.Session.Timeout = t.SessionTimeout })
	o.Add(adapter.Heartbeats, "Consumer.Group.Heartbeat.Interval", t.SessionTimeout/10,
		func(c *sarama.Config) { c.Consumer.Group.Heartbeat.Interval = t.SessionTimeout / 10 })
	o.AddOwn("the others report a consumer's errors by default", "Consumer.Return.Errors", true,
		func(c *sarama.Config) { c.Consumer.Return.Errors = true })
	return o
}

// Settings implements adapter.Client.
func (Client) Settings(config adapter.Config) []adapter.Setting { return Options(config).Settings() }

func newConfig(config adapter.Config) *sarama.Config {
	c := sarama.NewConfig()
	Options(config).Apply(c)
	return c
}

type producer struct {
	p       sarama.AsyncProducer
	reuse   bool      // messages, from the pool
	pool    sync.Pool // of *sarama.ProducerMessage
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
	p, err := sarama.NewAsyncProducer(config.Brokers, newConfig(config))
	if err != nil {
		return nil, fmt.Errorf("starting the producer: %w", err)
	}
	inHand := config.Tuning.InHand
	if config.Way == adapter.Defaults {
		inHand = 1 << 20 // sarama bounds them by itself: this only counts them.
	}
	out := &producer{
		p: p, topic: config.Topic, window: adapter.NewWindow(inHand), reuse: config.Way == adapter.Tuned,
	}
	// Both channels are read, or Input would block in the end.
	out.drained.Go(func() {
		for m := range p.Successes() {
			r := m.Metadata.(*adapter.Record)
			r.Partition, r.Offset = m.Partition, m.Offset
			if out.reuse {
				out.pool.Put(m)
			}
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
	m, again := p.pool.Get().(*sarama.ProducerMessage)
	if !again {
		m = new(sarama.ProducerMessage)
	}
	m.Topic, m.Key, m.Value, m.Metadata = p.topic, nil, sarama.ByteEncoder(r.Value), r
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
	g, err := sarama.NewConsumerGroup(config.Brokers, config.Group, newConfig(config))
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
