// Package kafkago drives segmentio/kafka-go.
package kafkago

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"

	"kafka-with-go/internal/clients/adapter"
)

// Client is kafka-go. Under Defaults its writer is the literal kafka.Writer{},
// as in its own example.
type Client struct {
	// NewWriter has the deprecated kafka.NewWriter make the writer, whose
	// defaults are others.
	NewWriter bool
	// Async has the literal not wait for what it writes. Nobody tells the program
	// what became of a record then, so it counts as written when the call returns.
	Async bool
}

// Name implements adapter.Client.
func (c Client) Name() string {
	switch {
	case c.NewWriter:
		return "kafka-go, NewWriter"
	case c.Async:
		return "kafka-go, Async"
	}
	return "kafka-go"
}

// Available implements adapter.Client.
func (Client) Available() error { return nil }

// attempts is how often a write is tried until about giveUp has passed: the
// writer waits up to a second between two attempts.
func attempts(giveUp time.Duration) int { return max(1, int(giveUp/time.Second)+5) }

// linger is the time that a batch waits. No time at all would be the writer's default, a second.
func linger(t adapter.Tuning) time.Duration { return max(t.Linger, time.Nanosecond) }

// A target is what the options configure.
type target struct {
	writer *kafka.Writer
	reader *kafka.ReaderConfig
}

func options(config adapter.Config) (o adapter.Options[target]) {
	if config.FromFirst || config.Way != adapter.Defaults {
		o.Add(adapter.Starting, "StartOffset", "FirstOffset (the default)", func(t *target) { t.reader.StartOffset = kafka.FirstOffset })
	}
	if config.Way == adapter.Defaults {
		return o
	}
	t := config.Tuning
	o.Add(adapter.Partitioning, "Balancer", "Murmur2Balancer", func(to *target) { to.writer.Balancer = kafka.Murmur2Balancer{} })
	o.Add(adapter.Acknowledged, "RequiredAcks", acks(t.Acks), func(to *target) { to.writer.RequiredAcks = acks(t.Acks) })
	o.Add(adapter.Idempotence, "idempotence", "the Writer has none", nil)
	o.Add(adapter.Lingering, "BatchTimeout", linger(t), func(to *target) { to.writer.BatchTimeout = linger(t) })
	o.Add(adapter.BatchSize, "BatchBytes", t.BatchBytes, func(to *target) { to.writer.BatchBytes = int64(t.BatchBytes) })
	o.Add(adapter.BatchSize, "BatchSize", t.RecordsInBatch(), func(to *target) { to.writer.BatchSize = t.RecordsInBatch() })
	o.Add(adapter.Compression, "Compression", "none (the default)", nil)
	o.Add(adapter.Unfinished, "records in hand", "counted by the adapter: the Writer has no bound", nil)
	o.Add(adapter.GivingUp, "MaxAttempts", attempts(t.GiveUp), func(to *target) { to.writer.MaxAttempts = attempts(t.GiveUp) })
	o.AddOwn("the other producers don't wait for a record by themselves", "Async", "true, with a Completion",
		func(to *target) { to.writer.Async = true })
	o.Add(adapter.Committing, "CommitInterval", t.CommitInterval, func(to *target) { to.reader.CommitInterval = t.CommitInterval })
	o.Add(adapter.AfterWork, "FetchMessage, CommitMessages", "after each record", nil)
	o.Add(adapter.FetchWaiting, "MaxWait", t.FetchWait, func(to *target) { to.reader.MaxWait = t.FetchWait })
	o.Add(adapter.Queueing, "QueueCapacity", t.Queue, func(to *target) { to.reader.QueueCapacity = t.Queue })
	o.Add(adapter.Sessions, "SessionTimeout", t.SessionTimeout, func(to *target) { to.reader.SessionTimeout = t.SessionTimeout })
	o.Add(adapter.Heartbeats, "HeartbeatInterval", t.SessionTimeout/10, func(to *target) { to.reader.HeartbeatInterval = t.SessionTimeout / 10 })
	o.AddOwn("the other clients wait less, or do so by default", "JoinGroupBackoff", time.Second,
		func(to *target) { to.reader.JoinGroupBackoff = time.Second })
	o.AddOwn("the other clients do so by default", "WatchPartitionChanges", true,
		func(to *target) { to.reader.WatchPartitionChanges = true })
	return o
}

