package features

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/tester"
)

// gokaDriver hands goka a configuration of sarama, through the builders that goka has for it.
type gokaDriver struct{}

const gokaPackage = "github.com/lovoo/goka"

var silent = log.New(io.Discard, "", 0)

func (gokaDriver) config(w wish) (*sarama.Config, error) {
	c := goka.DefaultConfig()
	err := saramaDriver{}.apply(c, w)
	c.Consumer.Return.Errors = true // goka reads them.
	return c, err
}

func (g gokaDriver) write(_ context.Context, w wish, values ...string) error {
	c, err := g.config(w)
	if err != nil {
		return err
	}
	return g.emit(c, w, values...)
}

func (gokaDriver) emit(c *sarama.Config, w wish, values ...string) error {
	emitter, err := goka.NewEmitter(w.brokers, goka.Stream(w.topic), new(codec.String),
		goka.WithEmitterProducerBuilder(goka.ProducerBuilderWithConfig(c)), goka.WithEmitterLogger(silent))
	if err != nil {
		return err
	}
	for _, v := range values {
		if err == nil {
			err = emitter.EmitSync(v, v)
		}
	}
	return errors.Join(err, emitter.Finish())
}

// transact asks sarama's producer inside goka for a transaction, which nobody can begin.
func (g gokaDriver) transact(_ context.Context, w wish, _ bool, values ...string) error {
	const pattern = `^(Emitter|Producer|Processor|Context)\..*(Txn|Transact)`
	if err := lackOrNil(lacks(gokaPackage, pattern)); err != nil {
		return err
	}
	w.idempotent = true
	c, err := g.config(w)
	if err != nil {
		return err
	}
	c.Producer.Transaction.ID = w.group
	return refused(g.emit(c, w, values...))
}

func (g gokaDriver) read(ctx context.Context, w wish, got func(string)) error {
	processor, err := g.processor(ctx, w, got)
	if err != nil {
		return err
	}
	return processor.Run(ctx)
}

// A trackedGroup tells which partitions a member of the group gives up.
type trackedGroup struct {
	sarama.ConsumerGroup
	w wish
}

func (t trackedGroup) Consume(ctx context.Context, topics []string, h sarama.ConsumerGroupHandler) error {
	return t.ConsumerGroup.Consume(ctx, topics, handler{ConsumerGroupHandler: h, ctx: ctx, w: t.w})
}

func (g gokaDriver) processor(
	ctx context.Context, w wish, got func(string), options ...goka.ProcessorOption,
) (*goka.Processor, error) {
	c, err := g.config(w)
	if err != nil {
		return nil, err
	}
	manager := goka.NewTopicManagerConfig()
	build := goka.ConsumerGroupBuilderWithConfig(c)
	options = append(options, goka.WithLogger(silent),
		goka.WithConsumerGroupBuilder(func(brokers []string, group, client string) (sarama.ConsumerGroup, error) {
			member, err := build(brokers, group, client)
			return trackedGroup{member, w}, err
		}),
		goka.WithConsumerSaramaBuilder(goka.SaramaConsumerBuilderWithConfig(c)),
		goka.WithProducerBuilder(goka.ProducerBuilderWithConfig(c)),
		goka.WithTopicManagerBuilder(goka.TopicManagerBuilderWithConfig(c, manager)))
	callback := func(_ goka.Context, value any) { got(value.(string)) }
	return goka.NewProcessor(w.brokers, goka.DefineGroup(goka.Group(w.group),
		goka.Input(goka.Stream(w.topic), new(codec.String), callback)), options...)
}

func (g gokaDriver) administer(_ context.Context, w wish, operation string) error {
	if operation != createTopic {
		patterns := map[string]string{
			describeConfig: `^TopicManager\..*(Config|Setting)`, deleteRecords: `^TopicManager\..*Delete`,
			describeGroup: `^TopicManager\..*Group`,
		}
		return lacks(gokaPackage, patterns[operation])
	}
	c, err := g.config(w)
	if err != nil {
		return err
	}
	config := goka.NewTopicManagerConfig()
	manager, err := goka.NewTopicManager(w.brokers, c, config)
	if err != nil {
		return err
	}
	return errors.Join(manager.EnsureTopicExists(w.topic, 3, 1, nil), manager.Close())
}

// readOne runs a processor until it has the one record of the topic, and then calls seen.
func (g gokaDriver) readOne(
	ctx context.Context, w wish, seen func(*goka.Processor) error, options ...goka.ProcessorOption,
) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := g.write(ctx, w, "counted"); err != nil {
		return err
	}
	got := make(chan struct{}, 1)
	processor, err := g.processor(ctx, w, func(string) { got <- struct{}{} }, options...)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- processor.Run(ctx) }()
	select {
	case <-got:
		err = seen(processor)
	case err = <-ended:
		return errors.Join(errors.New("the processor ended early"), err)
	}
	cancel()
	return errors.Join(err, <-ended)
}

func (g gokaDriver) metrics(ctx context.Context, w wish) error {
	return g.readOne(ctx, w, func(p *goka.Processor) error {
		for range 50 {
			for _, partition := range p.StatsWithContext(ctx).Group {
				if s := partition.Input[w.topic]; s != nil && s.Count == 1 {
					return nil
				}
			}
			time.Sleep(20 * time.Millisecond)
		}
		return errors.New("the statistics don't have the record")
	})
}

func (g gokaDriver) hook(ctx context.Context, w wish) error {
	var calls atomic.Int32
	wrap := goka.WithContextWrapper(func(c goka.Context) goka.Context {
		calls.Add(1)
		return c
	})
	return g.readOne(ctx, w, func(*goka.Processor) error { return counted(&calls) }, wrap)
}

func (gokaDriver) double(ctx context.Context) error {
	var complaints complaints
	double := tester.New(&complaints)
	received := ""
	processor, err := goka.NewProcessor(nil, goka.DefineGroup("group",
		goka.Input("topic", new(codec.String), func(_ goka.Context, value any) { received = value.(string) })),
		goka.WithTester(double), goka.WithLogger(silent))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- processor.Run(ctx) }()
	double.Consume("topic", "key", "value")
	if received != "value" {
		err = fmt.Errorf("the processor received %q", received)
	}
	cancel()
	return errors.Join(err, <-ended, complaints.err)
}
