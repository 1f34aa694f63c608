package claims

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/wire"
)

// firstWrites sees what a write asks for, and how long a lone record waits.
func firstWrites(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	b, err := newStand(ctx, c, wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer b.close()
	// The first record opens the connections.
	if err := b.sendAll(strings.Repeat("compressible ", 10_000), "key"); err != nil {
		return nil, err
	}
	// A client that waits for no acknowledgement is done before the broker is.
	if err := b.untilWrites(1); err != nil {
		return nil, err
	}
	linger, err := b.shortestLinger()
	if err != nil {
		return nil, err
	}
	var sent []string
	for i := range 64 {
		sent = append(sent, fmt.Sprint("key-", i))
	}
	if err := b.sendAll("value", sent...); err != nil {
		return nil, err
	}
	keys, err := readKeys(ctx, b.cluster.Addrs(), 2+len(sent))
	if err != nil {
		return nil, err
	}
	writes, _ := b.writes()
	batch, err := wire.FirstBatch(writes[0])
	if err != nil {
		return nil, err
	}
	idempotence := Cell{"no", repeats}
	if batch.ProducerID >= 0 {
		idempotence = Cell{Value: "yes"}
	}
	return map[string]Cell{
		"acks":        acksCell(writes[0].Acks),
		"idempotence": idempotence,
		"linger":      lingerCell(linger),
		"compression": {Value: [...]string{"none", "gzip", "snappy", "lz4", "zstd"}[batch.Attributes&7]},
		"partitioner": partitionerCell(keys),
	}, nil
}

// untilWrites waits until the cluster got so many writes.
func (b *stand) untilWrites(n int) error {
	if !until(b.cluster, patience, func([]wire.Request) bool { return len(b.writesIn()) >= n }) {
		return errors.New("a record was acknowledged that no broker saw")
	}
	return nil
}

// shortestLinger returns the shortest time between a lone record's write and its request:
// nothing makes a record wait less than the client wants.
func (b *stand) shortestLinger() (time.Duration, error) {
	linger := time.Duration(math.MaxInt64)
	for range 30 {
		before, started := len(b.writesIn()), time.Now()
		if err := b.sendAll("value", "key"); err != nil {
			return 0, err
		}
		if err := b.untilWrites(before + 1); err != nil {
			return 0, err
		}
		linger = min(linger, b.writesIn()[before].At.Sub(started))
		if linger > 500*time.Millisecond && before > 2 {
			break
		}
	}
	return linger, nil
}

func acksCell(acks int16) Cell {
	switch acks {
	case 0:
		return Cell{"0: nobody", loses}
	case 1:
		return Cell{"1: the leader", loses}
	}
	return Cell{Value: "all in-sync replicas"}
}

// lingerCell names the wait that a client is set to: what was measured is a
// little more, so it is the longest usual value below it.
func lingerCell(measured time.Duration) Cell {
	var set time.Duration
	for _, usual := range []time.Duration{5, 10, 20, 50, 100, 200, 500, 1000} {
		// Timers may be a little early on the clock that reads them.
		if measured >= usual*time.Millisecond*95/100 {
			set = usual * time.Millisecond
		}
	}
	switch {
	case set == 0:
		return Cell{Value: "none"}
	case set >= 100*time.Millisecond:
		return Cell{human(set), delays}
	}
	return Cell{Value: human(set)}
}

// readKeys reads the topic from the start and returns each key's partition.
func readKeys(ctx context.Context, addrs []string, atLeast int) (map[string]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(testTopic))
	if err != nil {
		return nil, fmt.Errorf("reading the topic back: %w", err)
	}
	defer cl.Close()
	keys, read := make(map[string]int32), 0
	for read < atLeast {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return nil, fmt.Errorf("reading the topic back: %w", err)
		}
		fetches.EachRecord(func(r *kgo.Record) { keys[string(r.Key)], read = r.Partition, read+1 })
	}
	return keys, nil
}

// partitionerCell finds the hash that puts the keys where they are.
func partitionerCell(keys map[string]int32) Cell {
	for cell, hash := range map[Cell]kafka.Balancer{
		{Value: "murmur2 of the key"}: kafka.Murmur2Balancer{Consistent: true},
		{"FNV-1a of the key", moves}:  &kafka.Hash{},
		{"CRC32 of the key", moves}:   kafka.CRC32Balancer{Consistent: true},
	} {
		matches := 0
		for key, partition := range keys {
			if hash.Balance(kafka.Message{Key: []byte(key)}, 0, 1, 2) == int(partition) {
				matches++
			}
		}
		if matches == len(keys) {
			return cell
		}
	}
	return Cell{"the key decides nothing", mixes}
}

// retries has the brokers refuse a record with an error that may pass.
func retries(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	b, err := newStand(ctx, c, wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.cluster.Refuse(kerr.NotEnoughReplicas.Code)
	outcome, ok := within(b.send("key", "value"), patience)
	writes, _ := b.writes()
	n := len(writes)
	switch {
	case ok && outcome == nil:
		return map[string]Cell{"retries": {"none: it never hears of an error", loses}}, nil
	case ok:
		return map[string]Cell{"retries": {Value: fmt.Sprintf("%d times, then an error", n-1)}}, nil
	case n < 2:
		return nil, fmt.Errorf("%d writes in %v, and no outcome", n, patience)
	}
	return map[string]Cell{"retries": {"still trying after " + human(patience), delays}}, nil
}

// autoCreation writes to a topic that isn't there, on brokers that would create it.
func autoCreation(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	b, err := newStand(ctx, c, wire.Options{AutoCreate: true})
	if err != nil {
		return nil, err
	}
	defer b.close()
	outcome := b.send("key", "value")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if b.cluster.HasTopic(testTopic) {
			return map[string]Cell{"auto-creation of topics": {"asks for it", surprises}}, nil
		}
		if _, ok := within(outcome, 0); ok {
			break
		}
	}
	return map[string]Cell{"auto-creation of topics": {Value: "no"}}, nil
}

// noise returns so many bytes that can't be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b) // It never fails.
	return b
}

// unread is how many records fail in unreadErrors.
const unread = 3000

// unreadErrors writes records without waiting for them and without reading their errors,
// while the brokers refuse every one for good.
func unreadErrors(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	cluster.Refuse(kerr.TopicAuthorizationFailed.Code)
	ignored, err := c.IgnoreErrors(ctx, cluster.Addrs(), testTopic, unread)
	cell := Cell{Value: ignored.Says}
	switch {
	case ignored.Loses:
		cell.Mark = loses
	case ignored.Stops:
		cell.Mark = stops
	}
	return map[string]Cell{"errors that nobody reads": cell}, err
}