// Settings implements adapter.Client.
func (Client) Settings(config adapter.Config) []adapter.Setting { return options(config).Settings() }

// newWriter makes the writer of every way but the defaults.
func newWriter(config adapter.Config, t kafka.RoundTripper, done func([]kafka.Message, error)) *kafka.Writer {
	w := &kafka.Writer{
		Addr: kafka.TCP(config.Brokers...), Topic: config.Topic, Transport: t, Completion: done,
	}
	options(config).Apply(&target{writer: w, reader: new(kafka.ReaderConfig)})
	return w
}

func readerConfig(config adapter.Config) kafka.ReaderConfig {
	c := kafka.ReaderConfig{Brokers: config.Brokers, Topic: config.Topic, GroupID: config.Group}
	options(config).Apply(&target{writer: new(kafka.Writer), reader: &c})
	return c
}

func acks(a adapter.Acks) kafka.RequiredAcks {
	switch a {
	case adapter.Leader:
		return kafka.RequireOne
	case adapter.None:
		return kafka.RequireNone
	}
	return kafka.RequireAll
}

type producer struct {
	w         *kafka.Writer
	transport *kafka.Transport // nil for the client's shared one
	window    *adapter.Window  // nil under Defaults, where a write blocks
	acked     func(*adapter.Record, error)
	slices    sync.Pool // of *[]kafka.Message
}

// NewProducer implements adapter.Client.
func (c Client) NewProducer(config adapter.Config, acked func(*adapter.Record, error)) (adapter.Producer, error) {
	p := &producer{acked: acked}
	switch {
	case config.Way != adapter.Defaults:
		p.window = adapter.NewWindow(config.Tuning.InHand)
		p.transport = new(kafka.Transport)
		var transport kafka.RoundTripper = p.transport
		if config.Way == adapter.Tuned {
			transport = &keptMetadata{RoundTripper: transport}
		}
		p.w = newWriter(config, transport, p.complete)
	case c.NewWriter:
		p.w = kafka.NewWriter(kafka.WriterConfig{Brokers: config.Brokers, Topic: config.Topic})
	default:
		p.w = &kafka.Writer{Addr: kafka.TCP(config.Brokers...), Topic: config.Topic, Async: c.Async}
	}
	return p, nil
}

// keptMetadata is a transport that answers a writer's question for the topic's
// metadata as it did before. The writer only counts the partitions in it: where
// their leaders are, the transport below finds out for itself.
type keptMetadata struct {
	kafka.RoundTripper
	kept atomic.Pointer[metadata.Response]
}

// RoundTrip implements kafka.RoundTripper. A writer asks only for its own topic.
func (k *keptMetadata) RoundTrip(
	ctx context.Context, addr net.Addr, request kafka.Request,
) (kafka.Response, error) {
	if _, ok := request.(*metadata.Request); !ok {
		return k.RoundTripper.RoundTrip(ctx, addr, request)
	}
	if kept := k.kept.Load(); kept != nil {
		return kept, nil
	}
	response, err := k.RoundTripper.RoundTrip(ctx, addr, request)
	if m, ok := response.(*metadata.Response); ok && err == nil && len(m.Topics) == 1 && m.Topics[0].ErrorCode == 0 {
		k.kept.Store(m)
		time.AfterFunc(time.Second, func() { k.kept.Store(nil) })
	}
	return response, err
}

func (p *producer) complete(messages []kafka.Message, err error) {
	for i := range messages {
		r := messages[i].WriterData.(*adapter.Record)
		r.Partition, r.Offset = int32(messages[i].Partition), messages[i].Offset
		p.acked(r, err)
	}
	p.window.Leave(len(messages))
}

