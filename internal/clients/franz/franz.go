// Package franz drives twmb/franz-go.
package franz

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/clients/adapter"
)

// Client is franz-go.
type Client struct{}

// Name implements adapter.Client.
func (Client) Name() string { return "franz-go" }

// Available implements adapter.Client.
func (Client) Available() error { return nil }

// Settings implements adapter.Client.
func (Client) Settings(config adapter.Config) []adapter.Setting {
	if config.Way == adapter.Defaults {
		return nil
	}
	t := config.Tuning
	return []adapter.Setting{
		{Name: "RecordPartitioner", Value: "StickyKeyPartitioner (the default: murmur2)"},
		{Name: "RequiredAcks", Value: acksName(t.Acks)},
		{Name: "idempotence", Value: fmt.Sprint(idempotent(t))},
		{Name: "ProducerLinger", Value: t.Linger.String()},
		{Name: "ProducerBatchMaxBytes", Value: fmt.Sprint(t.BatchBytes)},
		{Name: "ProducerBatchCompression", Value: "none"},
		{Name: "MaxBufferedRecords", Value: fmt.Sprint(t.InHand)},
		{Name: "RecordDeliveryTimeout", Value: t.GiveUp.String()},
		{Name: "ConsumeResetOffset", Value: "AtStart (the default)"},
		{Name: "AutoCommitMarks", Value: "true"},
		{Name: "AutoCommitInterval", Value: t.CommitInterval.String()},
		{Name: "FetchMaxWait", Value: t.FetchWait.String()},
		{Name: "SessionTimeout", Value: t.SessionTimeout.String()},
		{Name: "HeartbeatInterval", Value: (t.SessionTimeout / 10).String()},
	}
}

func acksName(a adapter.Acks) string { return [...]string{"AllISRAcks", "LeaderAck", "NoAck"}[a] }

func idempotent(t adapter.Tuning) bool { return t.Idempotent && t.Acks == adapter.All }

type producer struct {
	cl    *kgo.Client
	wait  time.Duration // at Close
	acked func(*adapter.Record, error)
	pool  sync.Pool // of *pending
}

// A pending record has its promise with it, so that a record costs no closure.
type pending struct {
	kgo.Record
	of      *producer
	ours    *adapter.Record
	promise func(*kgo.Record, error)
}

func (p *pending) done(r *kgo.Record, err error) {
	ours := p.ours
	ours.Partition, ours.Offset = r.Partition, r.Offset
	p.Record, p.ours = kgo.Record{}, nil
	of := p.of
	of.pool.Put(p)
	of.acked(ours, err)
}

// NewProducer implements adapter.Client.
func (Client) NewProducer(config adapter.Config, acked func(*adapter.Record, error)) (adapter.Producer, error) {
	options := []kgo.Opt{kgo.SeedBrokers(config.Brokers...), kgo.DefaultProduceTopic(config.Topic)}
	if config.Way == adapter.Matched {
		t := config.Tuning
		acks := kgo.AllISRAcks()
		switch t.Acks {
		case adapter.Leader:
			acks = kgo.LeaderAck()
		case adapter.None:
			acks = kgo.NoAck()
		}
		options = append(options, kgo.RequiredAcks(acks),
			kgo.ProducerLinger(t.Linger), kgo.ProducerBatchMaxBytes(int32(t.BatchBytes)),
			kgo.ProducerBatchCompression(kgo.NoCompression()),
			kgo.MaxBufferedRecords(t.InHand), kgo.RecordDeliveryTimeout(t.GiveUp))
		if !idempotent(t) {
			options = append(options, kgo.DisableIdempotentWrite())
		}
	}
	cl, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("making the client: %w", err)
	}
	p := &producer{cl: cl, wait: config.CloseWait(), acked: acked}
	p.pool.New = func() any {
		one := &pending{of: p}
		one.promise = one.done
		return one
	}
	return p, nil
}

func (p *producer) Produce(ctx context.Context, r *adapter.Record) error {
	one := p.pool.Get().(*pending)
	one.ours, one.Key, one.Value = r, r.Key, r.Value
	// It blocks while the buffer is full. The promise has every error, that of ctx too.
	p.cl.Produce(ctx, &one.Record, one.promise)
	return nil
}

func (p *producer) Flush(ctx context.Context) error { return p.cl.Flush(ctx) }

func (p *producer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.wait)
	defer cancel()
	err := p.cl.Flush(ctx)
	p.cl.Close()
	return err
}

type consumer struct {
	cl     *kgo.Client
	config adapter.Config
}

// NewConsumer implements adapter.Client.
func (Client) NewConsumer(config adapter.Config) (adapter.Consumer, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(config.Brokers...), kgo.ConsumerGroup(config.Group), kgo.ConsumeTopics(config.Topic),
	}
	if config.FromFirst {
		options = append(options, kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	}
	if config.Way == adapter.Matched {
		t := config.Tuning
		options = append(options, kgo.AutoCommitMarks(), kgo.AutoCommitInterval(t.CommitInterval),
			kgo.BlockRebalanceOnPoll(), // Nobody else gets a partition while its records are in hand.
			kgo.FetchMaxWait(t.FetchWait),
			kgo.SessionTimeout(t.SessionTimeout), kgo.HeartbeatInterval(t.SessionTimeout/10))
	}
	cl, err := kgo.NewClient(options...)
	if err != nil {
		return nil, fmt.Errorf("making the client: %w", err)
	}
	return &consumer{cl: cl, config: config}, nil
}

func (c *consumer) Consume(ctx context.Context, handle func(*adapter.Record) error) error {
	var record adapter.Record
	for {
		fetches := c.cl.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return errors.New("the client was closed")
		}
		if ctx.Err() != nil {
			break
		}
		// An error of a partition is one that the client can't mend by itself: it goes on with the others.
		fetches.EachError(func(_ string, _ int32, err error) { c.config.Say(err) })
		// A partition's last record is marked for all of them: a mark takes a lock.
		// Records come partition by partition.
		var last *kgo.Record
		mark := func() {
			if last != nil && c.config.Way == adapter.Matched {
				c.cl.MarkCommitRecords(last)
			}
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			record = adapter.Record{Key: r.Key, Value: r.Value, Partition: r.Partition, Offset: r.Offset}
			if last != nil && last.Partition != r.Partition {
				mark()
			}
			if err := handle(&record); err != nil {
				mark()
				c.cl.AllowRebalance()
				return err
			}
			last = r
			if ctx.Err() != nil && c.config.Way == adapter.Matched {
				break
			}
		}
		mark()
		if c.config.Way == adapter.Matched {
			c.cl.AllowRebalance()
		}
	}
	if c.config.Way == adapter.Matched {
		c.cl.AllowRebalance()
		if err := c.cl.CommitMarkedOffsets(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("committing at the end: %w", err)
		}
	}
	return nil
}

func (c *consumer) Close() error {
	c.cl.AllowRebalance()
	c.cl.Close()
	return nil
}
