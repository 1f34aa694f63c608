package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"kafka-with-go/internal/clients/adapter"
)

// consume receives records as the only member of a group, from the first record on, for a
// time or until there are no more. The clock starts with the first record.
func (l Load) consume(ctx context.Context, c adapter.Client, config adapter.Config) (m Measure, err error) {
	consumer, err := c.NewConsumer(config)
	if err != nil {
		return m, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.For+Patience*2/3)
	defer cancel()
	var received atomic.Int64
	var begin, end sync.Once
	var meter *meter
	stop := func() {
		end.Do(func() {
			// The first record is where it begins, so it doesn't count.
			m = meter.stop(int(received.Load())-1, 0)
			cancel()
		})
	}
	var timer *time.Timer
	size := l.Point.Size - KeySize
	err = consumer.Consume(ctx, func(r *adapter.Record) error {
		n := received.Add(1)
		begin.Do(func() {
			meter = startMeter()
			timer = time.AfterFunc(l.For, stop)
		})
		if len(r.Value) != size {
			return fmt.Errorf("a value has %d bytes, want %d", len(r.Value), size)
		}
		if n == int64(l.Records) {
			stop()
		}
		return nil
	})
	if timer != nil {
		timer.Stop()
		end.Do(func() { err = errors.Join(err, fmt.Errorf("only %d records came", received.Load())) })
	}
	if err := errors.Join(err, consumer.Close()); err != nil {
		return m, err
	}
	if received.Load() < 2 {
		return m, fmt.Errorf("%d records came", received.Load())
	}
	return m, nil
}
