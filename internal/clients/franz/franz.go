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

// A target is what the options configure.
type target struct{ producer, consumer []kgo.Opt }

func produce(o ...kgo.Opt) func(*target) {
	return func(t *target) { t.producer = append(t.producer, o...) }
}
func consume(o ...kgo.Opt) func(*target) {
	return func(t *target) { t.consumer = append(t.consumer, o...) }
}

func options(config adapter.Config) (o adapter.Options[target]) {
	if config.FromFirst || config.Way != adapter.Defaults {
		o.Add(adapter.Starting, "ConsumeResetOffset", "AtStart", consume(kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
	}
	if config.Way == adapter.Defaults {
		return o
	}
	t := config.Tuning
	acks := map[adapter.Acks]kgo.Acks{
		adapter.All: kgo.AllISRAcks(), adapter.Leader: kgo.LeaderAck(), adapter.None: kgo.NoAck(),
	}[t.Acks]
	names := [...]string{adapter.All: "AllISRAcks", adapter.Leader: "LeaderAck", adapter.None: "NoAck"}
	o.Add(adapter.Partitioning, "RecordPartitioner", "murmur2 of a key (the default)", nil)
	o.Add(adapter.Acknowledged, "RequiredAcks", names[t.Acks], produce(kgo.RequiredAcks(acks)))
	if t.Idempotent && t.Acks == adapter.All {
		o.Add(adapter.Idempotence, "idempotence", "true (the default)", nil)
	} else {
		o.Add(adapter.Idempotence, "DisableIdempotentWrite", "", produce(kgo.DisableIdempotentWrite()))
	}
	o.Add(adapter.Lingering, "ProducerLinger", t.Linger, produce(kgo.ProducerLinger(t.Linger)))
	o.Add(adapter.BatchSize, "ProducerBatchMaxBytes", t.BatchBytes, produce(kgo.ProducerBatchMaxBytes(int32(t.BatchBytes))))
	o.Add(adapter.Compression, "ProducerBatchCompression", "none", produce(kgo.ProducerBatchCompression(kgo.NoCompression())))
	o.Add(adapter.Unfinished, "MaxBufferedRecords", t.InHand, produce(kgo.MaxBufferedRecords(t.InHand)))
	o.Add(adapter.GivingUp, "RecordDeliveryTimeout", t.GiveUp, produce(kgo.RecordDeliveryTimeout(t.GiveUp)))
	o.Add(adapter.Committing, "AutoCommitInterval", t.CommitInterval, consume(kgo.AutoCommitInterval(t.CommitInterval)))
	o.Add(adapter.AfterWork, "AutoCommitMarks", "a mark for the records of a partition", consume(kgo.AutoCommitMarks()))
	o.AddOwn("the others' calls for a rebalance wait for the handler, or it may be called for records of before it",
		"BlockRebalanceOnPoll", true, consume(kgo.BlockRebalanceOnPoll()))
	o.Add(adapter.FetchWaiting, "FetchMaxWait", t.FetchWait, consume(kgo.FetchMaxWait(t.FetchWait)))
	o.Add(adapter.Queueing, "records ready", "all that were fetched: there is no channel", nil)
	o.Add(adapter.Sessions, "SessionTimeout", t.SessionTimeout, consume(kgo.SessionTimeout(t.SessionTimeout)))
	o.Add(adapter.Heartbeats, "HeartbeatInterval", t.SessionTimeout/10, consume(kgo.HeartbeatInterval(t.SessionTimeout/10)))
	return o
}

// Settings implements adapter.Client.
func (Client) Settings(config adapter.Config) []adapter.Setting { return options(config).Settings() }

// newClient makes a client that does both, with all options.
func newClient(config adapter.Config, consumes bool) (*kgo.Client, error) {
	var t target
	options(config).Apply(&t)
	all := []kgo.Opt{kgo.SeedBrokers(config.Brokers...)}
	if consumes {
		all = append(append(all, kgo.ConsumerGroup(config.Group), kgo.ConsumeTopics(config.Topic)), t.consumer...)
	} else {
		all = append(append(all, kgo.DefaultProduceTopic(config.Topic)), t.producer...)
	}
	cl, err := kgo.NewClient(all...)
	if err != nil {
		return nil, fmt.Errorf("making the client: %w", err)
	}
	return cl, nil
}

type producer struct {
	cl    *kgo.Client
	wait  time.Duration // at Close
	acked func(*adapter.Record, error)
	reuse bool      // records, from the pool
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
	cl, err := newClient(config, false)
	if err != nil {
		return nil, err
	}
	p := &producer{cl: cl, wait: config.CloseWait(), acked: acked, reuse: config.Way == adapter.Tuned}
	p.pool.New = func() any {
		one := &pending{of: p}
		one.promise = one.done
		return one
	}
	return p, nil
}

func (p *producer) Produce(ctx context.Context, r *adapter.Record) error {
	// It blocks while the buffer is full. The promise has every error, that of ctx too.
	if p.reuse {
		one := p.pool.Get().(*pending)
		one.ours, one.Key, one.Value = r, r.Key, r.Value
		p.cl.Produce(ctx, &one.Record, one.promise)
		return nil
	}
	p.cl.Produce(ctx, &kgo.Record{Key: r.Key, Value: r.Value}, func(written *kgo.Record, err error) {
		r.Partition, r.Offset = written.Partition, written.Offset
		p.acked(r, err)
	})
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
	cl, err := newClient(config, true)
	if err != nil {
		return nil, err
	}
	return &consumer{cl: cl, config: config}, nil
}

func (c *consumer) Consume(ctx context.Context, handle func(*adapter.Record) error) error {
	marks := c.config.Way != adapter.Defaults
	var failed error
	for failed == nil {
		fetches := c.cl.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return errors.New("the client was closed")
		}
		if ctx.Err() != nil {
			break
		}
		// An error of a partition is one that the client can't mend by itself: it goes on with the others.
		fetches.EachError(func(_ string, _ int32, err error) { c.config.Say(err) })
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			handled := 0
			var record adapter.Record
			for _, r := range p.Records {
				if failed != nil || marks && ctx.Err() != nil {
					break
				}
				record = adapter.Record{Key: r.Key, Value: r.Value, Partition: r.Partition, Offset: r.Offset}
				if failed = handle(&record); failed == nil {
					handled++
				}
			}
			if marks && handled > 0 {
				c.cl.MarkCommitRecords(p.Records[handled-1])
			}
		})
		c.cl.AllowRebalance()
	}
	c.cl.AllowRebalance()
	if failed == nil && marks {
		if err := c.cl.CommitMarkedOffsets(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("committing at the end: %w", err)
		}
	}
	return failed
}

func (c *consumer) Close() error {
	c.cl.AllowRebalance()
	c.cl.Close()
	return nil
}
