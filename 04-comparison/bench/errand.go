package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
)

// A Measure is what one process did in one round. A figure that wasn't measured is 0.
type Measure struct {
	Records int     // that it wrote or received while it was measured
	Rate    float64 // records a second

	CPU         float64 // microseconds a record, of all the threads of the process
	Allocations float64 // of Go, a record
	Bytes       float64 // of Go's memory, a record
	Collections float64 // of Go's garbage, a million records
	PeakMB      float64 // of memory that the process had, C's included

	P50, P99 float64 `json:",omitempty"` // milliseconds from write to receive
}

// An errand is what a process of its own is asked to do.
type errand struct {
	Task    Task
	Client  string
	Way     clients.Way
	Brokers []string
	Topic   string
	Group   string
	Point   Point
	Alone   bool // hand records over one by one where the client would take several
	Tuning  clients.Tuning

	Warm    time.Duration // before it measures
	For     time.Duration // how long it measures
	Records int           // it ends earlier after so many, unless that is 0
	Profile string        // the file that gets a profile of its processor time, or ""
}

// errandVariable is the environment variable that makes this program run an errand.
const errandVariable = "BENCH_ERRAND"

// patience is how long a process may take beyond its time: clients have to
// connect, join a group, and give up.
const patience = 90 * time.Second

