// Package load writes and receives with one client as fast as it can, or one record at a
// time, in a process of its own, and measures what that takes.
package load

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
)

// A Kind is what is measured.
type Kind string

// The kinds.
const (
	Produce Kind = "produce" // write as fast as it goes
	Consume Kind = "consume" // receive through a group, with commits
	Latency Kind = "latency" // from write to receive, one record at a time
	Limit   Kind = "limit"   // what the machine can do without Kafka
)

// A Point says what is written or received.
type Point struct {
	Size       int // bytes of a record, key and value
	Goroutines int // that write
	Partitions int
	InHand     int `json:",omitempty"` // records that aren't acknowledged yet
}

// A Measure is what one process did. A figure that wasn't measured is 0.
type Measure struct {
	Records int     // that it wrote or received while it was measured
	Rate    float64 // records a second

	CPU         float64 // microseconds a record, of all the threads of the process
	Allocations float64 // of Go, a record
	Bytes       float64 // of Go's memory, a record
	Collections float64 // of Go's garbage, a million records
	PeakMB      float64 // of memory that the process had, C's included
	IdleMB      float64 `json:",omitempty"` // of that, before there was a client

	P50, P99 float64 `json:",omitempty"` // milliseconds from write to receive
}

// A Load is what a process of its own is asked to do.
type Load struct {
	Kind    Kind
	Client  string // its adapter
	Way     adapter.Way
	Brokers []string
	Topic   string
	Group   string
	Point   Point
	Flow    *Flow // for Latency, instead of a client
	Tuning  adapter.Tuning

	Warm    time.Duration // before it measures
	For     time.Duration // how long it measures
	Records int           // it ends earlier after so many, unless that is 0
	Profile string        // the file that gets a profile of its processor time, or ""
}

var task = kit.NewTask("load", func(ctx context.Context, l Load) (Measure, error) { return l.run(ctx) })

// Patience is how long a process may take beyond its time: clients have to connect, join a
// group, and give up.
const Patience = 90 * time.Second

// Start runs the load in a process of its own.
func (l Load) Start(ctx context.Context) (Measure, error) {
	ctx, cancel := context.WithTimeout(ctx, l.Warm+l.For+Patience)
	defer cancel()
	m, err := task.Do(ctx, l)
	if err != nil {
		return m, fmt.Errorf("%s, %s: %w", l.Client, l.Kind, err)
	}
	return m, nil
}

// run runs the load in this process.
func (l Load) run(ctx context.Context) (m Measure, err error) {
	if l.Profile != "" {
		file, err := os.Create(l.Profile)
		if err != nil {
			return m, fmt.Errorf("making the profile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return m, fmt.Errorf("starting the profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	idle := kit.PeakMB()
	if l.Kind == Limit {
		return l.limit(ctx)
	}
	client, err := clients.Adapter(l.Client)
	if err != nil && l.Flow == nil {
		return m, err
	}
	config := adapter.Config{
		Brokers: l.Brokers, Topic: l.Topic, Group: l.Group,
		Way: l.Way, FromFirst: true, Tuning: l.Tuning,
	}
	switch l.Kind {
	case Produce:
		m, err = l.produce(ctx, client, config)
	case Consume:
		m, err = l.consume(ctx, client, config)
	case Latency:
		m, err = l.latency(ctx, client, config)
	default:
		return m, fmt.Errorf("there is nothing called %q to measure", l.Kind)
	}
	m.IdleMB = idle
	return m, err
}

const (
	// KeySize is how many bytes of each record's Size are its key.
	KeySize = 8
	// Handful is how many records are made, and in the way Tuned handed over, together.
	Handful = 256

	keyNumber = 4096 // different keys, and different values
)

// makeKeys returns the keys, which are spread evenly by any hash.
func makeKeys() [][]byte {
	keys := make([][]byte, keyNumber)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "%0*d", KeySize, i)
	}
	return keys
}

// makeValues returns values of a size, which look like orders and are always the same: they
// compress as a user's records do. One that is larger holds several orders.
func makeValues(size int) [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	values := make([][]byte, keyNumber)
	for i := range values {
		var v []byte
		for len(v) < size {
			v = fmt.Appendf(v, `{"order":"%08x","customer":%d,"item":"%s-%d","count":%d,"cents":%d,"paid":%t}`,
				random.Uint32(), random.IntN(100_000), items[random.IntN(len(items))], random.IntN(1000),
				1+random.IntN(9), random.IntN(100_000), random.IntN(4) > 0)
		}
		values[i] = v[:size]
	}
	return values
}

var items = []string{"lamp", "chair", "kettle", "notebook", "bicycle", "tent", "headphones", "shelf"}

// Values are the values as a file for Kafka's own tool, which takes a line for each.
func Values(size int) []byte { return bytes.Join(makeValues(size), []byte("\n")) }
