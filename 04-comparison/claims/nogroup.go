package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/wire"
)

// noGroup has a client read a record without a group.
func noGroup(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: benchTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := fill(ctx, cluster, 0, 1); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	test, ok := map[string]func(context.Context, []string) (string, error){
		"kafka-go": readKafkaGo, "sarama": readSarama, "confluent-kafka-go": readConfluent,
		"goka": readGoka, "franz-go": readFranz,
	}[c.Name()]
	if !ok {
		return nil, fmt.Errorf("there is no test for %s", c.Name())
	}
	value, err := test(ctx, cluster.Addrs())
	return map[string]Cell{"reading without a group": {Value: value}}, err
}

const (
	onePartition  = "reads a partition"
	allPartitions = "reads the topic"
	refuses       = "refuses: "
)

func readKafkaGo(ctx context.Context, addrs []string) (string, error) {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: addrs, Topic: benchTopic})
	defer soon(r.Close)
	if _, err := r.ReadMessage(ctx); err != nil {
		return "", fmt.Errorf("reading: %w", err)
	}
	return onePartition, nil
}

func readSarama(ctx context.Context, addrs []string) (string, error) {
	c, err := sarama.NewConsumer(addrs, nil)
	if err != nil {
		return refuses + tidy(err.Error()), nil
	}
	defer soon(c.Close)
	p, err := c.ConsumePartition(benchTopic, 0, sarama.OffsetOldest)
	if err != nil {
		return "", fmt.Errorf("reading a partition: %w", err)
	}
	defer soon(p.Close)
	select {
	case <-p.Messages():
		return onePartition, nil
	case <-ctx.Done():
		return "", fmt.Errorf("reading a partition: %w", ctx.Err())
	}
}

func readGoka(ctx context.Context, addrs []string) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	received := errors.New("a record was received")
	callback := func(goka.Context, any) { cancel(received) }
	graph := goka.DefineGroup("", goka.Input(benchTopic, new(codec.String), callback))
	config := goka.DefaultConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	p, err := goka.NewProcessor(addrs, graph, goka.WithConsumerGroupBuilder(goka.ConsumerGroupBuilderWithConfig(config)))
	if err != nil {
		return refuses + tidy(err.Error()), nil
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	select {
	case err := <-ended:
		if err != nil {
			return refuses + tidy(err.Error()), nil
		}
	case <-ctx.Done():
	}
	if errors.Is(context.Cause(ctx), received) {
		return "reads in a group with an empty name", nil
	}
	return "receives nothing in " + human(patience), nil
}

func readFranz(ctx context.Context, addrs []string) (string, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(benchTopic))
	if err != nil {
		return refuses + tidy(err.Error()), nil
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return "", fmt.Errorf("reading: %w", err)
		}
		if fetches.NumRecords() > 0 {
			return allPartitions, nil
		}
	}
}
