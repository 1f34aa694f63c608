package claims

import (
	"context"
	"fmt"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/load"
)

// A Run is what a process used that wrote or read many records.
type Run struct {
	Allocations float64 // of Go, a record
	Bytes       float64 // of Go's memory, a record
	Collections float64 // of Go's garbage, a million records
	PeakMB      float64 // of memory that the process had, C's included; 0 where it can't be read
	IdleMB      float64 // the same before the client was made
}

// Runs are results by side (writing is load.Produce, reading is load.Consume) and client.
type Runs map[load.Kind]map[string]Run

// point is what is written and read: records of 100 bytes.
var point = load.Point{Size: 100, Goroutines: 1, Partitions: 3}

// A measuring is the cluster on which clients are measured.
type measuring struct {
	addrs   []string
	records int
}

// measureRuns has each client write and read the same number of records, the clients in
// turn, and returns the mean of the rounds.
func measureRuns(ctx context.Context, records, rounds int, progress func(string)) (Runs, error) {
	kafka, err := embedded.Start(embedded.Options{})
	if err != nil {
		return nil, err
	}
	defer kafka.Close()
	view, err := cluster.NewView(ctx, kafka.Addrs(), false)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	m := measuring{kafka.Addrs(), records}
	const source = "to-read"
	if err := view.CreateTopic(ctx, source, point.Partitions); err != nil {
		return nil, err
	}
	// What is read is the same for all: franz-go wrote it.
	if _, err := m.run(ctx, load.Produce, "franz-go", source, ""); err != nil {
		return nil, err
	}
	runs := Runs{load.Produce: {}, load.Consume: {}}
	for round := range rounds {
		for i, c := range clients.Available() {
			name := c.Name()
			progress(fmt.Sprintf("memory: round %d of %d: %s", round+1, rounds, name))
			topic := fmt.Sprintf("to-write-%d-%d", round, i)
			if err := view.CreateTopic(ctx, topic, point.Partitions); err != nil {
				return nil, err
			}
			written, err := m.run(ctx, load.Produce, name, topic, "")
			if err != nil {
				return nil, err
			}
			if _, err := view.DeleteTopic(ctx, topic); err != nil {
				return nil, fmt.Errorf("deleting a topic: %w", err)
			}
			read, err := m.run(ctx, load.Consume, name, source, "group-of-"+topic)
			if err != nil {
				return nil, err
			}
			runs[load.Produce][name] = runs[load.Produce][name].add(written, rounds)
			runs[load.Consume][name] = runs[load.Consume][name].add(read, rounds)
		}
	}
	return runs, nil
}

// run writes or reads all records with a client, in a process of its own.
func (m measuring) run(ctx context.Context, kind load.Kind, client, topic, group string) (load.Measure, error) {
	return load.Load{
		Kind: kind, Client: client, Way: adapter.Matched, Tuning: adapter.Safe(),
		Brokers: m.addrs, Topic: topic, Group: group,
		Point: point, Records: m.records, For: load.Patience,
	}.Start(ctx)
}

// add adds a round to a mean.
func (r Run) add(m load.Measure, rounds int) Run {
	n := float64(rounds)
	return Run{
		Allocations: r.Allocations + m.Allocations/n,
		Bytes:       r.Bytes + m.Bytes/n,
		Collections: r.Collections + m.Collections/n,
		PeakMB:      r.PeakMB + m.PeakMB/n,
		IdleMB:      r.IdleMB + m.IdleMB/n,
	}
}
