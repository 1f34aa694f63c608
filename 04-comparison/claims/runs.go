package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
	"kafka-with-go/internal/embedded"
)

// A Run is what a process used that wrote or read many records.
type Run struct {
	Allocations float64 // of Go, a record
	Bytes       float64 // of Go's memory, a record
	Collections float64 // of Go's garbage, a million records
	PeakMB      float64 // of memory that the process had, C's included; 0 where it can't be read
	IdleMB      float64 // the same before the client was made
}

// A Side is writing or reading.
type Side string

// The sides.
const (
	Produce Side = "produce"
	Consume Side = "consume"
)

const valueSize = 100

// An errand is what a worker process is asked to do.
type errand struct {
	Client  string
	Side    Side
	Brokers []string
	Topic   string
	Group   string
	Records int
	Work    time.Duration // on each record, of Work
}

// errandVariable is the environment variable that makes this program a worker.
const errandVariable = "CLAIMS_ERRAND"

// work does an errand, if this process was started for one, and prints the
// result. It tells whether it was.
func work() bool {
	text, ok := os.LookupEnv(errandVariable)
	if !ok {
		return false
	}
	var e errand
	err := json.Unmarshal([]byte(text), &e)
	var result any
	switch {
	case err != nil:
	case e.Side == Work:
		err = e.work(context.Background())
	case e.Side == Meet:
		result, err = observeBadInputOnce(context.Background())
	default:
		result, err = e.run(context.Background())
	}
	if err == nil && result != nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	return true
}

// measure runs an errand in a process of its own.
func measure(ctx context.Context, e errand) (run Run, err error) {
	err = e.ask(ctx, &run)
	return run, err
}

// ask has a process of its own do the errand, and reads its result.
func (e errand) ask(ctx context.Context, result any) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the errand: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, self)
	command.Env = append(os.Environ(), errandVariable+"="+string(text))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("%s of %s: %w: %s", e.Side, e.Client, err, stderr.String())
	}
	if err := json.Unmarshal(output, result); err != nil {
		return fmt.Errorf("%s of %s: reading its result: %w", e.Side, e.Client, err)
	}
	return nil
}

// run does the errand in this process.
func (e errand) run(ctx context.Context) (Run, error) {
	c, err := all.ByName(e.Client)
	if err != nil {
		return Run{}, err
	}
	config := clients.Config{
		Brokers: e.Brokers, Topic: e.Topic, Group: e.Group,
		Way: clients.Matched, FromFirst: true, Tuning: clients.Safe(),
	}
	if e.Side == Produce {
		return e.produce(ctx, c, config)
	}
	return e.consume(ctx, c, config)
}

func (e errand) produce(ctx context.Context, c clients.Client, config clients.Config) (Run, error) {
	// The records are made beforehand, and used again: what is allocated is the client's.
	free := make(chan *clients.Record, config.Tuning.InHand)
	for range cap(free) {
		free <- &clients.Record{Key: make([]byte, 0, 16), Value: bytes.Repeat([]byte("v"), valueSize)}
	}
	var failed atomic.Int64
	meter := startMeter()
	p, err := c.NewProducer(config, func(r *clients.Record, err error) {
		if err != nil {
			failed.Add(1)
		}
		free <- r
	})
	if err != nil {
		return Run{}, err
	}
	for i := range e.Records {
		r := <-free
		r.Key = strconv.AppendInt(r.Key[:0], int64(i), 10)
		if err := p.Produce(ctx, r); err != nil {
			return Run{}, errors.Join(err, p.Close())
		}
	}
	err = p.Flush(ctx)
	run := meter.stop(e.Records)
	if err := errors.Join(err, p.Close()); err != nil {
		return Run{}, err
	}
	if n := failed.Load(); n > 0 {
		return Run{}, fmt.Errorf("%d records were not written", n)
	}
	return run, nil
}

func (e errand) consume(ctx context.Context, c clients.Client, config clients.Config) (Run, error) {
	meter := startMeter()
	consumer, err := c.NewConsumer(config)
	if err != nil {
		return Run{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var received atomic.Int64
	var run Run
	err = consumer.Consume(ctx, func(*clients.Record) error {
		if received.Add(1) == int64(e.Records) {
			run = meter.stop(e.Records)
			cancel()
		}
		return nil
	})
	if err := errors.Join(err, consumer.Close()); err != nil {
		return Run{}, err
	}
	if n := received.Load(); n < int64(e.Records) {
		return Run{}, fmt.Errorf("%d of %d records came", n, e.Records)
	}
	return run, nil
}

// A meter counts what the process uses.
type meter struct {
	before runtime.MemStats
	idle   float64
}

func startMeter() *meter {
	m := new(meter)
	runtime.GC()
	runtime.ReadMemStats(&m.before)
	m.idle = peakMB()
	return m
}

func (m *meter) stop(records int) Run {
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	n := float64(records)
	return Run{
		Allocations: float64(after.Mallocs-m.before.Mallocs) / n,
		Bytes:       float64(after.TotalAlloc-m.before.TotalAlloc) / n,
		Collections: float64(after.NumGC-m.before.NumGC) / n * 1e6,
		PeakMB:      peakMB(), IdleMB: m.idle,
	}
}

// peakMB returns the most memory that this process had so far.
func peakMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // Only Linux has it.
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				return 0
			}
			return kb * 1024 / 1e6
		}
	}
	return 0
}

// Runs are results by side and client.
type Runs map[Side]map[string]Run

// measureAll has each client write and read the same number of records, the
// clients in turn, and returns the mean of the rounds.
func measureAll(ctx context.Context, names []string, records, rounds int, progress func(string)) (Runs, error) {
	cluster, err := embedded.Start(embedded.Options{})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	const source = "to-read"
	if _, err := adm.CreateTopic(ctx, 3, 3, nil, source); err != nil {
		return nil, fmt.Errorf("creating a topic: %w", err)
	}
	// What is read is the same for all: franz-go wrote it.
	if _, err := measure(ctx, errand{Client: "franz-go", Side: Produce, Brokers: cluster.Addrs(), Topic: source, Records: records}); err != nil {
		return nil, err
	}
	results := Runs{Produce: {}, Consume: {}}
	for round := range rounds {
		for _, name := range names {
			progress(fmt.Sprintf("memory: round %d of %d: %s", round+1, rounds, name))
			topic := fmt.Sprintf("%s-%d", strings.ReplaceAll(name, " ", "-"), round)
			if _, err := adm.CreateTopic(ctx, 3, 3, nil, topic); err != nil {
				return nil, fmt.Errorf("creating a topic: %w", err)
			}
			written, err := measure(ctx, errand{Client: name, Side: Produce, Brokers: cluster.Addrs(), Topic: topic, Records: records})
			if err != nil {
				return nil, err
			}
			if _, err := adm.DeleteTopic(ctx, topic); err != nil {
				return nil, fmt.Errorf("deleting a topic: %w", err)
			}
			read, err := measure(ctx, errand{Client: name, Side: Consume, Brokers: cluster.Addrs(), Topic: source, Group: "group-" + topic, Records: records})
			if err != nil {
				return nil, err
			}
			results[Produce][name] = results[Produce][name].add(written, rounds)
			results[Consume][name] = results[Consume][name].add(read, rounds)
		}
	}
	return results, nil
}

// add adds a round to a mean.
func (r Run) add(o Run, rounds int) Run {
	n := float64(rounds)
	return Run{
		r.Allocations + o.Allocations/n, r.Bytes + o.Bytes/n, r.Collections + o.Collections/n,
		r.PeakMB + o.PeakMB/n, r.IdleMB + o.IdleMB/n,
	}
}
