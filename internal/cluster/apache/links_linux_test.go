package apache

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A broker that is cut off from its peers still answers clients, but can't
// acknowledge for all replicas; the others go on without it; healed, it is one of
// them again. The same cluster then loses a broker to a full disk.
func TestLinksAndDisk(t *testing.T) {
	needKafka(t)
	c, err := Start(t.Context(), Options{Extra: extra, Links: true, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	adm := admin(t, c)
	if _, err := adm.CreateTopic(ctx, 3, 3, nil, "linked"); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(ctx, "linked"); err != nil {
		t.Fatal(err)
	}
	const victim = 2
	before := leads(ctx, t, adm, victim)
	theirs, err := newKafkaClient(c.Addrs()[0], c.Addrs()[2]) // The one that is cut off still believes that it leads.
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	others := kadm.NewClient(theirs)
	if len(before) == 0 {
		t.Fatalf("broker %d leads nothing", victim)
	}
	produce := func(acks kgo.Acks, partition int32, wait time.Duration) error {
		cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("linked"), kgo.RequiredAcks(acks),
			kgo.DisableIdempotentWrite(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordDeliveryTimeout(wait))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		return cl.ProduceSync(ctx, &kgo.Record{Partition: partition, Value: make([]byte, 1000)}).FirstErr()
	}
	if err := produce(kgo.AllISRAcks(), before[0], time.Minute); err != nil {
		t.Fatal(err)
	}

	if err := c.Cut(victim); err != nil {
		t.Fatal(err)
	}
	if err := produce(kgo.LeaderAck(), before[0], time.Minute); err != nil {
		t.Errorf("the broker that is cut off doesn't answer a client: %v", err)
	}
	if err := poll(ctx, "the others lead everything", func(ctx context.Context) error {
		if left := leads(ctx, t, others, victim); len(left) > 0 {
			return fmt.Errorf("it leads %v", left)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := produce(kgo.AllISRAcks(), before[0], time.Minute); err != nil {
		t.Errorf("the others don't go on: %v", err)
	}
	if err := c.Heal(victim); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(ctx, "linked"); err != nil {
		t.Fatal(err)
	}

	if err := c.FillDisk(victim); err != nil {
		t.Fatal(err)
	}
	full := time.Now()
	for c.PID(victim) != 0 { // It is told with its next record.
		if err := produce(kgo.AllISRAcks(), before[0], time.Minute); err != nil {
			t.Fatal(err)
		}
		if time.Since(full) > time.Minute {
			t.Fatal("the broker lives on a full disk")
		}
	}
	if err := c.StartBroker(victim); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(ctx, "linked"); err != nil {
		t.Fatal(err)
	}
}

// leads returns the partitions that a broker leads.
func leads(ctx context.Context, t *testing.T, adm *kadm.Client, broker int32) (partitions []int32) {
	t.Helper()
	topics, err := adm.ListTopics(ctx, "linked")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range topics["linked"].Partitions.Sorted() {
		if p.Leader == broker {
			partitions = append(partitions, p.Partition)
		}
	}
	slices.Sort(partitions)
	return partitions
}

// Without links nothing can be cut.
func TestCutNeedsLinks(t *testing.T) {
	c := &Cluster{brokers: []*broker{{id: 1}}}
	if err := c.Cut(1); err != ErrNoLinks {
		t.Errorf("the error is %v", err)
	}
	if err := c.Heal(4); err == nil {
		t.Error("there is a broker 4")
	}
}
