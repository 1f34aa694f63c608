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

// consume receives records as the only member of a group, from the first record on. What
// comes in the time Warm after the first record isn't measured: a client has fetched some of it
// before, and may stop for a while when its queue is full. Then it measures for a time, or until
// there are no more.
func (l Load) consume(ctx context.Context, c adapter.Client, config adapter.Config) (m Measure, err error) {
	consumer, err := c.NewConsumer(config)
	if err != nil {
		return m, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.Warm+l.For+Patience*2/3)
	defer cancel()
	var received atomic.Int64
	var first, end sync.Once
	var meter atomic.Pointer[meter]
	before := int64(0)
	begin := func() { before = received.Load(); meter.Store(startMeter()) }
	stop := func() {
		end.Do(func() {
			if running := meter.Load(); running != nil {
				m = running.stop(int(received.Load()-before), 0)
			}
			cancel()
		})
	}
	size := l.Point.Size - KeySize
	err = consumer.Consume(ctx, func(r *adapter.Record) error {
		n := received.Add(1)
		first.Do(func() {
			if l.Warm == 0 {
				begin()
			} else {
				time.AfterFunc(l.Warm, begin)
			}
			time.AfterFunc(l.Warm+l.For, stop)
		})
		if len(r.Value) != size {
			return fmt.Errorf("a value has %d bytes, want %d", len(r.Value), size)
		}
		if n == int64(l.Records) {
			stop()
		}
		return nil
	})
	end.Do(func() { err = errors.Join(err, fmt.Errorf("only %d records came", received.Load())) })
	if err := errors.Join(err, consumer.Close()); err != nil {
		return m, err
	}
	if m.Records < 1 {
		return m, fmt.Errorf("%d records came, and all of them before it was measured", received.Load())
	}
	return m, nil
}
