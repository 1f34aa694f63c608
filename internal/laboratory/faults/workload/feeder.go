package workload

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/faults/history"
	"kafka-with-go/internal/laboratory/kit"
)

// A feeder writes the records that a group works on: at a steady rate, each once.
type feeder struct {
	brokers []string
	topic   string

	mu     sync.Mutex
	cl     *kgo.Client
	cancel context.CancelFunc
	done   chan struct{}
	acked  []history.Entry
}

func newFeeder(brokers []string, topic string) *feeder {
	return &feeder{brokers: brokers, topic: topic}
}

func (f *feeder) start(ctx context.Context) error {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(f.brokers...), kgo.DefaultProduceTopic(f.topic), kgo.MetadataMinAge(time.Second))
	if err != nil {
		return fmt.Errorf("making the feeding producer: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	f.cl, f.cancel, f.done = cl, cancel, make(chan struct{})
	f.mu.Unlock()
	go f.feed(ctx)
	return nil
}

func (f *feeder) feed(ctx context.Context) {
	defer close(f.done)
	begin := time.Now()
	for n := 0; ; n++ {
		due := begin.Add(time.Second * time.Duration(n) / ConsumerRate)
		if kit.Sleep(ctx, time.Until(due)) != nil {
			return
		}
		record := &kgo.Record{Key: []byte("key-" + strconv.Itoa(n%Keys)), Value: history.Value(n)}
		f.cl.Produce(context.WithoutCancel(ctx), record, func(r *kgo.Record, err error) {
			if err != nil {
				return // It isn't acknowledged, so nobody has to work on it.
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.acked = append(f.acked, history.Entry{
				Kind: history.Acked, Number: n, Partition: r.Partition, Offset: r.Offset, At: time.Now(),
			})
		})
	}
}

// reach has the feeder see partitions that were added, and returns when it has
// written to one of them: to one with that number or a higher one.
func (f *feeder) reach(ctx context.Context, partition int32) error {
	const what = "the feeding producer writes to added partitions"
	return cluster.Until(ctx, what, cluster.Patience, func(context.Context) error {
		for _, e := range f.acknowledged() {
			if e.Partition >= partition {
				return nil
			}
		}
		f.cl.ForceMetadataRefresh()
		return errors.New("it writes to the old ones")
	})
}

// stop ends the load, and waits for what is in hand.
func (f *feeder) stop(ctx context.Context) error {
	f.cancel()
	<-f.done
	if err := f.cl.Flush(ctx); err != nil {
		return fmt.Errorf("finishing to feed: %w", err)
	}
	return nil
}

func (f *feeder) close() {
	f.mu.Lock()
	cl := f.cl
	f.mu.Unlock()
	if cl == nil {
		return
	}
	f.cancel()
	<-f.done
	cl.Close()
}

func (f *feeder) acknowledged() []history.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.acked)
}

// sameCoordinator appends to a group's name what gives all groups one coordinator:
// that of partition 0 of the topic with the groups' commits, chosen by Java's hash
// of the name. So one fault meets all groups.
func sameCoordinator(group string) string {
	for i := 0; ; i++ {
		if name := group + "-" + strconv.Itoa(i); (javaHash(name)&0x7fffffff)%3 == 0 {
			return name
		}
	}
}

// javaHash is the hash of a string in Java, for one of ASCII.
func javaHash(s string) (hash int32) {
	for _, c := range []byte(s) {
		hash = 31*hash + int32(c)
	}
	return hash
}
