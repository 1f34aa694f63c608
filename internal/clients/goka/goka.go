// Package goka drives lovoo/goka, which drives IBM/sarama.
package goka

import (
	"context"
	"fmt"
	"hash"
	"io"
	"log"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"

	"kafka-with-go/internal/clients/adapter"
	saramaclient "kafka-with-go/internal/clients/sarama"
)

// Client is goka.
type Client struct{}

// Name implements adapter.Client.
func (Client) Name() string { return "goka" }

// Available implements adapter.Client.
func (Client) Available() error { return nil }

// options are those of sarama, where goka lets them through.
func options(config adapter.Config) adapter.Options[sarama.Config] {
	if config.Way == adapter.Defaults && !config.FromFirst {
		return nil
	}
	return saramaclient.Options(config)
}

// Settings implements adapter.Client.
func (Client) Settings(config adapter.Config) []adapter.Setting { return options(config).Settings() }

// newConfig is goka's own configuration of sarama, changed as the way asks for.
func newConfig(config adapter.Config) *sarama.Config {
	c := goka.DefaultConfig()
	options(config).Apply(c)
	return c
}

// newBuilder makes sarama's producer for the emitter. goka's own way would choose the
// partition by a hash of its own.
func newBuilder(config adapter.Config) goka.ProducerBuilder {
	return func(brokers []string, clientID string, _ func() hash.Hash32) (goka.Producer, error) {
		c := newConfig(config)
		c.ClientID = clientID
		return goka.NewProducer(brokers, c)
	}
}

// quiet keeps goka from logging each step of a processor.
var quiet = log.New(io.Discard, "", 0)

type producer struct {
	e      *goka.Emitter
	wait   bool            // for each record, as its own example does
	window *adapter.Window // nil where each record is waited for
	acked  func(*adapter.Record, error)
}

// NewProducer implements adapter.Client. Under Defaults it waits for each
// record, as EmitSync of goka's example does.
func (Client) NewProducer(config adapter.Config, acked func(*adapter.Record, error)) (adapter.Producer, error) {
	p := &producer{acked: acked, wait: true}
	options := []goka.EmitterOption{goka.WithEmitterLogger(quiet)}
	if config.Way != adapter.Defaults {
		p.wait, p.window = false, adapter.NewWindow(config.Tuning.InHand)
		options = append(options, goka.WithEmitterProducerBuilder(newBuilder(config)))
	}
	e, err := goka.NewEmitter(config.Brokers, goka.Stream(config.Topic), new(codec.Bytes), options...)
	if err != nil {
		return nil, fmt.Errorf("making the emitter: %w", err)
	}
	p.e = e
	return p, nil
}

func (p *producer) Produce(ctx context.Context, r *adapter.Record) error {
	if !p.wait {
		if err := p.window.Enter(ctx, 1); err != nil {
			return err
		}
	}
	promise, err := p.e.Emit(string(r.Key), r.Value)
	if err != nil {
		if !p.wait {
			p.window.Leave(1)
		}
		return fmt.Errorf("emitting: %w", err)
	}
	var done chan struct{}
	if p.wait {
		done = make(chan struct{})
	}
	promise.ThenWithMessage(func(m *sarama.ProducerMessage, err error) {
		if m != nil {
			r.Partition, r.Offset = m.Partition, m.Offset
		}
		p.acked(r, err)
		if !p.wait {
			p.window.Leave(1)
			return
		}
		close(done)
	})
	if p.wait {
		<-done
	}
	return nil
}

func (p *producer) Flush(ctx context.Context) error {
	if p.wait {
		return nil
	}
	return p.window.Empty(ctx)
}

func (p *producer) Close() error { return p.e.Finish() }

type consumer struct{ config adapter.Config }

// NewConsumer implements adapter.Client.
func (Client) NewConsumer(config adapter.Config) (adapter.Consumer, error) {
	return consumer{config}, nil
}

// Consume runs a processor without a table: goka's plain flow.
func (c consumer) Consume(ctx context.Context, handle func(*adapter.Record) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	callback := func(message goka.Context, value any) {
		record := adapter.Record{
			Key: []byte(message.Key()), Value: value.([]byte),
			Partition: message.Partition(), Offset: message.Offset(),
		}
		if err := handle(&record); err != nil {
			message.Fail(err) // It leaves the callback, and the record uncommitted.
		}
	}
	options := []goka.ProcessorOption{goka.WithLogger(quiet)}
	if c.config.Way != adapter.Defaults || c.config.FromFirst {
		options = append(options,
			goka.WithConsumerGroupBuilder(goka.ConsumerGroupBuilderWithConfig(newConfig(c.config))))
	}
	graph := goka.DefineGroup(goka.Group(c.config.Group),
		goka.Input(goka.Stream(c.config.Topic), new(codec.Bytes), callback))
	p, err := goka.NewProcessor(c.config.Brokers, graph, options...)
	if err != nil {
		return fmt.Errorf("making the processor: %w", err)
	}
	err = p.Run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (c consumer) Close() error { return nil } // Run has left the group.
