package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/faults/history"
	"kafka-with-go/internal/laboratory/kit"
)

// A job is what a worker, a process of its own, is asked to do: to write numbered records at
// a steady rate, or to work on what others wrote. It notes in a history what happens, so that
// its own death takes nothing along that it has learnt.
type job struct {
	Way     string
	Consume bool // instead of producing
	Brokers []string
	Topic   string
	Group   string
	History string // the file

	Keys int           // different keys: a goroutine writes the records of one
	Rate int           // records a second, of all keys together
	Work time.Duration // on each record, of a consumer
}

var workerTask = kit.NewTask("faults: worker", func(ctx context.Context, j job) (any, error) {
	return nil, j.run(ctx)
})

// together is how many records a goroutine hands over in one call, at most.
const together = 100

// A worker does a job.
type worker struct {
	job
	config adapter.Config
	file   *history.File
}

func (j job) run(ctx context.Context) error {
	way, err := ByID(j.Way)
	if err != nil {
		return err
	}
	client, err := clients.Adapter(way.Adapts)
	if err != nil {
		return err
	}
	file, err := history.Open(j.History)
	if err != nil {
		return err
	}
	w := worker{job: j, file: file, config: adapter.Config{
		Brokers: j.Brokers, Topic: j.Topic, Group: j.Group, Way: way.way(), Tuning: tuning(), Says: tellOnce(),
	}}
	if j.Consume {
		return errors.Join(w.consume(ctx, client), file.Close())
	}
	return errors.Join(w.produce(ctx, client), file.Close())
}

// tellOnce prints each kind of error once.
func tellOnce() func(error) {
	var mu sync.Mutex
	told := make(map[string]bool)
	return func(err error) {
		text := tidy(err.Error())
		mu.Lock()
		defer mu.Unlock()
		if !told[text] && len(told) < 100 {
			told[text] = true
			fmt.Println("says:", text)
		}
	}
}

// produce writes until ctx ends, then waits for what is in hand. Each key has a goroutine, so
// that its order is well defined also where a client's example waits for each call. What
// became due while a call was waited for goes into the next.
func (w worker) produce(ctx context.Context, c adapter.Client) error {
	p, err := c.NewProducer(w.config, func(r *adapter.Record, err error) {
		entry := history.Entry{Kind: history.Acked, Number: r.Tag.(int), Partition: r.Partition, Offset: r.Offset}
		if err != nil {
			entry.Kind = history.Failed
			w.config.Say(err)
		}
		w.note(entry)
	})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for key := range w.Keys {
		all.Go(func() { w.produceKey(ctx, p, key) })
	}
	all.Wait()
	return p.Close()
}

// produceKey writes the records of one key: numbers key, key+Keys, key+2*Keys, …
func (w worker) produceKey(ctx context.Context, p adapter.Producer, key int) {
	// Not all keys at the same moment.
	begin := time.Now().Add(time.Second * time.Duration(key) / time.Duration(w.Rate))
	each := time.Second * time.Duration(w.Keys) / time.Duration(w.Rate)
	_, takesSeveral := p.(adapter.BatchProducer)
	for made := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(begin.Add(time.Duration(made) * each))):
		}
		due := 1
		if takesSeveral {
			due = min(together, max(1, int(time.Since(begin)/each)-made))
		}
		var records []*adapter.Record
		var entries []history.Entry
		for range due {
			number := made*w.Keys + key
			made++
			records = append(records, &adapter.Record{
				Key: []byte("key-" + strconv.Itoa(key)), Value: history.Value(number), Tag: number,
			})
			entries = append(entries, history.Entry{
				Kind: history.Handed, Number: number, Partition: history.Unknown, Offset: history.Unknown,
			})
		}
		w.note(entries...)
		// A call that was begun is finished: the end doesn't interrupt it.
		if err := hand(context.WithoutCancel(ctx), p, records); err != nil {
			w.config.Say(err)
			for i := range entries {
				entries[i].Kind = history.Refused
			}
			w.note(entries...)
		}
	}
}

// hand hands records over: several in one call, where the client takes them.
func hand(ctx context.Context, p adapter.Producer, records []*adapter.Record) error {
	if batch, ok := p.(adapter.BatchProducer); ok {
		return batch.ProduceAll(ctx, records)
	}
	return p.Produce(ctx, records[0])
}

// consume works on each record until ctx ends, then leaves the group.
func (w worker) consume(ctx context.Context, c adapter.Client) error {
	// A client that gives up is started again, as a service's supervisor would do.
	for ctx.Err() == nil {
		consumer, err := c.NewConsumer(w.config)
		if err == nil {
			err = errors.Join(consumer.Consume(ctx, w.workOn), consumer.Close())
		}
		if err != nil {
			w.config.Say(err)
			time.Sleep(100 * time.Millisecond)
		}
	}
	return nil
}

func (w worker) workOn(r *adapter.Record) error {
	number, err := history.Number(r.Value)
	if err != nil {
		return err
	}
	time.Sleep(w.Work)
	w.note(history.Entry{Kind: history.Worked, Number: number, Partition: r.Partition, Offset: r.Offset})
	return nil
}

// note notes entries with the time. A history that can't be written ends the process.
func (w worker) note(entries ...history.Entry) {
	now := time.Now()
	for i := range entries {
		entries[i].At = now
	}
	if err := w.file.Note(entries...); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
