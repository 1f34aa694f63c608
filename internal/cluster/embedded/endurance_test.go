package embedded

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/clients/franz"
	"kafka-with-go/internal/clients/kafkago"
	"kafka-with-go/internal/clients/sarama"
)

// variable returns a number from the environment, with which a test runs longer.
func variable(t *testing.T, name string, fallback int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// A writer is a client that writes numbers to a topic of its own.
type writer struct {
	client adapter.Client
	topic  string

	mu       sync.Mutex
	acked    map[int]bool
	refused  int
	producer adapter.Producer
}

// Brokers stop and start under the load of three clients: no acknowledged record is
// lost, and a client whose writes are idempotent has each of them once and in order.
// For longer, by hand:
//
//	STOPS=130 go test -v -timeout 30m -run TestStopsUnderLoad ./internal/cluster/embedded
func TestStopsUnderLoad(t *testing.T) {
	t.Parallel()
	stops := variable(t, "STOPS", 6)
	c := start(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Duration(stops)*time.Second)
	defer cancel()
	adm := kadm.NewClient(client(t, c))

	var writers []*writer
	var writing sync.WaitGroup
	ending := make(chan struct{})
	for _, cl := range []adapter.Client{franz.Client{}, sarama.Client{}, kafkago.Client{}} {
		w := &writer{client: cl, topic: cl.Name(), acked: make(map[int]bool)}
		if _, err := adm.CreateTopic(ctx, Brokers, Brokers, nil, w.topic); err != nil {
			t.Fatal(err)
		}
		producer, err := cl.NewProducer(adapter.Config{Brokers: c.Addrs(), Topic: w.topic, Way: adapter.Matched, Tuning: adapter.Safe()}, w.ack)
		if err != nil {
			t.Fatal(err)
		}
		w.producer = producer
		writers = append(writers, w)
		writing.Go(func() {
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ending:
					return
				case <-tick.C:
				}
				text := []byte(strconv.Itoa(n))
				if err := producer.Produce(ctx, &adapter.Record{Key: []byte("key"), Value: text, Tag: n}); err != nil {
					t.Errorf("%s: record %d: %v", w.topic, n, err)
					return
				}
			}
		})
	}
	for i := range stops {
		id := i%Brokers + 1
		if err := c.StopBroker(id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if err := c.StartBroker(id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	close(ending)
	writing.Wait()
	for _, w := range writers {
		if err := errors.Join(w.producer.Flush(ctx), w.producer.Close()); err != nil {
			t.Errorf("%s: %v", w.topic, err)
		}
		w.check(ctx, t, c)
	}
}

func (w *writer) ack(r *adapter.Record, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.refused++
		return
	}
	w.acked[r.Tag.(int)] = true
}

// check reads the topic and compares it with what was acknowledged.
func (w *writer) check(ctx context.Context, t *testing.T, c *Cluster) {
	t.Helper()
	cl := client(t, c, kgo.ConsumeTopics(w.topic))
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, w.topic)
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	last, repeated, disordered := -1, 0, 0
	found := make(map[int]bool)
	for left > 0 && ctx.Err() == nil {
		for r := range cl.PollFetches(ctx).RecordsAll() {
			left--
			n, err := strconv.Atoi(string(r.Value))
			if err != nil {
				t.Fatal(err)
			}
			if found[n] {
				repeated++
			} else if n < last {
				disordered++
			}
			found[n], last = true, max(last, n)
		}
	}
	lost := 0
	for n := range w.acked {
		if !found[n] {
			lost++
		}
	}
	t.Logf("%s: %d acknowledged, %d refused, %d lost, %d repeated, %d out of order",
		w.topic, len(w.acked), w.refused, lost, repeated, disordered)
	if lost > 0 || len(w.acked) == 0 {
		t.Errorf("%s: %d of %d acknowledged records are lost", w.topic, lost, len(w.acked))
	}
	if idempotent := w.topic != (kafkago.Client{}).Name(); idempotent && (repeated > 0 || disordered > 0) {
		t.Errorf("%s: %d records are repeated and %d out of order", w.topic, repeated, disordered)
	}
}
