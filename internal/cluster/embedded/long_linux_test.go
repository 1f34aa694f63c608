package embedded

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The tests of this file take minutes and measure: they run only by hand, on a
// cluster that they start on its usual ports.
//
//	go build -o /tmp/cluster ./00-cluster
//	EMBEDDED_LONG=/tmp/cluster go test -v -timeout 30m -run TestLong ./internal/cluster/embedded
const longEnv = "EMBEDDED_LONG"

// A longRun is a cluster that is measured.
type longRun struct {
	*testing.T
	ctx     context.Context
	cluster *exec.Cmd
	args    []string
}

func startLong(t *testing.T, args ...string) *longRun {
	t.Helper()
	if os.Getenv(longEnv) == "" {
		t.Skip("set " + longEnv + " to the cluster's executable")
	}
	r := &longRun{T: t, ctx: t.Context(), args: args}
	r.start()
	t.Cleanup(r.kill)
	return r
}

func (r *longRun) start() {
	r.Helper()
	r.cluster = exec.Command(os.Getenv(longEnv), r.args...)
	r.cluster.Stderr = os.Stderr
	if err := r.cluster.Start(); err != nil {
		r.Fatal(err)
	}
	cl := r.client()
	defer cl.Close()
	for r.ctx.Err() == nil && cl.Ping(r.ctx) != nil {
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *longRun) kill() {
	r.cluster.Process.Kill()
	r.cluster.Wait()
}

func (r *longRun) client(options ...kgo.Opt) *kgo.Client {
	r.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers("127.0.0.1:9093", "127.0.0.1:9094", "127.0.0.1:9095"),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, options...)...)
	if err != nil {
		r.Fatal(err)
	}
	return cl
}

func (r *longRun) create(topic string, partitions int32) {
	r.Helper()
	cl := r.client()
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(r.ctx, partitions, 1, nil, topic); err != nil {
		r.Fatal(err)
	}
}

// memory returns a figure of the process in MiB: VmRSS for what it takes now,
// VmHWM for the most that it took.
func (r *longRun) memory(figure string) int {
	r.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cluster.Process.Pid))
	if err != nil {
		r.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), figure+":")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		r.Fatal(err)
	}
	return kib >> 10
}

// idle returns the part of one processor that the process takes at rest.
func (r *longRun) idle() string {
	r.Helper()
	ticks := func() int {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cluster.Process.Pid))
		if err != nil {
			r.Fatal(err)
		}
		fields := strings.Fields(string(text[strings.LastIndex(string(text), ")"):]))
		user, _ := strconv.Atoi(fields[12])
		system, _ := strconv.Atoi(fields[13])
		return user + system
	}
	const seconds = 10
	time.Sleep(3 * time.Second)
	before := ticks()
	time.Sleep(seconds * time.Second)
	return fmt.Sprintf("%.1f %%", float64(ticks()-before)/seconds) // A tick is a hundredth of a second.
}

// flood writes records for some time, and returns how many MB a second.
func (r *longRun) flood(cl *kgo.Client, topic string, size int, bytes int64, forNoLongerThan time.Duration) float64 {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.ctx, forNoLongerThan)
	defer cancel()
	begin := time.Now()
	written := int64(0)
	for ; written < bytes && ctx.Err() == nil; written += int64(size) {
		value := make([]byte, size)
		rand.Read(value[:min(size, 16)])
		cl.Produce(r.ctx, &kgo.Record{Topic: topic, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				r.Error(err)
			}
		})
	}
	if err := cl.Flush(r.ctx); err != nil {
		r.Fatal(err)
	}
	return float64(written) / 1e6 / time.Since(begin).Seconds()
}

// 500 partitions at full speed.
func TestLongManyPartitions(t *testing.T) {
	r := startLong(t)
	r.create("many", 500)
	cl := r.client(kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(20*time.Millisecond))
	defer cl.Close()
	speed := r.flood(cl, "many", 1000, 12<<30, 30*time.Second)
	t.Logf("500 partitions: %.0f MB/s, at most %d MiB, idle %s of a processor", speed, r.memory("VmHWM"), r.idle())
	if most := r.memory("VmHWM"); most > ProcessBytes>>20 {
		t.Errorf("the process took %d MiB, more than %d", most, ProcessBytes>>20)
	}
}

