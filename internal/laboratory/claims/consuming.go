package claims

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/wire"
)

// fill writes records to partition 0 of the cluster's topic.
func fill(ctx context.Context, cluster *wire.Cluster, from, n int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return fmt.Errorf("filling the topic: %w", err)
	}
	defer cl.Close()
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Topic: testTopic, Value: []byte(strconv.Itoa(from + i))})
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return fmt.Errorf("filling the topic: %w", err)
	}
	return nil
}

// trickle writes a record every 50 ms until ctx ends.
func trickle(ctx context.Context, cluster *wire.Cluster) error {
	for i := 0; kit.Sleep(ctx, 50*time.Millisecond) == nil; i++ {
		if err := fill(context.WithoutCancel(ctx), cluster, i, 1); err != nil {
			return err
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

// until waits until a condition holds for the requests, or d has passed.
func until(cluster *wire.Cluster, d time.Duration, condition func([]wire.Request) bool) bool {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition(cluster.Requests()) {
			return true
		}
	}
	return false
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
	fetches, _ := wire.Of[*kmsg.FetchRequest](requests)
	joins, _ := wire.Of[*kmsg.JoinGroupRequest](requests)
	start := Cell{"the end: what is there is skipped", skips}
	if len(received) > 0 {
		start = Cell{Value: "the first record"}
	}
	isolation := Cell{"uncommitted, too", repeats}
	if fetches[0].IsolationLevel == 1 {
		isolation = Cell{Value: "only what is committed"}
	}
	timeout := time.Duration(joins[0].SessionTimeoutMillis) * time.Millisecond
	session := Cell{Value: human(timeout)}
	if timeout > 10*time.Second {
		session.Mark = delays
	}
	return map[string]Cell{
		"start of a new group": start, "isolation level": isolation, "session timeout": session,
	}, nil
}

// intervals is how many intervals between two commits are seen.
const intervals = 4

// commits has a consumer work on a record every 50 ms, and sees when it commits.
func commits(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	// The records come as they are worked on: a client may commit what it fetched at once, at once.
	filling, stop := context.WithCancel(ctx)
	defer stop()
	filled := make(chan error, 1)
	go func() { filled <- trickle(filling, cluster) }()
	end, err := member(ctx, c, cluster, true, func(*adapter.Record) {})
	if err != nil {
		return nil, err
	}
	until(cluster, 35*time.Second, func(all []wire.Request) bool {
		_, in := wire.Of[*kmsg.OffsetCommitRequest](all)
		return len(in) > intervals
	})
	_, in := wire.Of[*kmsg.OffsetCommitRequest](cluster.Requests())
	adapter.CloseSoon(end)
	stop()
	return map[string]Cell{"commit interval": commitIntervalCell(in)}, <-filled
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

// commitIntervalCell takes the median of the times between two commits.
func commitIntervalCell(commits []wire.Request) Cell {
	if len(commits) <= intervals {
		return Cell{fmt.Sprintf("%d commits in 35 s", len(commits)), repeats}
	}
	var between []time.Duration
	for i := range intervals {
		between = append(between, commits[i+1].At.Sub(commits[i].At))
	}
	median, _, _ := kit.Spread(between)
	if median < 500*time.Millisecond {
		return Cell{Value: "each record"}
	}
	return Cell{"every " + human(median.Round(time.Second)), repeats}
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

// noGroup has a client read from an empty topic without a group, and then writes a record.
func noGroup(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var value string
	outcome := make(chan error, 1)
	go func() {
		var err error
		value, err = c.ReadWithoutGroup(ctx, cluster.Addrs(), testTopic)
		outcome <- err
	}()
	waited := ""
	err, ended := within(outcome, time.Second)
	if !ended {
		waited = waits
		if err := fill(ctx, cluster, 0, 1); err != nil {
			return nil, err
		}
		err = <-outcome
	}
	value = waited + value
	if refusal := new(adapter.Refusal); errors.As(err, refusal) {
		value, err = refuses+tidy(refusal.Unwrap().Error()), nil
	}
	return map[string]Cell{"reading without a group": {Value: value}}, err
}

const (
	// refuses begins a cell of a client that doesn't do what it was asked for.
	refuses = "refuses: "
	// waits begins a cell of a client that receives nothing until a record is written.
	waits = "waits for a record, "
)
