package main

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

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
	"kafka-with-go/internal/clients/kafkago"
	"kafka-with-go/internal/wire"
)

// A Cell is a default of a client, and what it does to a user.
type Cell struct {
	Value string
	Mark  string `json:",omitempty"` // loses, repeats, delays or stops; empty where it does no harm
}

// Defaults are cells by row and client.
type Defaults map[string]map[string]Cell

// merge adds the cells of one client.
func (d Defaults) merge(client string, cells map[string]Cell) {
	for row, cell := range cells {
		if d[row] == nil {
			d[row] = make(map[string]Cell)
		}
		d[row][client] = cell
	}
}

const (
	newWriter = "kafka.NewWriter"
	literal   = "kafka.Writer{}"

	patience = 10 * time.Second // for what a client does in the end
)

// A column is a client as the tables of defaults have it.
type column struct {
	name   string
	client clients.Client
}

// producers are the columns of the producers' defaults: kafka-go makes its
// writer in two ways.
func producers() []column {
	columns := []column{{newWriter, kafkago.Client{NewWriter: true}}, {literal, kafkago.Client{}}}
	for _, c := range all.Clients()[1:] {
		columns = append(columns, column{c.Name(), c})
	}
	return columns
}

func consumers() []column {
	var columns []column
	for _, c := range all.Clients() {
		columns = append(columns, column{c.Name(), c})
	}
	return columns
}

// observeDefaults sets every client up as a newcomer would, has it write and
// read, and notes what it asks of the brokers.
func observeDefaults(ctx context.Context, progress func(string)) (producer, consumer Defaults, err error) {
	producer, consumer = make(Defaults), make(Defaults)
	var mu sync.Mutex
	var group sync.WaitGroup
	var errs []error
	observe := func(into Defaults, c column, what string, f func(context.Context, clients.Client) (map[string]Cell, error)) {
		if c.client.Available() != nil {
			return
		}
		group.Go(func() {
			cells, err := f(ctx, c.client)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s of %s: %w", what, c.name, err))
				return
			}
			into.merge(c.name, cells)
		})
	}
	progress("defaults: how each client writes and reads (about 15 s)")
	for _, c := range producers() {
		observe(producer, c, "the first writes", firstWrites)
		observe(producer, c, "the retries", retries)
		observe(producer, c, "a missing topic", autoCreation)
	}
	for _, c := range consumers() {
		observe(consumer, c, "the start of a group", groupStart)
		observe(consumer, c, "the commits", commits)
		observe(consumer, c, "slow work", slowWork)
		observe(consumer, c, "reading without a group", noGroup)
	}
	// These keep both cores busy, so they come after the short times are taken.
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("observing the defaults: %w", ctx.Err())
	}
	for _, c := range producers() {
		observe(producer, c, "batches", batches)
		observe(producer, c, "large records", largeRecords)
		observe(producer, c, "unread errors", unreadErrors)
	}
	group.Wait()
	return producer, consumer, errors.Join(errs...)
}

// A bench is a cluster and a producer with its defaults.
type bench struct {
	cluster  *wire.Cluster
	producer clients.Producer
	ended    context.Context
	end      context.CancelFunc
}

const benchTopic = "message-log"