func (p *producer) Produce(ctx context.Context, r *adapter.Record) error {
	message := kafka.Message{Key: r.Key, Value: r.Value, WriterData: r}
	if p.window == nil {
		// The client's own example writes a record and waits for it. It doesn't learn the offset.
		p.acknowledge([]*adapter.Record{r}, p.w.WriteMessages(ctx, message))
		return nil
	}
	if err := p.window.Enter(ctx, 1); err != nil {
		return err
	}
	if err := p.w.WriteMessages(ctx, message); err != nil {
		p.window.Leave(1)
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// ProduceAll implements adapter.BatchProducer: what the writer does once a call,
// it does for all of the records together.
func (p *producer) ProduceAll(ctx context.Context, records []*adapter.Record) error {
	messages, ok := p.slices.Get().(*[]kafka.Message)
	if !ok {
		messages = new([]kafka.Message)
	}
	*messages = (*messages)[:0]
	for _, r := range records {
		*messages = append(*messages, kafka.Message{Key: r.Key, Value: r.Value, WriterData: r})
	}
	defer p.slices.Put(messages) // The writer has copied them when it returns.
	if p.window == nil {
		p.acknowledge(records, p.w.WriteMessages(ctx, *messages...))
		return nil
	}
	if err := p.window.Enter(ctx, len(records)); err != nil {
		return err
	}
	if err := p.w.WriteMessages(ctx, *messages...); err != nil {
		p.window.Leave(len(records))
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// acknowledge tells of records that were waited for. The writer says of each one what became of it.
func (p *producer) acknowledge(records []*adapter.Record, err error) {
	var each kafka.WriteErrors
	errors.As(err, &each)
	for i, r := range records {
		r.Partition, r.Offset = -1, -1
		if len(each) == len(records) {
			err = each[i]
		}
		p.acked(r, err)
	}
}

func (p *producer) Flush(ctx context.Context) error {
	if p.window == nil {
		return nil
	}
	return p.window.Empty(ctx)
}

func (p *producer) Close() error {
	err := p.w.Close()
	if p.transport != nil {
		p.transport.CloseIdleConnections()
	}
	return err
}

type consumer struct {
	r      *kafka.Reader
	config adapter.Config
}

// NewConsumer implements adapter.Client.
func (Client) NewConsumer(config adapter.Config) (adapter.Consumer, error) {
	return &consumer{r: kafka.NewReader(readerConfig(config)), config: config}, nil
}

func (c *consumer) Consume(ctx context.Context, handle func(*adapter.Record) error) (err error) {
	next := c.r.FetchMessage
	commit := func(m kafka.Message) error { return c.commit(ctx, m) }
	switch c.config.Way {
	case adapter.Defaults:
		next = c.r.ReadMessage // It commits a record, and then returns it.
		commit = func(kafka.Message) error { return nil }
	case adapter.Tuned:
		notes := notes{r: c.r, handled: make(map[int]kafka.Message)}
		stop := notes.start(c.config.Tuning.CommitInterval / 10)
		defer func() { err = errors.Join(err, stop()) }()
		commit = notes.add
	}
	var record adapter.Record
	for {
		m, err := next(ctx)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the reader was closed: %w", err)
		}
		if err != nil {
			c.config.Say(err) // The reader goes on trying by itself.
			continue
		}
		record = adapter.Record{Key: m.Key, Value: m.Value, Partition: int32(m.Partition), Offset: m.Offset}
		if err := handle(&record); err != nil {
			return err
		}
		if err := commit(m); err != nil {
			return fmt.Errorf("committing: %w", err)
		}
	}
}

// commit hands a record over to be committed with the next ones. At the end of ctx it is
// still taken, unless the reader has nobody left who would.
func (c *consumer) commit(ctx context.Context, m kafka.Message) error {
	err := c.r.CommitMessages(ctx, m)
	if err == nil || ctx.Err() == nil {
		return err
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return c.r.CommitMessages(late, m)
}

// notes are the last records of each partition that were handled. The reader is
// told of them now and then: to tell it of each record would cost a channel's
// send a record, and it commits only once in its interval anyway.
type notes struct {
	r       *kafka.Reader
	mu      sync.Mutex
	handled map[int]kafka.Message
}

func (n *notes) add(m kafka.Message) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handled[m.Partition] = m
	return nil
}

// tell tells the reader. With a commit interval it only notes the offsets, and waits for nobody.
func (n *notes) tell() error {
	n.mu.Lock()
	messages := slices.Collect(maps.Values(n.handled))
	clear(n.handled)
	n.mu.Unlock()
	if len(messages) == 0 {
		return nil
	}
	if err := n.r.CommitMessages(context.Background(), messages...); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// start tells the reader again and again, until the returned function is called.
func (n *notes) start(every time.Duration) (stop func() error) {
	done, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if err := n.tell(); err != nil {
					failed <- err
					return
				}
			case <-done:
				failed <- n.tell()
				return
			}
		}
	}()
	return func() error { close(done); return <-failed }
}

func (c *consumer) Close() error { return c.r.Close() }