// More records than the bound: the speed stays.
func TestLongBeyondTheBound(t *testing.T) {
	r := startLong(t)
	cl := r.client()
	defer cl.Close()
	r.create("speed", 48)
	first := r.flood(cl, "speed", 1000, 100<<20, time.Minute)
	second := r.flood(cl, "speed", 1000, 1<<30, time.Minute)
	third := r.flood(cl, "speed", 1000, 1<<30, time.Minute)
	t.Logf("48 partitions: %.0f MB/s below the bound, %.0f and %.0f beyond it, at most %d MiB", first, second, third, r.memory("VmHWM"))
}

// Five million records in batches of one, with a data folder.
func TestLongBatchesOfOne(t *testing.T) {
	const records = 5_000_000
	r := startLong(t, "-data", filepath.Join(t.TempDir(), "data"))
	r.create("singles", 100)
	cl := r.client(
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
		kgo.ProducerBatchMaxBytes(512), // A record of 260 bytes has a batch of its own.
		kgo.MaxBufferedRecords(100_000),
	)
	defer cl.Close()
	begin := time.Now()
	r.flood(cl, "singles", 260, records*260, 20*time.Minute)
	took := time.Since(begin)
	ends, err := kadm.NewClient(cl).ListEndOffsets(r.ctx, "singles")
	if err != nil {
		t.Fatal(err)
	}
	starts, err := kadm.NewClient(cl).ListStartOffsets(r.ctx, "singles")
	if err != nil {
		t.Fatal(err)
	}
	var end, start int64
	ends.Each(func(o kadm.ListedOffset) { end += o.Offset })
	starts.Each(func(o kadm.ListedOffset) { start += o.Offset })
	idle := r.idle()
	t.Logf("%d records in batches of one in %v, %d removed: now %d MiB, at most %d MiB, idle %s of a processor", end, took.Round(time.Second), start, r.memory("VmRSS"), r.memory("VmHWM"), idle)
	r.kill()
	begin = time.Now()
	r.start()
	t.Logf("after a kill: started again in %v, %d MiB, at most %d MiB", time.Since(begin).Round(100*time.Millisecond), r.memory("VmRSS"), r.memory("VmHWM"))
}

// Killed thirty times while records are written: no acknowledged one is missing.
func TestLongKills(t *testing.T) {
	const kills = 30
	r := startLong(t, "-data", filepath.Join(t.TempDir(), "data"))
	var mu sync.Mutex
	acknowledged := make(map[string]bool)
	for range kills {
		cl := r.client(kgo.DisableIdempotentWrite(), kgo.RecordRetries(0), kgo.RecordDeliveryTimeout(5*time.Second))
		time.AfterFunc(1500*time.Millisecond, func() { r.cluster.Process.Kill() })
		stop := time.Now().Add(1600 * time.Millisecond)
		for time.Now().Before(stop) {
			cl.Produce(r.ctx, &kgo.Record{Topic: topic, Value: []byte(rand.Text())}, func(rec *kgo.Record, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					acknowledged[string(rec.Value)] = true
				}
			})
		}
		r.kill()
		if err := cl.Flush(r.ctx); err != nil { // Every record has its answer, or an error.
			t.Fatal(err)
		}
		cl.Close()
		r.start()
	}
	mu.Lock()
	defer mu.Unlock()
	consumer := r.client(kgo.ConsumeTopics(topic))
	defer consumer.Close()
	missing := len(acknowledged)
	ctx, cancel := context.WithTimeout(r.ctx, 2*time.Minute)
	defer cancel()
	seen := make(map[string]bool)
	for missing > 0 && ctx.Err() == nil {
		consumer.PollFetches(ctx).EachRecord(func(rec *kgo.Record) {
			if v := string(rec.Value); acknowledged[v] && !seen[v] {
				seen[v] = true
				missing--
			}
		})
	}
	t.Logf("%d kills: %d of %d acknowledged records are missing", kills, missing, len(acknowledged))
	if missing > 0 || len(acknowledged) == 0 {
		t.Error("acknowledged records are missing")
	}
}
