package claims

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/load"
)

// Runs are what a process used that wrote or read many records, by side (writing is
// load.Produce, reading is load.Consume) and client.
type Runs map[load.Kind]map[string]load.Measure

// point is what is written and read: records of 100 bytes.
var point = load.Point{Size: 100, Goroutines: 1, Partitions: 3}

// measureRuns has each client write and read the same number of records, the clients in turn.
func measureRuns(ctx context.Context, records int) (Runs, error) {
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
	run := func(kind load.Kind, client, topic, group string) (load.Measure, error) {
		return load.Load{
			Kind: kind, Client: client, Way: adapter.Matched, Tuning: adapter.Safe(),
			Brokers: kafka.Addrs(), Topic: topic, Group: group,
			Point: point, Records: records, For: load.Patience,
		}.Start(ctx)
	}
	// What is read is the same for all: franz-go wrote it.
	const source = "to-read"
	if err := view.CreateTopic(ctx, source, point.Partitions); err != nil {
		return nil, err
	}
	if _, err := run(load.Produce, "franz-go", source, ""); err != nil {
		return nil, err
	}
	runs := Runs{load.Produce: {}, load.Consume: {}}
	for i, c := range clients.Available() {
		topic := fmt.Sprintf("to-write-%d", i)
		if err := view.CreateTopic(ctx, topic, point.Partitions); err != nil {
			return nil, err
		}
		if runs[load.Produce][c.Name()], err = run(load.Produce, c.Name(), topic, ""); err != nil {
			return nil, err
		}
		if _, err := view.DeleteTopic(ctx, topic); err != nil {
			return nil, fmt.Errorf("deleting a topic: %w", err)
		}
		if runs[load.Consume][c.Name()], err = run(load.Consume, c.Name(), source, "group-of-"+topic); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// together has all clients do something at the same time, and returns what came of it.
func together[T any](do func(clients.Client) (T, error)) (map[string]T, error) {
	results := make(map[string]T)
	var mu sync.Mutex
	var group errgroup.Group
	for _, c := range clients.Available() {
		group.Go(func() error {
			result, err := do(c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Name(), err)
			}
			mu.Lock()
			defer mu.Unlock()
			results[c.Name()] = result
			return nil
		})
	}
	return results, group.Wait()
}
