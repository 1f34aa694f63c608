package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
	"kafka-with-go/internal/ledger"
)

// An errand is what a process of its own is asked to do: to write numbered
// records at a steady rate, or to work on what others wrote. It notes in a journal
// what happens, so that its own death takes nothing along that it has learnt.
type errand struct {
	Way     string
	Consume bool // instead of producing
	Brokers []string
	Topic   string
	Group   string
	Journal string

	Keys int           // different keys: a goroutine writes the records of one
	Rate int           // records a second, of all keys together
	Work time.Duration // on each record, of a consumer
}

const (
	errandVariable = "FAULTS_ERRAND"
	stopLine       = "stop" // on its standard input: end in good order
	together       = 100    // records that a goroutine hands over in one call, at most
)

// work runs an errand, if this process was started for one. It tells whether it was.
func work() bool {
	text, ok := os.LookupEnv(errandVariable)
	if !ok {
		return false
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		// The process that started this one holds the other end: if it dies, so does this one.
		s := bufio.NewScanner(os.Stdin)
		for s.Scan() {
			if s.Text() == stopLine {
				stop()
			}
		}
		os.Exit(3)
	}()
	var e errand
	err := json.Unmarshal([]byte(text), &e)
	if err == nil {
		err = e.run(ctx)
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	return true
}

func (e errand) run(ctx context.Context) error {
	w, err := wayByID(e.Way)
	if err != nil {
		return err
	}
	c, err := all.ByName(w.adapter)
	if err != nil {
		return err
	}
	journal, err := ledger.OpenJournal(e.Journal)
	if err != nil {
		return err
	}
	config := clients.Config{
		Brokers: e.Brokers, Topic: e.Topic, Group: e.Group, Way: w.way(), Tuning: safeTuning(), Says: teller(),
	}
	if e.Consume {
		return errors.Join(e.consume(ctx, c, config, journal), journal.Close())
	}
	return errors.Join(e.produce(ctx, c, config, journal), journal.Close())
}

// teller prints each kind of error once.
func teller() func(error) {
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

// produce writes until ctx ends, then waits for what is in hand. Each key has a
// goroutine, so that its order is well defined also where a client's example waits
// for each call. What became due while a call was waited for goes into the next.
func (e errand) produce(ctx context.Context, c clients.Client, config clients.Config, journal *ledger.Journal) error {
	note := noter(journal)
	p, err := c.NewProducer(config, func(r *clients.Record, err error) {
		entry := ledger.Entry{Kind: ledger.Acked, Number: r.Tag.(int), Partition: r.Partition, Offset: r.Offset}
		if err != nil {
			entry.Kind = ledger.Failed
			config.Say(err)
		}
		note(entry)
	})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for key := range e.Keys {
		all.Go(func() { e.produceKey(ctx, p, config, key, note) })
	}
	all.Wait()
	return p.Close()
}

// produceKey writes the records of one key: numbers key, key+Keys, key+2*Keys, …
func (e errand) produceKey(ctx context.Context, p clients.Producer, config clients.Config, key int, note func(...ledger.Entry)) {
	// Not all keys at the same moment.
	begin := time.Now().Add(time.Second * time.Duration(key) / time.Duration(e.Rate))
	each := time.Second * time.Duration(e.Keys) / time.Duration(e.Rate)
	batch, takesAll := p.(clients.BatchProducer)
	for made := 0; ; {
		next := begin.Add(time.Duration(made) * each)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
		}
		due := max(1, int(time.Since(begin)/each)-made)
		if !takesAll {
			due = 1
		}
		var records []*clients.Record
		var entries []ledger.Entry
		for range min(due, together) {
			number := made*e.Keys + key
			made++
			records = append(records, &clients.Record{Key: []byte("key-" + strconv.Itoa(key)), Value: ledger.Value(number), Tag: number})
			entries = append(entries, ledger.Entry{Kind: ledger.Handed, Number: number, Partition: ledger.Unknown, Offset: ledger.Unknown})
		}
		note(entries...)
		// A call that was begun is finished: the end doesn't interrupt it.
		var err error
		if takesAll {
			err = batch.ProduceAll(context.WithoutCancel(ctx), records)
		} else {
			err = p.Produce(context.WithoutCancel(ctx), records[0])
		}
		if err != nil {
			config.Say(err)
			for i := range entries {
				entries[i].Kind = ledger.Refused
			}
			note(entries...)
		}
	}
}

// consume works on each record until ctx ends, then leaves the group.
func (e errand) consume(ctx context.Context, c clients.Client, config clients.Config, journal *ledger.Journal) error {
	note := noter(journal)
	// A client that gives up is started again, as a service's supervisor would do.
	for ctx.Err() == nil {
		consumer, err := c.NewConsumer(config)
		if err == nil {
			err = consumer.Consume(ctx, func(r *clients.Record) error {
				number, err := ledger.Number(r.Value)
				if err != nil {
					return err
				}
				time.Sleep(e.Work)
				note(ledger.Entry{Kind: ledger.Worked, Number: number, Partition: r.Partition, Offset: r.Offset})
				return nil
			})
			err = errors.Join(err, consumer.Close())
		}
		if err != nil {
			config.Say(err)
			time.Sleep(100 * time.Millisecond)
		}
	}
	return nil
}

// noter notes entries with the time. A journal that can't be written ends the process.
func noter(journal *ledger.Journal) func(...ledger.Entry) {
	return func(entries ...ledger.Entry) {
		now := time.Now()
		for i := range entries {
			entries[i].At = now
		}
		if err := journal.Note(entries...); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
}
