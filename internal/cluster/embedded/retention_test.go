package embedded

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// batchBytes is the size of the largest batch that tests write: a record of half
// the size has a batch of its own.
const batchBytes = 20 << 10

// onePartition returns a client that writes to the partition that a record names.
func onePartition(t *testing.T, c *Cluster) *kgo.Client {
	t.Helper()
	return client(t, c,
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(batchBytes),
	)
}

// writeAged writes a record of each age, in order, to partition 0 of a topic.
func writeAged(ctx context.Context, t *testing.T, cl *kgo.Client, topic string, ages ...time.Duration) {
	t.Helper()
	now := time.Now()
	for i, age := range ages {
		r := &kgo.Record{Topic: topic, Key: []byte("key"), Value: fmt.Append(nil, i), Timestamp: now.Add(-age)}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

const day = 24 * time.Hour

// What the settings of a topic remove is what Apache Kafka 4.3.1 removes: the
// first offsets were read there, with the same records and settings, after
// log.retention.check.interval.ms (TestRetentionOnApacheKafka).
var retentionCases = []struct {
	name    string
	configs map[string]string
	ages    []time.Duration
	start   int64 // the first offset that stays
}{
	{"fresh", nil, []time.Duration{0, 0, 0}, 0},
	{"all old", nil, []time.Duration{365 * day, 364 * day, 363 * day}, 3},
	{"old before fresh", nil, []time.Duration{365 * day, 365 * day, 0, 0}, 2},
	{"old after fresh", nil, []time.Duration{0, 0, 365 * day, 365 * day}, 0},
	{"old between fresh", nil, []time.Duration{0, 365 * day, 0}, 0},
	{"old before younger, in one piece", nil, []time.Duration{8 * day, 2 * day, 2 * day}, 0},
	{"two old pieces", nil, []time.Duration{30 * day, 20 * day, 10 * day, 0}, 3},
	{"no time limit", map[string]string{"retention.ms": "-1"}, []time.Duration{365 * day, 0}, 0},
	{"own time limit", map[string]string{"retention.ms": "3600000", "segment.ms": "3600000"}, []time.Duration{5 * time.Hour, 0, 0}, 1},
	{"compacted", map[string]string{"cleanup.policy": "compact"}, []time.Duration{365 * day, 365 * day}, 0},
	{"compacted and deleted", map[string]string{"cleanup.policy": "compact,delete"}, []time.Duration{365 * day, 0}, 1},
}

func TestSettingsRemoveWhatApacheKafkaRemoves(t *testing.T) {
	t.Parallel()
	for _, data := range []bool{false, true} {
		t.Run(fmt.Sprintf("with a data folder %v", data), func(t *testing.T) {
			o := Options{}
			if data {
				o.DataDir = t.TempDir()
			}
			c := start(t, o)
			ctx := deadline(t)
			cl := onePartition(t, c)
			for i, test := range retentionCases {
				topic := fmt.Sprint("topic-", i)
				if err := c.fake.CreateTopic(topic, 1, test.configs); err != nil {
					t.Fatal(err)
				}
				if err := c.placeLeaders(); err != nil {
					t.Fatal(err)
				}
				writeAged(ctx, t, cl, topic, test.ages...)
			}
			for range 2 { // The second time, nothing more goes.
				if err := c.applySettings(time.Now()); err != nil {
					t.Fatal(err)
				}
				for i, test := range retentionCases {
					p := c.fake.PartitionInfo(fmt.Sprint("topic-", i), 0)
					if p.LogStartOffset != test.start || p.HighWatermark != int64(len(test.ages)) {
						t.Errorf("%s: the log goes from %d to %d, want from %d to %d", test.name, p.LogStartOffset, p.HighWatermark, test.start, len(test.ages))
					}
				}
			}
		})
	}
}

// Nothing is removed for its time before the first check.
func TestOldRecordsStayForAWhile(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	ctx := deadline(t)
	writeAged(ctx, t, onePartition(t, c), topic, 365*day, 364*day)
	time.Sleep(1500 * time.Millisecond) // Longer than it takes to look at what there is.
	if p := c.fake.PartitionInfo(topic, 0); p.LogStartOffset != 0 {
		t.Errorf("the log starts at %d: records went before the first check", p.LogStartOffset)
	}
}

// retention.bytes leaves at least so much, as in Apache Kafka.
func TestRetentionBytes(t *testing.T) {
	t.Parallel()
	const keep = 1 << 20
	c := start(t, Options{})
	ctx := deadline(t)
	if err := c.fake.CreateTopic(topic, 1, map[string]string{"retention.bytes": fmt.Sprint(keep)}); err != nil {
		t.Fatal(err)
	}
	if err := c.placeLeaders(); err != nil {
		t.Fatal(err)
	}
	fill(ctx, t, onePartition(t, c), 4*keep, 10<<10, 1)
	if err := c.applySettings(time.Now()); err != nil {
		t.Fatal(err)
	}
	p := c.fake.PartitionInfo(topic, 0)
	if p.NumBytes < keep || p.NumBytes > keep+2*memorySegmentBytes {
		t.Errorf("%d bytes are kept, want a little more than %d", p.NumBytes, keep)
	}
}

// fill writes so many bytes, in records of a size, to the first partitions of
// the topic in turn.
func fill(ctx context.Context, t *testing.T, cl *kgo.Client, bytes, size, partitions int) {
	t.Helper()
	value := make([]byte, size)
	for i := range bytes / size {
		cl.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// total returns what all partitions cost against a bound.
func total(t *testing.T, c *Cluster, cost func(stored) int64) int64 {
	t.Helper()
	all, err := c.partitions()
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, p := range all {
		sum += cost(p)
	}
	return sum
}

// However many partitions there are, all together stay within the bound, and
// none loses its newest records, nor any while another has more.
func TestBoundOfAllPartitions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		partitions int
		size       int
	}{
		{"few partitions", 3, 10 << 10},
		{"many partitions", 200, 2 << 10},
		{"one batch is one piece", 200, 19 << 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			const bound = 32 << 20
			c := start(t, Options{memory: bound})
			ctx := deadline(t)
			if err := c.fake.CreateTopic(topic, int32(test.partitions), nil); err != nil {
				t.Fatal(err)
			}
			if err := c.fake.CreateTopic("small", 1, nil); err != nil {
				t.Fatal(err)
			}
			if err := c.placeLeaders(); err != nil {
				t.Fatal(err)
			}
			cl := onePartition(t, c)
			writeAged(ctx, t, cl, "small", 0, 0, 0)
			fill(ctx, t, cl, 3*bound, test.size, test.partitions)
			if err := c.keepBounds(); err != nil {
				t.Fatal(err)
			}
			if n := total(t, c, inMemory); n > bound || n < bound/4 {
				t.Errorf("%d bytes are kept, want up to %d, and not much less", n, bound)
			}
			for p := range test.partitions {
				info := c.fake.PartitionInfo(topic, int32(p))
				if info.NumBytes == 0 {
					t.Fatalf("partition %d is empty: %+v", p, info)
				}
			}
			if p := c.fake.PartitionInfo("small", 0); p.LogStartOffset != 0 {
				t.Errorf("the partition with three records lost %d of them", p.LogStartOffset)
			}
		})
	}
}

// The bound is kept by itself while records are written, and at rest nothing runs.
func TestBoundIsKeptWhileRecordsAreWritten(t *testing.T) {
	t.Parallel()
	const bound = 16 << 20
	c := start(t, Options{Topic: topic, memory: bound})
	ctx := deadline(t)
	fill(ctx, t, onePartition(t, c), 4*bound, 10<<10, 3)
	for ctx.Err() == nil && total(t, c, inMemory) > bound {
		time.Sleep(10 * time.Millisecond)
	}
	if n := total(t, c, inMemory); n > bound {
		t.Errorf("%d bytes are kept, want up to %d", n, bound)
	}
}

// Clients that send faster than records are removed wait, and go on when records
// were removed, or when the cluster is closed.
func TestFastClientsWait(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"measured", "closed"} {
		tr := newTraffic(100)
		tr.note(ahead*100 - 1)
		waited := make(chan struct{})
		go func() {
			tr.note(1)
			close(waited)
		}()
		select {
		case <-waited:
			t.Fatal("a client that is far ahead doesn't wait")
		case <-time.After(50 * time.Millisecond):
		}
		if way == "closed" {
			tr.close()
		} else if err := tr.measure(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		<-waited
	}
}

// Compacted topics give up records only when nothing else is left to give.
func TestCompactedTopicsAreSpared(t *testing.T) {
	t.Parallel()
	const bound = 16 << 20
	c := start(t, Options{Topic: topic, memory: bound})
	ctx := deadline(t)
	if err := c.fake.CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	if err := c.placeLeaders(); err != nil {
		t.Fatal(err)
	}
	cl := onePartition(t, c)
	value := make([]byte, 10<<10)
	for range 8 << 20 / len(value) {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "state", Key: []byte("k"), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	fill(ctx, t, cl, 3*bound, 10<<10, 3)
	if err := c.keepBounds(); err != nil {
		t.Fatal(err)
	}
	if p := c.fake.PartitionInfo("state", 0); p.LogStartOffset != 0 {
		t.Errorf("the compacted topic lost its first %d records", p.LogStartOffset)
	}
	if n := total(t, c, inMemory); n > bound {
		t.Errorf("%d bytes are kept, want up to %d", n, bound)
	}
}

// Compaction keeps the newest record of each key, and removes nothing else: a
// record with an old time beside it stays.
func TestCompaction(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	ctx := deadline(t)
	if err := c.fake.CreateTopic("state", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	if err := c.placeLeaders(); err != nil {
		t.Fatal(err)
	}
	cl := onePartition(t, c)
	writeAged(ctx, t, cl, "state", 365*day, 365*day, 365*day)
	writeAged(ctx, t, cl, topic, 0, 365*day, 0)
	if err := c.compact(); err != nil {
		t.Fatal(err)
	}
	if p := c.fake.PartitionInfo("state", 0); p.LogStartOffset != 1 || p.HighWatermark != 3 {
		t.Errorf("the compacted log goes from %d to %d, want from 1 to 3", p.LogStartOffset, p.HighWatermark)
	}
	if p := c.fake.PartitionInfo(topic, 0); p.LogStartOffset != 0 {
		t.Errorf("another topic lost %d records", p.LogStartOffset)
	}
	configs, err := kadm.NewClient(cl).DescribeTopicConfigs(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" && config.MaybeValue() != "604800000" {
			t.Errorf("retention.ms is told to be %s", config.MaybeValue())
		}
	}
}

// A log that is longer than a piece loses its old pieces, and no fresh record.
func TestOldPiecesGo(t *testing.T) {
	t.Parallel()
	const old, fresh = 20, 20 // records; six or seven of them are a piece
	c := start(t, Options{Topic: topic})
	ctx := deadline(t)
	cl := onePartition(t, c)
	now := time.Now()
	for i := range old + fresh {
		r := &kgo.Record{Topic: topic, Value: make([]byte, 10<<10), Timestamp: now.Add(-8 * day)}
		if i >= old {
			r.Timestamp = now.Add(-2 * day) // Near enough to the others for the same piece.
		}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.applySettings(now); err != nil {
		t.Fatal(err)
	}
	if p := c.fake.PartitionInfo(topic, 0); p.LogStartOffset < old/2 || p.LogStartOffset > old {
		t.Errorf("the log starts at %d, want a little before %d", p.LogStartOffset, old)
	}
}
