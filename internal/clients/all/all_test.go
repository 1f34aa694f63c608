package all

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/kafkago"
	"kafka-with-go/internal/embedded"
	"kafka-with-go/internal/lab"
)

// forEach runs a test for each client in each way.
func forEach(t *testing.T, test func(t *testing.T, c clients.Client, config clients.Config)) {
	cluster, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	adm := kadm.NewClient(lab.Client(t, cluster.Addrs()))
	for i, c := range append(Clients(), kafkago.Client{NewWriter: true}) {
		for _, way := range []clients.Way{clients.Defaults, clients.Matched} {
			t.Run(c.Name()+"/"+way.String(), func(t *testing.T) {
				t.Parallel()
				if err := c.Available(); err != nil {
					t.Skip(err)
				}
				name := fmt.Sprintf("%s-%d-%d", "topic", i, way)
				if _, err := adm.CreateTopic(t.Context(), 3, 1, nil, name); err != nil {
					t.Fatal(err)
				}
				test(t, c, clients.Config{
					Brokers: cluster.Addrs(), Topic: name, Group: name + "-group",
					Way: way, FromFirst: true, Tuning: clients.Safe(),
				})
			})
		}
	}
}

// write writes records with the keys 0 to n-1 and returns them, acknowledged.
func write(t *testing.T, c clients.Client, config clients.Config, n int) []*clients.Record {
	t.Helper()
	var mu sync.Mutex
	var written []*clients.Record
	p, err := c.NewProducer(config, func(r *clients.Record, err error) {
		if err != nil {
			t.Errorf("record %v: %v", r.Tag, err)
		}
		mu.Lock()
		defer mu.Unlock()
		written = append(written, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		key := fmt.Appendf(nil, "key-%d", i)
		if err := p.Produce(t.Context(), &clients.Record{Key: key, Value: []byte("value"), Tag: i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(p.Flush(t.Context()), p.Close()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(written) != n {
		t.Fatalf("%d of %d records were acked", len(written), n)
	}
	return written
}

// What is written comes out, each record once, in order within a partition;
// after an orderly end the group goes on behind it.
func TestAdapters(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c clients.Client, config clients.Config) {
		n := 500
		if config.Way == clients.Defaults {
			n = 2 // With kafka-go, and with goka, each record is waited for.
		}
		for round := range 2 {
			written := write(t, c, config, n)
			where := make(map[string]int32)
			for _, r := range written {
				where[string(r.Key)] = r.Partition
				if want := clients.Murmur2(r.Key, 3); config.Way == clients.Matched && r.Partition != want {
					t.Errorf("key %s went to partition %d, want %d", r.Key, r.Partition, want)
				}
			}
			consumer, err := c.NewConsumer(config)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var mu sync.Mutex
			next, got := make(map[int32]int64), 0
			err = consumer.Consume(ctx, func(r *clients.Record) error {
				mu.Lock()
				defer mu.Unlock()
				if r.Offset < next[r.Partition] {
					t.Errorf("partition %d: offset %d came after %d", r.Partition, r.Offset, next[r.Partition]-1)
				}
				next[r.Partition] = r.Offset + 1
				if got++; got == n {
					cancel()
				}
				return nil
			})
			if err := errors.Join(err, consumer.Close()); err != nil {
				t.Fatal(err)
			}
			if got != n {
				t.Fatalf("round %d: %d records were received, want %d", round, got, n)
			}
			members := lab.Members(t, config.Brokers, config.Group)
			if len(members) != 0 {
				t.Errorf("the group still has members: %v", members)
			}
			if config.Way == clients.Defaults {
				return // A client that commits ahead may have committed what nobody handled.
			}
		}
	})
}

// An error of the caller's function ends Consume, and its record is not committed.
func TestHandleFails(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c clients.Client, config clients.Config) {
		if config.Way == clients.Defaults {
			return // What the default way commits is its client's affair: the table of defaults shows it.
		}
		config.Topic += "-fails"
		if _, err := kadm.NewClient(lab.Client(t, config.Brokers)).CreateTopic(t.Context(), 3, 1, nil, config.Topic); err != nil {
			t.Fatal(err)
		}
		write(t, c, config, 10)
		consumer, err := c.NewConsumer(config)
		if err != nil {
			t.Fatal(err)
		}
		failed := errors.New("the work failed")
		var mu sync.Mutex
		handled := make(map[int32]int64)
		err = consumer.Consume(t.Context(), func(r *clients.Record) error {
			mu.Lock()
			defer mu.Unlock()
			if string(r.Key) == "key-5" {
				return failed
			}
			handled[r.Partition] = r.Offset + 1
			return nil
		})
		if err == nil {
			t.Error("Consume returned no error")
		}
		if err := consumer.Close(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for partition, offset := range lab.Committed(t, config.Brokers, config.Group, config.Topic) {
			if offset > handled[partition] {
				t.Errorf("partition %d: %d is committed, %d was handled", partition, offset, handled[partition])
			}
		}
	})
}

// Without cgo the client says what is missing.
func TestNotAvailable(t *testing.T) {
	for _, c := range Clients() {
		if c.Available() == nil {
			continue
		}
		if _, err := c.NewProducer(clients.Config{}, nil); err == nil {
			t.Errorf("%s makes a producer", c.Name())
		}
		if _, err := c.NewConsumer(clients.Config{}); err == nil {
			t.Errorf("%s makes a consumer", c.Name())
		}
	}
}

func TestByName(t *testing.T) {
	var names []string
	for _, c := range Clients() {
		got, err := ByName(c.Name())
		if err != nil || got != c {
			t.Errorf("%s: %v, %v", c.Name(), got, err)
		}
		names = append(names, c.Name())
	}
	if len(names) != 5 {
		t.Errorf("%d clients, want 5", len(names))
	}
	if _, err := ByName("nobody"); err == nil {
		t.Error("a client that isn't there was found")
	}
}
