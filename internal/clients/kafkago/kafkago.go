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

// Settings implements adapter.Client.
func (c Client) Settings(config adapter.Config) []adapter.Setting {
	if config.Way == adapter.Defaults {
		return nil
	}
	t := config.Tuning
	transport := "its own"
	if t.KeepMetadata > 0 {
		transport = "keeps the topic's metadata for " + t.KeepMetadata.String()
	}
	return []adapter.Setting{
		{Name: "Transport", Value: transport},
		{Name: "Balancer", Value: "Murmur2Balancer"},
		{Name: "RequiredAcks", Value: acks(t.Acks).String()},
		{Name: "idempotence", Value: "kafka-go's Writer has none"},
		{Name: "BatchTimeout", Value: linger(t).String()},
		{Name: "BatchBytes", Value: fmt.Sprint(t.BatchBytes)},
		{Name: "BatchSize", Value: fmt.Sprint(t.RecordsInBatch())},
		{Name: "MaxAttempts", Value: fmt.Sprint(attempts(t.GiveUp))},
		{Name: "Async", Value: "true, with a Completion"},
		{Name: "StartOffset", Value: "FirstOffset"},
		{Name: "CommitInterval", Value: t.CommitInterval.String()},
		{Name: "MaxWait", Value: t.FetchWait.String()},
		{Name: "SessionTimeout", Value: t.SessionTimeout.String()},
		{Name: "HeartbeatInterval", Value: (t.SessionTimeout / 10).String()},
		{Name: "WatchPartitionChanges", Value: "true"},
	}
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
	case config.Way == adapter.Matched:
		t := config.Tuning
		p.window = adapter.NewWindow(t.InHand)
		p.transport = new(kafka.Transport)
		p.w = &kafka.Writer{
			Addr: kafka.TCP(config.Brokers...), Topic: config.Topic, Transport: keepMetadata(p.transport, t.KeepMetadata),
			Balancer: kafka.Murmur2Balancer{}, RequiredAcks: acks(t.Acks),
			BatchTimeout: linger(t), BatchBytes: int64(t.BatchBytes), BatchSize: t.RecordsInBatch(),
			MaxAttempts: attempts(t.GiveUp),
			Async:       true, Completion: p.complete,
		}
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
	long time.Duration
	kept atomic.Pointer[metadata.Response]
}

func keepMetadata(t kafka.RoundTripper, long time.Duration) kafka.RoundTripper {
	if long == 0 {
		return t
	}
	return &keptMetadata{RoundTripper: t, long: long}
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
		time.AfterFunc(k.long, func() { k.kept.Store(nil) })
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
func (c Client) NewConsumer(config adapter.Config) (adapter.Consumer, error) {
	reader := kafka.ReaderConfig{Brokers: config.Brokers, Topic: config.Topic, GroupID: config.Group}
	if config.FromFirst {
		reader.StartOffset = kafka.FirstOffset
	}
	if config.Way == adapter.Matched {
		t := config.Tuning
		reader.CommitInterval = t.CommitInterval
		reader.MaxWait = t.FetchWait
		reader.SessionTimeout, reader.HeartbeatInterval = t.SessionTimeout, t.SessionTimeout/10
		reader.JoinGroupBackoff = time.Second
		reader.WatchPartitionChanges = true
	}
	return &consumer{r: kafka.NewReader(reader), config: config}, nil
}

func (c *consumer) Consume(ctx context.Context, handle func(*adapter.Record) error) (err error) {
	next := c.r.ReadMessage // It commits a record, and then returns it.
	if c.config.Way == adapter.Matched {
		next = c.r.FetchMessage
	}
	notes := notes{r: c.r, handled: make(map[int]kafka.Message)}
	if c.config.Way == adapter.Matched {
		stop := notes.start(c.config.Tuning.CommitInterval / 10)
		defer func() { err = errors.Join(err, stop()) }()
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
		if c.config.Way == adapter.Matched {
			notes.add(m)
		}
	}
}

// notes are the last records of each partition that were handled. The reader is
// told of them now and then: to tell it of each record would cost a channel's
// send a record, and it commits only once in its interval anyway.
type notes struct {
	r       *kafka.Reader
	mu      sync.Mutex
	handled map[int]kafka.Message
}

func (n *notes) add(m kafka.Message) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.handled[m.Partition] = m
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
