package sarama

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"kafka-with-go/internal/clients/adapter"
)

// A syncProducer waits for each call's records.
type syncProducer struct {
	p     sarama.SyncProducer
	topic string
	acked func(*adapter.Record, error)
}

func newSyncProducer(config adapter.Config, acked func(*adapter.Record, error)) (adapter.Producer, error) {
	p, err := sarama.NewSyncProducer(config.Brokers, newConfig(config))
	if err != nil {
		return nil, fmt.Errorf("starting the producer: %w", err)
	}
	return &syncProducer{p: p, topic: config.Topic, acked: acked}, nil
}

func (p *syncProducer) Produce(ctx context.Context, r *adapter.Record) error {
	return p.ProduceAll(ctx, []*adapter.Record{r})
}

// ProduceAll implements adapter.BatchProducer. The producer takes no context.
func (p *syncProducer) ProduceAll(_ context.Context, records []*adapter.Record) error {
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		messages[i] = &sarama.ProducerMessage{Topic: p.topic, Value: sarama.ByteEncoder(r.Value)}
		if r.Key != nil {
			messages[i].Key = sarama.ByteEncoder(r.Key)
		}
	}
	err := p.p.SendMessages(messages)
	var each sarama.ProducerErrors
	errors.As(err, &each)
	failed := make(map[*sarama.ProducerMessage]error)
	for _, e := range each {
		failed[e.Msg] = e.Err
	}
	for i, r := range records {
		r.Partition, r.Offset = messages[i].Partition, messages[i].Offset
		if each != nil {
			err = failed[messages[i]]
		}
		p.acked(r, err)
	}
	return nil
}

func (p *syncProducer) Flush(context.Context) error { return nil }

func (p *syncProducer) Close() error { return p.p.Close() }
