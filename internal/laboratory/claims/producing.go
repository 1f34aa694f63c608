package claims

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/wire"
)

// firstWrites sees what a write asks for, and how long a lone record waits.
func firstWrites(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	b, err := newStand(c, wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer b.close()
	// The first record opens the connections.
	compressible := []byte(strings.Repeat("compressible ", 10_000))
	if err := b.sendAll(ctx, 1, func(int) ([]byte, []byte) { return []byte("key"), compressible }); err != nil {
		return nil, err
	}
	// A client that waits for no acknowledgement is done before the broker is.
	if err := b.untilWrites(1); err != nil {
		return nil, err
	}
	linger, err := b.shortestLinger(ctx)
	if err != nil {
		return nil, err
	}
	const n = 64
	err = b.sendAll(ctx, n, func(i int) ([]byte, []byte) { return fmt.Appendf(nil, "key-%d", i), []byte("value") })
	if err != nil {
		return nil, err
	}
	keys, err := readKeys(ctx, b.cluster.Addrs(), 2+n)
	if err != nil {
		return nil, err
	}
	bodies, in := b.writes()
	_, ids := wire.Of[*kmsg.InitProducerIDRequest](b.cluster.Requests())
	cells := map[string]Cell{
		"acks":        acksCell(bodies[0].Acks),
		"linger":      lingerCell(linger),
		"compression": {Value: [...]string{"none", "gzip", "snappy", "lz4", "zstd"}[in[0].Batches[0].Codec]},
		"partitioner": partitionerCell(keys),
	}
	if len(ids) > 0 && in[0].Batches[0].ProducerID >= 0 {
		cells["idempotence"] = Cell{Value: "yes"}
	} else {
		cells["idempotence"] = Cell{"no", repeats}
	}
	return cells, nil
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
func (b *stand) shortestLinger(ctx context.Context) (time.Duration, error) {
	linger := time.Duration(math.MaxInt64)
	for range 12 {
		before, started := len(b.writesIn()), time.Now()
		if err := b.sendAll(ctx, 1, func(int) ([]byte, []byte) { return []byte("key"), []byte("value") }); err != nil {
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
	hashes := []struct {
		name   string
		chosen func(key []byte, n int32) int32
		mark   string
	}{
		{"murmur2 of the key", murmur2, ""},
		{"FNV-1a of the key", fnv1a, moves},
		{"CRC32 of the key", crc, moves},
	}
	for _, h := range hashes {
		matches := 0
		for key, partition := range keys {
			if h.chosen([]byte(key), 3) == partition {
				matches++
			}
		}
		if matches == len(keys) {
			return Cell{h.name, h.mark}
		}
	}
	return Cell{"the key decides nothing", mixes}
}

// crc chooses as librdkafka does.
func crc(key []byte, n int32) int32 { return int32(crc32.ChecksumIEEE(key) % uint32(n)) }

// murmur2 chooses as Java's client does, and franz-go.
func murmur2(key []byte, n int32) int32 {
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("")
	return int32(partitioner.Partition(&kgo.Record{Key: key}, int(n)))
}

// fnv1a chooses as sarama does: the absolute value of the signed remainder.
func fnv1a(key []byte, n int32) int32 {
	h := fnv.New32a()
	h.Write(key) // It never fails.
	return max(int32(h.Sum32())%n, -(int32(h.Sum32()) % n))
}

// retries has the brokers refuse a record with an error that may pass.
func retries(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	b, err := newStand(c, wire.Options{Topic: testTopic})
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.cluster.Refuse(kerr.NotEnoughReplicas.Code)
	outcome, ok := within(b.send(ctx, []byte("key"), []byte("value")), patience)
	writes, _ := b.writes()
	n := len(writes)
	switch {
	case ok && outcome == nil:
		return map[string]Cell{"retries": {"none: it never hears of an error", loses}}, nil
	case ok:
		return map[string]Cell{"retries": {Value: retriesText(n - 1)}}, nil
	case n < 2:
		return nil, fmt.Errorf("%d writes in %v, and no outcome", n, patience)
	}
	return map[string]Cell{"retries": {"still trying after " + human(patience), delays}}, nil
}

func retriesText(n int) string {
	if n == 1 {
		return "1 retry, then an error"
	}
	return strconv.Itoa(n) + " retries, then an error"
}

// autoCreation writes to a topic that isn't there, on brokers that would create it.
func autoCreation(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	b, err := newStand(c, wire.Options{AutoCreate: true})
	if err != nil {
		return nil, err
	}
	defer b.close()
	outcome := b.send(ctx, []byte("key"), []byte("value"))
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

// batches holds the brokers' answers back while records pile up, and sees how
// large a batch gets.
func batches(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	largest := func(n int, value func(int) []byte) (records, bytes int, err error) {
		b, err := newStand(c, wire.Options{Topic: testTopic, MaxMessageBytes: 1 << 26})
		if err != nil {
			return 0, 0, err
		}
		defer b.close()
		if err := b.sendAll(ctx, 1, func(int) ([]byte, []byte) { return []byte("key"), []byte("value") }); err != nil {
			return 0, 0, err
		}
		b.cluster.Hold()
		time.AfterFunc(time.Second, b.cluster.Release)
		if err := b.sendAll(ctx, n, func(i int) ([]byte, []byte) { return []byte("key"), value(i) }); err != nil {
			return 0, 0, err
		}
		_, in := b.writes()
		for _, r := range in {
			for _, batch := range r.Batches {
				records, bytes = max(records, batch.Records), max(bytes, batch.Bytes)
			}
		}
		return records, bytes, nil
	}
	records, _, err := largest(15_000, func(int) []byte { return []byte("0123456789") })
	if err != nil {
		return nil, err
	}
	// Each is different, so that compression doesn't hide the size.
	_, bytes, err := largest(300, func(i int) []byte { return noise()[i*7<<10:][:20<<10] })
	if err != nil {
		return nil, err
	}
	value := fmt.Sprintf("about %.0f MB", float64(bytes)/1e6)
	if records == 100 || records == 10_000 { // A limit, and no accident.
		value = strconv.Itoa(records) + " records, " + value
	}
	return map[string]Cell{"batch, at most": {Value: value}}, nil
}

// largeRecords finds the largest record that a client sends. The brokers would
// take much larger ones.
func largeRecords(ctx context.Context, c adapter.Client) (map[string]Cell, error) {
	b, err := newStand(c, wire.Options{Topic: testTopic, MaxMessageBytes: 1 << 26})
	if err != nil {
		return nil, err
	}
	defer b.close()
	const tries = 12
	accepted, refused := 1, 3<<20
	for refused-accepted > 1 {
		// Several sizes at once, for a client that takes a second each.
		sizes, outcomes := []int{}, []<-chan error{}
		for i := 1; i <= tries; i++ {
			size := accepted + (refused-accepted)*i/(tries+1)
			if size > accepted && !slices.Contains(sizes, size) {
				sizes = append(sizes, size)
				outcomes = append(outcomes, b.send(ctx, nil, noise()[:size]))
			}
		}
		if len(sizes) == 0 {
			break
		}
		for i, o := range outcomes {
			err, ok := within(o, 30*time.Second)
			if !ok {
				return nil, fmt.Errorf("no outcome for a record of %d bytes", sizes[i])
			}
			if err == nil {
				accepted = max(accepted, sizes[i])
			} else {
				refused = min(refused, sizes[i])
			}
		}
		if accepted > refused {
			return nil, fmt.Errorf("a record of %d bytes was taken, one of %d was not", accepted, refused)
		}
	}
	if accepted >= 3<<20-1 {
		return map[string]Cell{"largest record": {Value: "over 3 MiB"}}, nil
	}
	return map[string]Cell{"largest record": {Value: strconv.Itoa(accepted) + " B"}}, nil
}

// noise is what large records are made of: it can't be compressed.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 3<<20)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
})

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
