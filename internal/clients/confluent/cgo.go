//go:build cgo && !(windows && arm64)

package confluent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"kafka-with-go/internal/clients/adapter"
)

// Available implements adapter.Client.
func (Client) Available() error { return nil }

func (c configMap) kafka() *kafka.ConfigMap {
	m := make(kafka.ConfigMap, len(c))
	for name, value := range c {
		m[name] = value
	}
	return &m
}

type producer struct {
	p       *kafka.Producer
	config  adapter.Config
	acked   func(*adapter.Record, error)
	reports sync.WaitGroup
}

// NewProducer implements adapter.Client.
func (Client) NewProducer(config adapter.Config, acked func(*adapter.Record, error)) (adapter.Producer, error) {
	kp, err := kafka.NewProducer(newTarget(config).producer.kafka())
	if err != nil {
		return nil, fmt.Errorf("making the producer: %w", err)
	}
	p := &producer{p: kp, config: config, acked: acked}
	p.reports.Go(p.read)
	return p, nil
}

// read takes the delivery reports. Unread, they would fill a channel, and Flush would never end.
func (p *producer) read() {
	for e := range p.p.Events() {
		m, ok := e.(*kafka.Message)
		if !ok {
			if err, ok := e.(kafka.Error); ok {
				p.config.Say(err) // It is of no record, and librdkafka goes on trying by itself.
			}
			continue
		}
		r := m.Opaque.(*adapter.Record)
		r.Partition, r.Offset = m.TopicPartition.Partition, int64(m.TopicPartition.Offset)
		p.acked(r, m.TopicPartition.Error)
	}
}

func (p *producer) Produce(ctx context.Context, r *adapter.Record) error {
	for {
		err := p.p.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &p.config.Topic, Partition: kafka.PartitionAny},
			Key:            r.Key, Value: r.Value, Opaque: r,
		}, nil)
		var refused kafka.Error
		if err == nil {
			return nil
		}
		if !errors.As(err, &refused) || refused.Code() != kafka.ErrQueueFull {
			return fmt.Errorf("handing a record over: %w", err)
		}
		// Its queue is full, and it doesn't wait by itself.
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("handing a record over: %w", ctx.Err())
		}
	}
}

func (p *producer) Flush(ctx context.Context) error {
	for p.p.Flush(100) > 0 { // It takes no context.
		if ctx.Err() != nil {
			return fmt.Errorf("flushing: %w", ctx.Err())
		}
	}
	return nil
}

func (p *producer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.config.CloseWait())
	defer cancel()
	err := p.Flush(ctx)
	p.p.Close()
	p.reports.Wait()
	return err
}

type consumer struct {
	c      *kafka.Consumer
	config adapter.Config
}

// NewConsumer implements adapter.Client.
func (Client) NewConsumer(config adapter.Config) (adapter.Consumer, error) {
	c, err := kafka.NewConsumer(newTarget(config).consumer.kafka())
	if err != nil {
		return nil, fmt.Errorf("making a member of the group: %w", err)
	}
	return &consumer{c: c, config: config}, nil
}

func (c *consumer) Consume(ctx context.Context, handle func(*adapter.Record) error) error {
	// What is stored is what the next commit commits. To store an offset is a call of C, so
	// Tuned stores those of many records at once, and before a partition goes to another member.
	stores := map[adapter.Way]int{adapter.Matched: 1, adapter.Tuned: 100}[c.config.Way]
	handled := make(map[int32]*kafka.Message)
	unstored := 0
	store := func() error {
		for partition, m := range handled {
			// After a rebalance the partition may be another member's: then that
			// one handles the records again.
			var refused kafka.Error
			if _, err := c.c.StoreMessage(m); err != nil && !errors.As(err, &refused) {
				return fmt.Errorf("storing an offset: %w", err)
			}
			delete(handled, partition)
		}
		unstored = 0
		return nil
	}
	err := c.c.SubscribeTopics([]string{c.config.Topic}, func(_ *kafka.Consumer, e kafka.Event) error {
		if _, revoked := e.(kafka.RevokedPartitions); revoked {
			return store()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	var record adapter.Record
	for ctx.Err() == nil {
		m, err := c.c.ReadMessage(100 * time.Millisecond) // It takes no context.
		var failed kafka.Error
		if errors.As(err, &failed) && failed.IsFatal() {
			return errors.Join(fmt.Errorf("receiving: %w", err), store())
		}
		if err != nil {
			if err := store(); err != nil {
				return err
			}
			if !failed.IsTimeout() { // A timeout only says that nothing came.
				c.config.Say(err) // librdkafka goes on trying by itself.
			}
			continue
		}
		record = adapter.Record{
			Key: m.Key, Value: m.Value,
			Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset),
		}
		if err := handle(&record); err != nil {
			return errors.Join(err, store())
		}
		if stores > 0 {
			handled[record.Partition] = m
			unstored++
			if unstored == stores {
				if err := store(); err != nil {
					return err
				}
			}
		}
	}
	return store()
}

func (c *consumer) Close() error { return c.c.Close() } // It commits what is stored.
