package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/clients/kafkago"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/testing/testkit"
)

// forEach runs a test for each client in each way.
func forEach(t *testing.T, test func(t *testing.T, c adapter.Client, config adapter.Config)) {
	cluster, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	adm := kadm.NewClient(testkit.Client(t, cluster.Addrs()))
	adapters := []adapter.Client{kafkago.Client{NewWriter: true}}
	for _, c := range All() {
		adapters = append(adapters, c.Client)
	}
	for i, c := range adapters {
		for _, way := range []adapter.Way{adapter.Defaults, adapter.Matched, adapter.Tuned} {
			t.Run(c.Name()+"/"+way.String(), func(t *testing.T) {
				t.Parallel()
				if err := c.Available(); err != nil {
					t.Skip(err)
				}
				name := fmt.Sprintf("%s-%d-%d", "topic", i, way)
				if _, err := adm.CreateTopic(t.Context(), 3, 1, nil, name); err != nil {
					t.Fatal(err)
				}
				test(t, c, adapter.Config{
					Brokers: cluster.Addrs(), Topic: name, Group: name + "-group",
					Way: way, FromFirst: true, Tuning: adapter.Safe(),
				})
			})
		}
	}
}

// write writes records with the keys 0 to n-1 and returns them, acknowledged.
func write(t *testing.T, c adapter.Client, config adapter.Config, n int) []*adapter.Record {
	t.Helper()
	var mu sync.Mutex
	var written []*adapter.Record
	p, err := c.NewProducer(config, func(r *adapter.Record, err error) {
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
		if err := p.Produce(t.Context(), &adapter.Record{Key: key, Value: []byte("value"), Tag: i}); err != nil {
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
	forEach(t, func(t *testing.T, c adapter.Client, config adapter.Config) {
		n := 500
		if config.Way == adapter.Defaults {
			n = 2 // With kafka-go, and with goka, each record is waited for.
		}
		for round := range 2 {
			written := write(t, c, config, n)
			where := make(map[string]int32)
			for _, r := range written {
				where[string(r.Key)] = r.Partition
				if want := testkit.Murmur2(r.Key, 3); config.Way != adapter.Defaults && r.Partition != want {
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
			err = consumer.Consume(ctx, func(r *adapter.Record) error {
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
			members := testkit.Members(t, config.Brokers, config.Group)
			if len(members) != 0 {
				t.Errorf("the group still has members: %v", members)
			}
			if config.Way == adapter.Defaults {
				return // A client that commits ahead may have committed what nobody handled.
			}
		}
	})
}

// An error of the caller's function ends Consume, and its record is not committed.
func TestHandleFails(t *testing.T) {
	t.Parallel()
	forEach(t, func(t *testing.T, c adapter.Client, config adapter.Config) {
		if config.Way == adapter.Defaults {
			return // What the default way commits is its client's affair: the table of defaults shows it.
		}
		config.Topic += "-fails"
		if _, err := kadm.NewClient(testkit.Client(t, config.Brokers)).CreateTopic(t.Context(), 3, 1, nil, config.Topic); err != nil {
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
		err = consumer.Consume(t.Context(), func(r *adapter.Record) error {
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
		for partition, offset := range testkit.Committed(t, config.Brokers, config.Group, config.Topic) {
			if offset > handled[partition] {
				t.Errorf("partition %d: %d is committed, %d was handled", partition, offset, handled[partition])
			}
		}
	})
}

// What one client is given, every client is given: a setting that the others lack has a reason,
// or it is found out.
func TestUneven(t *testing.T) {
	t.Parallel()
	lists := make(map[string][]adapter.Setting)
	for _, c := range All() {
		lists[c.Name()] = c.Settings(adapter.Config{Way: adapter.Matched, Tuning: adapter.Safe()})
	}
	if err := adapter.Uneven(lists); err != nil {
		t.Error(err)
	}
	fair := lists["sarama"]
	for _, unfair := range []adapter.Setting{{Name: "Faster"}, {Name: "Faster", Means: "a meaning of its own"}} {
		lists["sarama"] = append(slices.Clone(fair), unfair)
		if err := adapter.Uneven(lists); err == nil || !strings.Contains(err.Error(), "Faster") {
			t.Errorf("given to sarama alone, %+v isn't found out: %v", unfair, err)
		}
	}
	lists["sarama"] = fair[:3]
	if adapter.Uneven(lists) == nil {
		t.Error("what sarama alone isn't given isn't found out")
	}
}

// Without cgo the client says what is missing.
func TestNotAvailable(t *testing.T) {
	for _, c := range All() {
		if c.Available() == nil {
			continue
		}
		if _, err := c.NewProducer(adapter.Config{}, nil); err == nil {
			t.Errorf("%s makes a producer", c.Name())
		}
		if _, err := c.NewConsumer(adapter.Config{}); err == nil {
			t.Errorf("%s makes a consumer", c.Name())
		}
	}
}

// flows returns the folders of the programs of chapter 4 that create a topic.
func flows(t *testing.T) (folders []string) {
	t.Helper()
	for _, file := range testkit.Walk(t, func(name string) bool {
		return strings.HasPrefix(name, "04-comparison/") && path.Base(name) == "main.go"
	}) {
		source, err := os.ReadFile(filepath.Join(testkit.Root(t), filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		experiment := testkit.Numbered(path.Base(path.Dir(file)))
		if !experiment && bytes.Contains(source, []byte("\nfunc createTopic(")) {
			folders = append(folders, path.Dir(file))
		}
	}
	return folders
}

// An entry is whole, and both it and its adapters are found by their names. Every flow has one.
func TestRegistry(t *testing.T) {
	if n := len(All()); n < 5 {
		t.Errorf("%d clients, want five or more", n)
	}
	for _, c := range All() {
		if got, err := ByName(c.Name()); err != nil || got.Module != c.Module {
			t.Errorf("%s: found %s, %v", c.Name(), got.Module, err)
		}
		for _, text := range []string{c.Module, c.Package, c.Write, c.Read, c.History.First} {
			if text == "" {
				t.Errorf("the entry of %s isn't whole: %+v", c.Name(), c)
			}
		}
		for _, folders := range c.Programs {
			for _, folder := range folders {
				path := filepath.Join(testkit.Root(t), filepath.FromSlash(folder), "main.go")
				if _, err := os.Stat(path); err != nil {
					t.Errorf("a program of %s: %v", c.Name(), err)
				}
			}
		}
		found := false
		for _, s := range c.Shown {
			if got, err := Adapter(s.Adapter.Name()); err != nil || got != s.Adapter {
				t.Errorf("%s: found %v, %v", s.ID, got, err)
			}
			found = found || s.Adapter.Name() == c.Name()
		}
		if !found {
			t.Errorf("no way that is shown has the adapter of %s itself", c.Name())
		}
	}
	for _, folder := range flows(t) {
		if !slices.ContainsFunc(All(), func(c Client) bool { return c.Flow() == folder }) {
			t.Errorf("%s is a flow of no client: it needs an entry in clients.go", folder)
		}
	}
	if _, err := ByName("nobody"); err == nil {
		t.Error("a client that isn't there was found")
	}
	if _, err := Adapter("nobody"); err == nil {
		t.Error("an adapter that isn't there was found")
	}
}
