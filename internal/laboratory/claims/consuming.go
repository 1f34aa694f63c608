package claims

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/wire"
)

// fill writes records to partition 0 of the cluster's topic.
func fill(ctx context.Context, cluster *wire.Cluster, from, n int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return fmt.Errorf("filling the topic: %w", err)
	}
	defer cl.Close()
	for i := range n {
		r := &kgo.Record{Topic: testTopic, Value: []byte(strconv.Itoa(from + i))}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			return fmt.Errorf("filling the topic: %w", err)
		}
	}
	return nil
}

// trickle writes a record every 50 ms until ctx ends.
func trickle(ctx context.Context, cluster *wire.Cluster) error {
	for i := 0; ctx.Err() == nil; i++ {
		if err := fill(context.WithoutCancel(ctx), cluster, i, 1); err != nil {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}

// member runs a consumer with its defaults until the returned function ends it.
func member(
	ctx context.Context, c adapter.Client, cluster *wire.Cluster, fromFirst bool, handle func(*adapter.Record),
) (end func() error, err error) {
	consumer, err := c.NewConsumer(adapter.Config{
		Brokers: cluster.Addrs(), Topic: testTopic, Group: "my-group", FromFirst: fromFirst,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- consumer.Consume(ctx, func(r *adapter.Record) error { handle(r); return nil })
	}()
	return func() error {
		cancel()
		return errors.Join(<-done, consumer.Close())
	}, nil
}

// until waits until a condition holds after a request, or d has passed.
func until(cluster *wire.Cluster, d time.Duration, condition func([]wire.Request) bool) bool {
	deadline := time.After(d)
	for {
		changed := cluster.Changed()
		if condition(cluster.Requests()) {
			return true
		}
		select {
		case <-changed:
		case <-deadline:
			return false
		}
	}
}

// groupStart has a new group join a topic that has records already.
func groupStart(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := fill(ctx, cluster, 0, 5); err != nil {
		return nil, err
	}
	before := len(cluster.Requests())
	received := make(chan struct{}, 100)
	end, err := member(ctx, c, cluster, false, func(*adapter.Record) { received <- struct{}{} })
	if err != nil {
		return nil, err
	}
	fetching := until(cluster, patience, func(all []wire.Request) bool {
		fetches, _ := wire.Of[*kmsg.FetchRequest](all[before:])
		return len(fetches) >= 3
	})
	if !fetching {
		return nil, errors.Join(errors.New("it never fetched"), end())
	}
	time.Sleep(time.Second) // An answer takes a moment.
	requests := cluster.Requests()[before:]
	adapter.CloseSoon(end)
	start := Cell{"the end: what is there is skipped", skips}
	if len(received) > 0 {
		start = Cell{Value: "the first record"}
	}
	fetches, _ := wire.Of[*kmsg.FetchRequest](requests)
	joins, _ := wire.Of[*kmsg.JoinGroupRequest](requests)
	first := fetches[0]
	cells := map[string]Cell{
		"start of a new group": start,
		"isolation level":      {"read_uncommitted", repeats},
		"session timeout":      {Value: "not in the request"},
		"fetch waits for":      {Value: fmt.Sprintf("%d B, at most %s", first.MinBytes, roundWait(first.MaxWaitMillis))},
	}
	if fetches[0].IsolationLevel == 1 {
		cells["isolation level"] = Cell{Value: "read_committed"}
	}
	if len(joins) > 0 {
		cell := Cell{Value: roundWait(joins[0].SessionTimeoutMillis)}
		if joins[0].SessionTimeoutMillis > 10_000 {
			cell.Mark = delays
		}
		cells["session timeout"] = cell
	}
	return cells, nil
}

// roundWait rounds a wait of seconds: kafka-go takes its round trip off.
func roundWait(ms int32) string {
	d := time.Duration(ms) * time.Millisecond
	if d > 2*time.Second {
		d = d.Round(time.Second)
	}
	return human(d)
}

// commits has a consumer work on a record every 50 ms, and sees when it commits.
func commits(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	// The records come as they are worked on: a client may commit what it fetched at once, at once.
	filling, stop := context.WithCancel(ctx)
	filled := make(chan error, 1)
	go func() { filled <- trickle(filling, cluster) }()
	defer func() {
		stop()
		<-filled
	}()
	var handled atomic.Int64
	end, err := member(ctx, c, cluster, true, func(*adapter.Record) { handled.Add(1) })
	if err != nil {
		return nil, err
	}
	until(cluster, 15*time.Second, func(all []wire.Request) bool {
		_, in := wire.Of[*kmsg.OffsetCommitRequest](all)
		return len(in) >= 2
	})
	_, in := wire.Of[*kmsg.OffsetCommitRequest](cluster.Requests())
	stop()
	time.Sleep(300 * time.Millisecond) // What was written last comes in.
	adapter.CloseSoon(end)
	return map[string]Cell{
		"commit interval": commitIntervalCell(in),
		"commit at Close": commitAtCloseCell(lastCommitted(cluster), handled.Load()),
	}, nil
}

// lastCommitted returns the highest offset that was committed, or -1.
func lastCommitted(cluster *wire.Cluster) int64 {
	bodies, _ := wire.Of[*kmsg.OffsetCommitRequest](cluster.Requests())
	var last int64 = -1
	for _, b := range bodies {
		for _, t := range b.Topics {
			for _, p := range t.Partitions {
				last = max(last, p.Offset)
			}
		}
	}
	return last
}

func commitAtCloseCell(committed, handled int64) Cell {
	switch {
	case committed < handled:
		return Cell{"leaves out what came since the last commit", repeats}
	case committed > handled:
		return Cell{"commits more than was handled", loses}
	}
	return Cell{Value: "commits what was handled"}
}

// commitIntervalCell takes the shortest time between two commits.
func commitIntervalCell(commits []wire.Request) Cell {
	if len(commits) < 2 {
		return Cell{"none was seen", repeats}
	}
	shortest := time.Duration(math.MaxInt64)
	for i := range commits[1:] {
		shortest = min(shortest, commits[i+1].At.Sub(commits[i].At))
	}
	if shortest < 300*time.Millisecond {
		return Cell{Value: "each record"}
	}
	return Cell{"every " + human(shortest.Round(time.Second)), repeats}
}

// slowWork blocks the work on the fourth record for longer than any commit
// interval, and sees whether that record is committed meanwhile.
func slowWork(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := fill(ctx, cluster, 0, 30); err != nil {
		return nil, err
	}
	const slow = 3
	started, release := make(chan struct{}), make(chan struct{})
	end, err := member(ctx, c, cluster, true, func(r *adapter.Record) {
		if r.Offset == slow {
			close(started)
			<-release
		}
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		close(release)
		adapter.CloseSoon(end)
	}()
	select {
	case <-started:
	case <-time.After(patience):
		return nil, errors.New("no record came")
	}
	time.Sleep(6500 * time.Millisecond)
	if lastCommitted(cluster) > slow {
		return map[string]Cell{"a commit covers": {"records that are still in hand", loses}}, nil
	}
	return map[string]Cell{"a commit covers": {Value: "only records that were handled"}}, nil
}

// noGroup has a client read a record without a group.
func noGroup(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := fill(ctx, cluster, 0, 1); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	value, err := c.ReadWithoutGroup(ctx, cluster.Addrs(), testTopic)
	if refusal := new(adapter.Refusal); errors.As(err, refusal) {
		value, err = refuses+tidy(refusal.Unwrap().Error()), nil
	}
	return map[string]Cell{"reading without a group": {Value: value}}, err
}

// refuses begins a cell of a client that doesn't do what it was asked for.
const refuses = "refuses: "