func newBench(c clients.Client, o wire.Options) (*bench, error) {
	cluster, err := wire.Start(o)
	if err != nil {
		return nil, err
	}
	acked := func(r *clients.Record, err error) { r.Tag.(chan error) <- err }
	producer, err := c.NewProducer(clients.Config{Brokers: cluster.Addrs(), Topic: benchTopic}, acked)
	if err != nil {
		cluster.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &bench{cluster, producer, ctx, cancel}, nil
}

// close ends both. A producer that goes on trying is left behind: it finds no
// broker any more, and gives up in the end.
func (b *bench) close() {
	b.end()
	soon(b.producer.Close)
	b.cluster.Close()
}

// soon calls f and waits for it, but not long. What f would report is no matter
// any more: what was to see was seen.
func soon(f func() error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f() //nolint:errcheck
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}

// send writes a record and returns a channel with its outcome.
func (b *bench) send(ctx context.Context, key, value []byte) <-chan error {
	outcome := make(chan error, 2)
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(b.ended, cancel)
	go func() {
		r := &clients.Record{Key: key, Value: value, Tag: outcome}
		if err := b.producer.Produce(ctx, r); err != nil {
			outcome <- err
		}
	}()
	return outcome
}

// within waits for an outcome. ok is false if there was none in time.
func within(outcome <-chan error, d time.Duration) (err error, ok bool) {
	select {
	case err := <-outcome:
		return err, true
	case <-time.After(d):
		return nil, false
	}
}

// sendAll writes records at once, and waits for all of them.
func (b *bench) sendAll(ctx context.Context, n int, record func(i int) (key, value []byte)) error {
	outcomes := make([]<-chan error, n)
	for i := range n {
		key, value := record(i)
		outcomes[i] = b.send(ctx, key, value)
	}
	for i, o := range outcomes {
		if err, ok := within(o, 30*time.Second); err != nil || !ok {
			return fmt.Errorf("writing record %d of %d: %w (answered: %v)", i, n, err, ok)
		}
	}
	return nil
}

// writes returns the writes that the cluster got so far.
func (b *bench) writes() ([]*kmsg.ProduceRequest, []wire.Request) {
	return wire.Of[*kmsg.ProduceRequest](b.cluster.Requests())
}

// firstWrites sees what a write asks for, and how long a lone record waits.
func firstWrites(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	b, err := newBench(c, wire.Options{Topic: benchTopic})
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
	if !until(b.cluster, patience, func([]wire.Request) bool { return len(onlySecond(b.writes())) > 0 }) {
		return nil, errors.New("a record was acknowledged that no broker saw")
	}
	linger := time.Duration(math.MaxInt64)
	for range 12 {
		before, started := len(onlySecond(b.writes())), time.Now()
		if err := b.sendAll(ctx, 1, func(int) ([]byte, []byte) { return []byte("key"), []byte("value") }); err != nil {
			return nil, err
		}
		if !until(b.cluster, patience, func([]wire.Request) bool { return len(onlySecond(b.writes())) > before }) {
			return nil, errors.New("a record was acknowledged that no broker saw")
		}
		writes := onlySecond(b.writes())
		// The shortest of several: nothing makes a record wait less than the client wants.
		linger = min(linger, writes[before].At.Sub(started))
		if linger > 500*time.Millisecond && before > 2 {
			break
		}
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
		cells["idempotence"] = Cell{"no", "repeats"}
	}
	return cells, nil
}

func onlySecond[A, B any](_ A, b B) B { return b }

func acksCell(acks int16) Cell {
	switch acks {
	case 0:
		return Cell{"0: nobody", "loses"}
	case 1:
		return Cell{"1: the leader", "loses"}
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
		return Cell{human(set), "delays"}
	}
	return Cell{Value: human(set)}
}

// readKeys reads the topic from the start and returns each key's partition.
func readKeys(ctx context.Context, addrs []string, atLeast int) (map[string]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(benchTopic))
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
		{"murmur2 of the key", clients.Murmur2, ""},
		{"FNV-1a of the key", fnv1a, "moves"},
		{"CRC32 of the key", func(key []byte, n int32) int32 { return int32(crc32.ChecksumIEEE(key) % uint32(n)) }, "moves"},
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
	return Cell{"the key decides nothing", "mixes"}
}

// fnv1a chooses as sarama does: the absolute value of the signed remainder.
func fnv1a(key []byte, n int32) int32 {
	h := fnv.New32a()
	h.Write(key) // It never fails.
	return max(int32(h.Sum32())%n, -(int32(h.Sum32()) % n))
}

// retries has the brokers refuse a record with an error that may pass.
func retries(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	b, err := newBench(c, wire.Options{Topic: benchTopic})
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
		return map[string]Cell{"retries": {"none: it never hears of an error", "loses"}}, nil
	case ok:
		return map[string]Cell{"retries": {Value: plural(n-1, "retry", "retries") + ", then an error"}}, nil
	case n < 2:
		return nil, fmt.Errorf("%d writes in %v, and no outcome", n, patience)
	}
	return map[string]Cell{"retries": {"still trying after " + human(patience), "delays"}}, nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// autoCreation writes to a topic that isn't there, on brokers that would create it.
func autoCreation(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	b, err := newBench(c, wire.Options{AutoCreate: true})
	if err != nil {
		return nil, err
	}
	defer b.close()
	outcome := b.send(ctx, []byte("key"), []byte("value"))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if b.cluster.HasTopic(benchTopic) {
			return map[string]Cell{"auto-creation of topics": {"asks for it", "surprises"}}, nil
		}
		if _, ok := within(outcome, 0); ok {
			break
		}
	}
	return map[string]Cell{"auto-creation of topics": {Value: "no"}}, nil
}

