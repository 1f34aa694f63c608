package main

import (
	"context"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/wire"
)

// unread is how many records fail in unreadErrors.
const unread = 3000

// unreadErrors writes records without waiting for them and without reading
// their errors, while the brokers refuse every one for good.
func unreadErrors(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: benchTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	cluster.Refuse(kerr.TopicAuthorizationFailed.Code)
	test, ok := map[string]func(context.Context, []string) (Cell, error){
		"kafka-go, NewWriter": unreadNewWriter, "kafka-go": unreadLiteral,
		"sarama": unreadSarama, "confluent-kafka-go": unreadConfluent, "goka": unreadGoka, "franz-go": unreadFranz,
	}[c.Name()]
	if !ok {
		return nil, fmt.Errorf("there is no test for %s", c.Name())
	}
	cell, err := test(ctx, cluster.Addrs())
	return map[string]Cell{"errors that nobody reads": cell}, err
}

// silent is what a client does that tells nobody.
var silent = Cell{"are dropped without a word", "loses"}

// eventually runs f and tells whether it ends soon.
func eventually(f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(3 * time.Second):
		return false
	}
}

func unreadWriter(ctx context.Context, w *kafka.Writer) (Cell, error) {
	for i := range unread {
		if err := w.WriteMessages(ctx, kafka.Message{Value: []byte("value")}); err != nil {
			return Cell{Value: "are returned by the write"}, fmt.Errorf("record %d: %w", i, err)
		}
	}
	if err := w.Close(); err != nil {
		return Cell{Value: "are returned by Close"}, nil
	}
	return Cell{"with Async and no Completion, " + silent.Value, silent.Mark}, nil
}

func unreadNewWriter(ctx context.Context, addrs []string) (Cell, error) {
	return unreadWriter(ctx, kafka.NewWriter(kafka.WriterConfig{Brokers: addrs, Topic: benchTopic, Async: true}))
}

func unreadLiteral(ctx context.Context, addrs []string) (Cell, error) {
	return unreadWriter(ctx, &kafka.Writer{Addr: kafka.TCP(addrs...), Topic: benchTopic, Async: true})
}

func unreadSarama(_ context.Context, addrs []string) (Cell, error) {
	p, err := sarama.NewAsyncProducer(addrs, sarama.NewConfig())
	if err != nil {
		return Cell{}, fmt.Errorf("making the producer: %w", err)
	}
	// It takes more of them than the others: its queues are long.
	for range 100 * unread {
		select {
		case p.Input() <- &sarama.ProducerMessage{Topic: benchTopic, Value: sarama.StringEncoder("value")}:
		case <-time.After(3 * time.Second):
			p.AsyncClose()
			for range p.Errors() { // Now that somebody reads them, it can close.
			}
			return Cell{"stop the producer: Input() blocks for ever", "stops"}, nil
		}
	}
	if err := p.Close(); err != nil {
		return Cell{Value: "are returned by Close"}, nil
	}
	return silent, nil
}

func unreadGoka(_ context.Context, addrs []string) (Cell, error) {
	e, err := goka.NewEmitter(addrs, benchTopic, new(codec.String))
	if err != nil {
		return Cell{}, fmt.Errorf("making the emitter: %w", err)
	}
	for i := range unread {
		// Its promise has the error.
		if _, err := e.Emit("key", "value"); err != nil {
			return Cell{Value: "are returned by Emit"}, fmt.Errorf("record %d: %w", i, err)
		}
	}
	var finish error
	if !eventually(func() { finish = e.Finish() }) {
		return Cell{"Finish never ends", "stops"}, nil
	}
	if finish != nil {
		return Cell{Value: "are returned by Finish"}, nil
	}
	return silent, nil
}

func unreadFranz(ctx context.Context, addrs []string) (Cell, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DefaultProduceTopic(benchTopic))
	if err != nil {
		return Cell{}, fmt.Errorf("making the client: %w", err)
	}
	defer cl.Close()
	for range unread {
		cl.Produce(ctx, &kgo.Record{Value: []byte("value")}, nil)
	}
	var flush error
	if !eventually(func() { flush = cl.Flush(ctx) }) {
		return Cell{"Flush never ends", "stops"}, nil
	}
	if flush != nil {
		return Cell{Value: "are returned by Flush"}, nil
	}
	return silent, nil
}