// work runs an errand, if this process was started for one, and prints the
// result. It tells whether it was.
func work() bool {
	text, ok := os.LookupEnv(errandVariable)
	if !ok {
		return false
	}
	// The process that started this one holds the other end: if it dies, so does this one.
	go func() {
		if _, err := io.Copy(io.Discard, os.Stdin); err == nil {
			os.Exit(3)
		}
	}()
	var e errand
	err := json.Unmarshal([]byte(text), &e)
	var m Measure
	if err == nil {
		m, err = e.run(context.Background())
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	return true
}

// start runs the errand in a process of its own.
func (e errand) start(ctx context.Context) (Measure, error) {
	var m Measure
	self, err := os.Executable()
	if err != nil {
		return m, fmt.Errorf("finding this program: %w", err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return m, fmt.Errorf("writing the errand: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.Warm+e.For+patience)
	defer cancel()
	command := exec.CommandContext(ctx, self)
	command.Env = append(os.Environ(), errandVariable+"="+string(text))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return m, fmt.Errorf("starting %s: %w", e.Client, err)
	}
	defer stdin.Close()
	output, err := command.Output()
	if err != nil {
		return m, fmt.Errorf("%s, %s: %w: %s", e.Client, e.Task, errors.Join(err, ctx.Err()), lastLines(stderr.String()))
	}
	if err := json.Unmarshal(output, &m); err != nil {
		return m, fmt.Errorf("%s, %s: reading its result: %w", e.Client, e.Task, err)
	}
	return m, nil
}

// lastLines shortens what a failed process wrote.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// run runs the errand in this process.
func (e errand) run(ctx context.Context) (m Measure, err error) {
	if e.Profile != "" {
		file, err := os.Create(e.Profile)
		if err != nil {
			return m, fmt.Errorf("making the profile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return m, fmt.Errorf("starting the profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	if e.Task == Limit {
		return e.limit(ctx)
	}
	c, err := all.ByName(e.Client)
	if err != nil {
		return m, err
	}
	config := clients.Config{
		Brokers: e.Brokers, Topic: e.Topic, Group: e.Group,
		Way: e.Way, FromFirst: true, Tuning: e.Tuning,
	}
	switch e.Task {
	case Produce:
		return e.produce(ctx, c, config)
	case Consume:
		return e.consume(ctx, c, config)
	case Latency:
		return e.latency(ctx, c, config)
	}
	return m, fmt.Errorf("there is no task %q", e.Task)
}

const (
	keySize   = 8    // bytes of each record's Size are its key
	keyNumber = 4096 // different keys
	handful   = 256  // records that are made, and where possible handed over, together
)

// makeKeys returns the keys, which are spread evenly by any hash.
func makeKeys() [][]byte {
	keys := make([][]byte, keyNumber)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "%0*d", keySize, i)
	}
	return keys
}

// A source makes records for one goroutine. They share their bytes, so that
// what is measured is the client and not the making of records.
type source struct {
	keys  [][]byte
	value []byte
	next  int
	made  int // handfuls
	free  []clients.Record
}

func (s *source) record() *clients.Record {
	if len(s.free) == 0 {
		s.free = make([]clients.Record, handful)
		s.made++
	}
	r := &s.free[0]
	s.free = s.free[1:]
	r.Key, r.Value = s.keys[s.next%keyNumber], s.value
	s.next++
	return r
}

// produce writes records from several goroutines for a time, first without
// being measured, so that connections are there and memory is warm.
func (e errand) produce(ctx context.Context, c clients.Client, config clients.Config) (Measure, error) {
	var acked atomic.Int64
	var failed atomic.Pointer[error]
	p, err := c.NewProducer(config, func(_ *clients.Record, err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
		acked.Add(1)
	})
	if err != nil {
		return Measure{}, err
	}
	keys, value := makeKeys(), bytes.Repeat([]byte("v"), e.Point.Size-keySize)
	phase := func(long time.Duration, records int) (m Measure, err error) {
		var stop atomic.Bool
		timer := time.AfterFunc(long, func() { stop.Store(true) })
		defer timer.Stop()
		sources := make([]source, e.Point.Goroutines)
		errs := make([]error, e.Point.Goroutines)
		before := acked.Load()
		meter := startMeter()
		var all sync.WaitGroup
		for i := range sources {
			s := &sources[i]
			*s = source{keys: keys, value: value, next: i * keyNumber / len(sources)}
			all.Go(func() { errs[i] = e.write(ctx, p, s, &stop, records/len(sources)) })
		}
		all.Wait()
		if err := errors.Join(append(errs, p.Flush(ctx))...); err != nil {
			return m, err
		}
		made := 0
		for i := range sources {
			made += sources[i].made
		}
		return meter.stop(int(acked.Load()-before), made), nil
	}
	_, err = phase(e.Warm, e.Records)
	var m Measure
	if err == nil && e.For > 0 {
		m, err = phase(e.For, e.Records)
	}
	if err := errors.Join(err, p.Close()); err != nil {
		return m, err
	}
	if err := failed.Load(); err != nil {
		return m, fmt.Errorf("a record wasn't written: %w", *err)
	}
	return m, nil
}

// write is one producing goroutine. It writes until it is stopped, or so many
// records, and at least one.
func (e errand) write(ctx context.Context, p clients.Producer, s *source, stop *atomic.Bool, records int) error {
	together, takesAll := p.(clients.BatchProducer)
	if !takesAll || e.Alone || e.Way == clients.Defaults {
		for n := 1; ; n++ {
			if err := p.Produce(ctx, s.record()); err != nil {
				return err
			}
			if stop.Load() || n == records {
				return nil
			}
		}
	}
	for n, some := 0, make([]*clients.Record, handful); ; {
		if records > 0 {
			some = some[:min(handful, records-n)]
		}
		for i := range some {
			some[i] = s.record()
		}
		if err := together.ProduceAll(ctx, some); err != nil {
			return err
		}
		if n += len(some); stop.Load() || n == records {
			return nil
		}
	}
}

// consume receives records as the only member of a group, from the first
// record on, for a time or until there are no more.
func (e errand) consume(ctx context.Context, c clients.Client, config clients.Config) (m Measure, err error) {
	consumer, err := c.NewConsumer(config)
	if err != nil {
		return m, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.For+patience*2/3)
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
	err = consumer.Consume(ctx, func(r *clients.Record) error {
		n := received.Add(1)
		begin.Do(func() {
			meter = startMeter()
			timer = time.AfterFunc(e.For, stop)
		})
		if len(r.Value) != e.Point.Size-keySize {
			return fmt.Errorf("a value has %d bytes, want %d", len(r.Value), e.Point.Size-keySize)
		}
		if n == int64(e.Records) {
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

// latency writes a record, waits until the group has received it, and writes
// the next one: as Kafka's own EndToEndLatency does.
func (e errand) latency(ctx context.Context, c clients.Client, config clients.Config) (m Measure, err error) {
	const warmUp, fewest = 20, 2
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	p, err := c.NewProducer(config, func(_ *clients.Record, err error) {
		if err != nil {
			fail(fmt.Errorf("a record wasn't written: %w", err))
		}
	})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	consumer, err := c.NewConsumer(config)
	if err != nil {
		return m, err
	}
	reading, cancel := context.WithTimeout(ctx, e.Warm+e.For+patience*2/3)
	received := make(chan int, 1)
	var reader sync.WaitGroup
	defer func() {
		cancel()
		reader.Wait()
		err = errors.Join(err, consumer.Close())
	}()
	reader.Go(func() {
		err := consumer.Consume(reading, func(r *clients.Record) error {
			i, err := strconv.Atoi(string(r.Key))
			if err != nil {
				return fmt.Errorf("a record of somebody else: %w", err)
			}
			select {
			case received <- i:
			case <-reading.Done():
			}
			return nil
		})
		fail(fmt.Errorf("receiving ended: %w", errors.Join(err, reading.Err())))
	})

	value := bytes.Repeat([]byte("v"), e.Point.Size-keySize)
	var took []float64
	var meter *meter
	var until time.Time
	for i := 0; ; i++ {
		warm := warmUp
		if e.Way == clients.Defaults {
			warm = 1 // A client may take a second for each.
		}
		if i == warm {
			meter = startMeter()
			until = time.Now().Add(e.For)
		}
		if i > warm+fewest && time.Now().After(until) {
			break
		}
		begin := time.Now()
		r := &clients.Record{Key: fmt.Appendf(nil, "%0*d", keySize, i), Value: value}
		if err := p.Produce(ctx, r); err != nil {
			return m, err
		}
		for got := -1; got != i; {
			select {
			case got = <-received:
			case err := <-failed:
				return m, err
			}
		}
		if i >= warm {
			took = append(took, float64(time.Since(begin).Microseconds())/1000)
		}
	}
	m = meter.stop(len(took), 0)
	m.P50, m.P99 = percentile(took, 50), percentile(took, 99)
	return m, nil
}

// percentile returns the value that p of a hundred values don't exceed.
func percentile(values []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

// A meter counts what this process uses.
type meter struct {
	memory runtime.MemStats
	cpu    time.Duration
	begin  time.Time
}

func startMeter() *meter {
	m := new(meter)
	runtime.ReadMemStats(&m.memory)
	m.cpu, m.begin = processorTime(), time.Now()
	return m
}

// stop returns what was used since the start. The handfuls of records that the
// benchmark itself made are not the client's.
func (m *meter) stop(records, handfuls int) Measure {
	took, cpu := time.Since(m.begin), processorTime()-m.cpu
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	n := float64(max(1, records))
	ours := float64(handfuls)
	const record = 80 // bytes of a clients.Record
	return Measure{
		Records: records, Rate: float64(records) / took.Seconds(),
		CPU:         float64(cpu.Nanoseconds()) / 1000 / n,
		Allocations: max(0, float64(memory.Mallocs-m.memory.Mallocs)-ours) / n,
		Bytes:       max(0, float64(memory.TotalAlloc-m.memory.TotalAlloc)-ours*handful*record) / n,
		Collections: float64(memory.NumGC-m.memory.NumGC) / n * 1e6,
		PeakMB:      peakMB(),
	}
}