// batches holds the brokers' answers back while records pile up, and sees how
// large a batch gets.
func batches(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	largest := func(n int, value func(int) []byte) (records, bytes int, err error) {
		b, err := newBench(c, wire.Options{Topic: benchTopic, MaxMessageBytes: 1 << 26})
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
func largeRecords(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	b, err := newBench(c, wire.Options{Topic: benchTopic, MaxMessageBytes: 1 << 26})
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

// fill writes records to partition 0 of the cluster's topic.
func fill(ctx context.Context, cluster *wire.Cluster, from, n int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return fmt.Errorf("filling the topic: %w", err)
	}
	defer cl.Close()
	for i := range n {
		r := &kgo.Record{Topic: benchTopic, Value: []byte(strconv.Itoa(from + i))}
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
func member(ctx context.Context, c clients.Client, cluster *wire.Cluster, fromFirst bool, handle func(*clients.Record)) (end func() error, err error) {
	consumer, err := c.NewConsumer(clients.Config{
		Brokers: cluster.Addrs(), Topic: benchTopic, Group: "my-group", FromFirst: fromFirst,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- consumer.Consume(ctx, func(r *clients.Record) error { handle(r); return nil })
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
func groupStart(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: benchTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := fill(ctx, cluster, 0, 5); err != nil {
		return nil, err
	}
	before := len(cluster.Requests())
	received := make(chan struct{}, 100)
	end, err := member(ctx, c, cluster, false, func(*clients.Record) { received <- struct{}{} })
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
	soon(end)
	start := Cell{"the end: what is there is skipped", "skips"}
	if len(received) > 0 {
		start = Cell{Value: "the first record"}
	}
	fetches, _ := wire.Of[*kmsg.FetchRequest](requests)
	joins, _ := wire.Of[*kmsg.JoinGroupRequest](requests)
	cells := map[string]Cell{
		"start of a new group": start,
		"isolation level":      {"read_uncommitted", "repeats"},
		"session timeout":      {Value: "not in the request"},
		"fetch waits for":      {Value: fmt.Sprintf("%d B, at most %s", fetches[0].MinBytes, roundWait(fetches[0].MaxWaitMillis))},
	}
	if fetches[0].IsolationLevel == 1 {
		cells["isolation level"] = Cell{Value: "read_committed"}
	}
	if len(joins) > 0 {
		cell := Cell{Value: roundWait(joins[0].SessionTimeoutMillis)}
		if joins[0].SessionTimeoutMillis > 10_000 {
			cell.Mark = "delays"
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

// human writes a time with a space before its unit.
func human(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

// commits has a consumer work on a record every 50 ms, and sees when it commits.
func commits(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: benchTopic})
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
	var mu sync.Mutex
	handled := 0
	end, err := member(ctx, c, cluster, true, func(*clients.Record) {
		mu.Lock()
		handled++
		mu.Unlock()
	})
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
	soon(end)
	mu.Lock()
	defer mu.Unlock()
	bodies, _ := wire.Of[*kmsg.OffsetCommitRequest](cluster.Requests())
	var last int64 = -1
	for _, b := range bodies {
		for _, t := range b.Topics {
			for _, p := range t.Partitions {
				last = max(last, p.Offset)
			}
		}
	}
	atClose := Cell{Value: "commits what was handled"}
	switch {
	case last < int64(handled):
		atClose = Cell{"leaves out what came since the last commit", "repeats"}
	case last > int64(handled):
		atClose = Cell{"commits more than was handled", "loses"}
	}
	interval := Cell{"none was seen", "repeats"}
	if len(in) >= 2 {
		shortest := time.Duration(math.MaxInt64)
		for i := range in[1:] {
			shortest = min(shortest, in[i+1].At.Sub(in[i].At))
		}
		if shortest < 300*time.Millisecond {
			interval = Cell{Value: "each record"}
		} else {
			interval = Cell{"every " + human(shortest.Round(time.Second)), "repeats"}
		}
	}
	return map[string]Cell{"commit interval": interval, "commit at Close": atClose}, nil
}

// slowWork blocks the work on the fourth record for longer than any commit
// interval, and sees whether that record is committed meanwhile.
func slowWork(ctx context.Context, c clients.Client) (map[string]Cell, error) {
	cluster, err := wire.Start(wire.Options{Topic: benchTopic})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := fill(ctx, cluster, 0, 30); err != nil {
		return nil, err
	}
	const slow = 3
	started, release := make(chan struct{}), make(chan struct{})
	end, err := member(ctx, c, cluster, true, func(r *clients.Record) {
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
		soon(end)
	}()
	select {
	case <-started:
	case <-time.After(patience):
		return nil, errors.New("no record came")
	}
	time.Sleep(6500 * time.Millisecond)
	bodies, _ := wire.Of[*kmsg.OffsetCommitRequest](cluster.Requests())
	for _, b := range bodies {
		for _, t := range b.Topics {
			for _, p := range t.Partitions {
				if p.Offset > slow {
					return map[string]Cell{"a commit covers": {"records that are still in hand", "loses"}}, nil
				}
			}
		}
	}
	return map[string]Cell{"a commit covers": {Value: "only records that were handled"}}, nil
}
