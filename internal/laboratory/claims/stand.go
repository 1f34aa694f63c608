package claims

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/wire"
)

// A stand is a cluster and a producer with its defaults.
type stand struct {
	cluster  *wire.Cluster
	producer adapter.Producer
	ctx      context.Context // until the stand is closed
	end      context.CancelFunc
}

func newStand(ctx context.Context, c adapter.Client, o wire.Options) (*stand, error) {
	cluster, err := wire.Start(o)
	if err != nil {
		return nil, err
	}
	acked := func(r *adapter.Record, err error) { r.Tag.(chan error) <- err }
	producer, err := c.NewProducer(adapter.Config{Brokers: cluster.Addrs(), Topic: testTopic}, acked)
	if err != nil {
		cluster.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	return &stand{cluster, producer, ctx, cancel}, nil
}

// close ends both. A producer that goes on trying is left behind: it finds no
// broker any more, and gives up in the end.
func (b *stand) close() {
	b.end()
	adapter.CloseSoon(b.producer.Close)
	b.cluster.Close()
}

// send writes a record and returns a channel with its outcome.
func (b *stand) send(key, value string) <-chan error {
	outcome := make(chan error, 2)
	go func() {
		r := &adapter.Record{Key: []byte(key), Value: []byte(value), Tag: outcome}
		if err := b.producer.Produce(b.ctx, r); err != nil {
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

// sendAll writes a value under several keys at once, and waits for all of them.
func (b *stand) sendAll(value string, keys ...string) error {
	var outcomes []<-chan error
	for _, key := range keys {
		outcomes = append(outcomes, b.send(key, value))
	}
	for i, o := range outcomes {
		if err, ok := within(o, 30*time.Second); err != nil || !ok {
			return fmt.Errorf("writing key %s: %w (answered: %v)", keys[i], err, ok)
		}
	}
	return nil
}

// writes returns the writes that the cluster got so far, and the requests that they came in.
func (b *stand) writes() ([]*kmsg.ProduceRequest, []wire.Request) {
	return wire.Of[*kmsg.ProduceRequest](b.cluster.Requests())
}

// writesIn returns the requests of the writes.
func (b *stand) writesIn() []wire.Request {
	_, in := b.writes()
	return in
}
