package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"kafka-with-go/internal/clients/adapter"
)

// latency writes a record, waits until the group has received it, and writes the next one:
// as Kafka's own EndToEndLatency does. First it does so without measuring.
func (l Load) latency(ctx context.Context, c adapter.Client, config adapter.Config) (m Measure, err error) {
	trip := &roundTrip{received: make(chan int, 1), failed: make(chan error, 1)}
	p, consumer, err := l.endpoints(c, config, trip)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	reading, cancel := context.WithTimeout(ctx, l.Warm+l.For+Patience*2/3)
	var reader sync.WaitGroup
	defer func() {
		cancel()
		reader.Wait()
		err = errors.Join(err, consumer.Close())
	}()
	reader.Go(func() { trip.read(reading, consumer) })

	const fewest = 20 // records of the warm-up, and of what counts
	values := makeValues(l.Point.Size - KeySize)
	warm := 0
	for until := time.Now().Add(l.Warm); warm < fewest || time.Now().Before(until); warm++ {
		if _, err := trip.take(ctx, p, warm, values[warm%len(values)]); err != nil {
			return m, err
		}
	}
	meter, until := startMeter(), time.Now().Add(l.For)
	var took []float64
	for len(took) < fewest || time.Now().Before(until) {
		d, err := trip.take(ctx, p, warm+len(took), values[len(took)%len(values)])
		if err != nil {
			return m, err
		}
		took = append(took, float64(d.Microseconds())/1000)
	}
	m = meter.stop(len(took), 0)
	m.P50, m.P99 = percentile(took, 50), percentile(took, 99)
	return m, nil
}

// endpoints are a producer and a consumer: of a client, or of a flow.
func (l Load) endpoints(
	c adapter.Client, config adapter.Config, trip *roundTrip,
) (adapter.Producer, adapter.Consumer, error) {
	if l.Flow != nil {
		return l.Flow.newProducer(config), l.Flow.newConsumer(config, l.Point.Partitions), nil
	}
	p, err := c.NewProducer(config, func(_ *adapter.Record, err error) {
		if err != nil {
			trip.fail(fmt.Errorf("a record wasn't written: %w", err))
		}
	})
	if err != nil {
		return nil, nil, err
	}
	consumer, err := c.NewConsumer(config)
	if err != nil {
		return nil, nil, errors.Join(err, p.Close())
	}
	return p, consumer, nil
}

// A roundTrip is the way of a record from the producer to the consumer.
type roundTrip struct {
	received chan int // the numbers of records
	failed   chan error
}

// fail keeps the first error.
func (t *roundTrip) fail(err error) {
	select {
	case t.failed <- err:
	default:
	}
}

// read receives records until the context ends, which is an error if a record is waited for.
func (t *roundTrip) read(ctx context.Context, consumer adapter.Consumer) {
	err := consumer.Consume(ctx, func(r *adapter.Record) error {
		i, err := strconv.Atoi(string(r.Key))
		if err != nil {
			return fmt.Errorf("a record of somebody else: %w", err)
		}
		select {
		case t.received <- i:
		case <-ctx.Done():
		}
		return nil
	})
	t.fail(fmt.Errorf("receiving ended: %w", errors.Join(err, ctx.Err())))
}

// take writes record i and waits until it is received.
func (t *roundTrip) take(ctx context.Context, p adapter.Producer, i int, value []byte) (time.Duration, error) {
	begin := time.Now()
	r := &adapter.Record{Key: fmt.Appendf(nil, "%0*d", KeySize, i), Value: value}
	if err := p.Produce(ctx, r); err != nil {
		return 0, err
	}
	for {
		select {
		case got := <-t.received:
			if got == i {
				return time.Since(begin), nil
			}
		case err := <-t.failed:
			return 0, err
		}
	}
}
