package goka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"

	"kafka-with-go/internal/clients/adapter"
)

// ReadWithoutGroup implements adapter.Client. goka's processor takes a group in any case:
// here one with an empty name.
func (Client) ReadWithoutGroup(ctx context.Context, brokers []string, topic string) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	received := errors.New("a record was received")
	callback := func(goka.Context, any) { cancel(received) }
	graph := goka.DefineGroup("", goka.Input(goka.Stream(topic), new(codec.String), callback))
	config := goka.DefaultConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	p, err := goka.NewProcessor(brokers, graph,
		goka.WithConsumerGroupBuilder(goka.ConsumerGroupBuilderWithConfig(config)))
	if err != nil {
		return "", adapter.Refuse(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	select {
	case err := <-ended:
		if err != nil {
			return "", adapter.Refuse(err)
		}
	case <-ctx.Done():
	}
	if errors.Is(context.Cause(ctx), received) {
		return "reads in a group with an empty name", nil
	}
	return "receives nothing", nil
}

// IgnoreErrors implements adapter.Client. The errors are in the promises that Emit returns.
func (Client) IgnoreErrors(_ context.Context, brokers []string, topic string, n int) (adapter.Ignored, error) {
	e, err := goka.NewEmitter(brokers, goka.Stream(topic), new(codec.String))
	if err != nil {
		return adapter.Ignored{}, fmt.Errorf("making the emitter: %w", err)
	}
	for i := range n {
		if _, err := e.Emit("key", "value"); err != nil {
			return adapter.ReturnedBy("Emit"), fmt.Errorf("record %d: %w", i, err)
		}
	}
	var finish error
	if !adapter.EndsWithin(3*time.Second, func() { finish = e.Finish() }) {
		return adapter.Ignored{Says: "Finish never ends", Stops: true}, nil
	}
	if finish != nil {
		return adapter.ReturnedBy("Finish"), nil
	}
	return adapter.Dropped, nil
}

// ErrorOf implements adapter.Client: the answers of brokers are those of sarama.
func (Client) ErrorOf(code int16) error { return sarama.KError(code) }
