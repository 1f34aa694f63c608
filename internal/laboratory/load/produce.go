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

// A source makes records for one goroutine. Their bytes were made before, so that what is
// measured is the client and not the making of records.
type source struct {
	keys, values [][]byte
	next         int
	made         int // handfuls
	free         []adapter.Record
}

func (s *source) record() *adapter.Record {
	if len(s.free) == 0 {
		s.free = make([]adapter.Record, Handful)
		s.made++
	}
	r := &s.free[0]
	s.free = s.free[1:]
	r.Key, r.Value = s.keys[s.next%keyNumber], s.values[s.next%keyNumber]
	s.next++
	return r
}

// A writer is what the producing goroutines share.
type writer struct {
	load         Load
	producer     adapter.Producer
	keys, values [][]byte
	acked        atomic.Int64
	failed       atomic.Pointer[error]
}

// produce writes records from several goroutines for a time, first without being measured,
// so that connections are there and memory is warm.
func (l Load) produce(ctx context.Context, c adapter.Client, config adapter.Config) (m Measure, err error) {
	w := &writer{load: l, keys: makeKeys(), values: makeValues(l.Point.Size - KeySize)}
	w.producer, err = c.NewProducer(config, func(_ *adapter.Record, err error) {
		if err != nil {
			w.failed.CompareAndSwap(nil, &err)
		}
		w.acked.Add(1)
	})
	if err != nil {
		return m, err
	}
	if l.Warm > 0 {
		_, err = w.write(ctx, l.Warm, 0)
	}
	if err == nil {
		m, err = w.write(ctx, l.For, l.Records)
	}
	if err := errors.Join(err, w.producer.Close()); err != nil {
		return m, err
	}
	if err := w.failed.Load(); err != nil {
		return m, fmt.Errorf("a record wasn't written: %w", *err)
	}
	return m, nil
}

// write writes for a time, or so many records, and measures it.
func (w *writer) write(ctx context.Context, long time.Duration, records int) (m Measure, err error) {
	var stop atomic.Bool
	timer := time.AfterFunc(long, func() { stop.Store(true) })
	defer timer.Stop()
	sources := make([]source, w.load.Point.Goroutines)
	errs := make([]error, len(sources))
	before := w.acked.Load()
	meter := startMeter()
	var all sync.WaitGroup
	for i := range sources {
		sources[i] = source{keys: w.keys, values: w.values, next: i * keyNumber / len(sources)}
		all.Go(func() { errs[i] = w.writeFrom(ctx, &sources[i], &stop, records/len(sources)) })
	}
	all.Wait()
	if err := errors.Join(append(errs, w.producer.Flush(ctx))...); err != nil {
		return m, err
	}
	made := 0
	for i := range sources {
		made += sources[i].made
	}
	return meter.stop(int(w.acked.Load()-before), made), nil
}

// writeFrom is one producing goroutine. It writes until it is stopped, or so many records,
// and at least one.
func (w *writer) writeFrom(ctx context.Context, s *source, stop *atomic.Bool, records int) error {
	together, takesSeveral := w.producer.(adapter.BatchProducer)
	if !takesSeveral || w.load.Way != adapter.Tuned {
		for n := 1; ; n++ {
			if err := w.producer.Produce(ctx, s.record()); err != nil {
				return err
			}
			if stop.Load() || n == records {
				return nil
			}
		}
	}
	batch := make([]*adapter.Record, Handful)
	for n := 0; ; {
		if records > 0 {
			batch = batch[:min(Handful, records-n)]
		}
		for i := range batch {
			batch[i] = s.record()
		}
		if err := together.ProduceAll(ctx, batch); err != nil {
			return err
		}
		n += len(batch)
		if stop.Load() || n == records {
			return nil
		}
	}
}
