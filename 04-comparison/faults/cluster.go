package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/embedded"
)

// A cluster is three brokers, numbered 1, 2 and 3, that can be killed (-9) and
// started again. What else can be done to them, its other methods say: pausing,
// cutting and disk filling are interfaces of their own, as not every cluster has them.
type cluster interface {
	Addrs() []string
	Kill(n int) error
	StartBroker(n int) error
	Close() error
}

type pauser interface {
	Pause(n int) error
	Resume(n int) error
}

type cutter interface {
	Cut(n int) error
	Heal(n int) error
}

type filler interface {
	FillDisk(n int) error
	PID(n int) int // 0 when the broker is dead
}

// inProcess is the embedded cluster. It keeps one copy of each record, so it has no
// replicas that could be in sync or not, and what one of its brokers has
// acknowledged isn't lost: the drills on it show the clients, and that the drill
// itself works.
type inProcess struct{ *embedded.Cluster }

func (c inProcess) Kill(n int) error { return c.StopBroker(n) }
func (c inProcess) Close() error     { c.Cluster.Close(); return nil }

// A view asks the brokers how they are.
type view struct {
	cl         *kgo.Client
	adm        *kadm.Client
	replicates bool // each record has three copies
}

func newView(addrs []string, replicates bool) (*view, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.MetadataMinAge(100*time.Millisecond),
		// A question to a broker that is paused is asked again of another one.
		kgo.RequestTimeoutOverhead(2*time.Second), kgo.RetryTimeout(10*time.Second))
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &view{cl, kadm.NewClient(cl), replicates}, nil
}

func (v *view) close() { v.cl.Close() }

// until asks again until the answer is nil, and fails with the last one after a long time.
func until(ctx context.Context, what string, long time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, long)
	defer cancel()
	for {
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := check(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w: %w", what, ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// patience is how long the cluster may take for what it has to do. It matters only
// when something fails.
const patience = 3 * time.Minute

// create creates a topic and waits until every broker knows it.
func (v *view) create(ctx context.Context, topic string, partitions int32) error {
	soon := "1000" // So that what is deleted is gone from the disks soon.
	configs := map[string]*string{"file.delete.delay.ms": &soon}
	if !v.replicates {
		configs = nil
	}
	err := until(ctx, "the topic is there", patience, func(ctx context.Context) error {
		_, err := v.adm.CreateTopic(ctx, partitions, 3, configs, topic)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("creating a topic: %w", err)
	}
	return v.full(ctx, topic)
}

// each asks every broker for topics. A broker that doesn't answer is an error.
func (v *view) each(ctx context.Context, brokers []int32, topics []string, check func(broker int32, topics []kmsg.MetadataResponseTopic) error) error {
	for _, b := range brokers {
		request := kmsg.NewPtrMetadataRequest()
		for _, topic := range topics {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = kmsg.StringPtr(topic)
			request.Topics = append(request.Topics, t)
		}
		response, err := v.cl.Broker(int(b)).Request(ctx, request)
		if err != nil {
			return fmt.Errorf("broker %d: %w", b, err)
		}
		answer := response.(*kmsg.MetadataResponse)
		for _, t := range answer.Topics {
			if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
				return fmt.Errorf("broker %d: topic %s: %w", b, *t.Topic, err)
			}
		}
		if err := check(b, answer.Topics); err != nil {
			return fmt.Errorf("broker %d: %w", b, err)
		}
	}
	return nil
}

var allBrokers = []int32{1, 2, 3}

// full waits until all three brokers say that every partition has a leader, and
// all of its replicas in sync.
func (v *view) full(ctx context.Context, topics ...string) error {
	return until(ctx, "all replicas are in sync", patience, func(ctx context.Context) error {
		if _, err := v.adm.ListBrokers(ctx); err != nil { // It learns the brokers' addresses, too.
			return err
		}
		return v.each(ctx, allBrokers, topics, func(_ int32, topics []kmsg.MetadataResponseTopic) error {
			for _, t := range topics {
				for _, p := range t.Partitions {
					if p.Leader < 0 || v.replicates && len(p.ISR) < 3 {
						return fmt.Errorf("partition %d of %s is led by broker %d, and in sync are %v", p.Partition, *t.Topic, p.Leader, p.ISR)
					}
				}
			}
			return nil
		})
	})
}

// shrunk waits until another broker says that a broker leads nothing and is in sync nowhere.
func (v *view) shrunk(ctx context.Context, without int, topics ...string) error {
	if !v.replicates {
		return nil
	}
	others := slices.DeleteFunc(slices.Clone(allBrokers), func(b int32) bool { return b == int32(without) })
	return until(ctx, fmt.Sprintf("broker %d is in no in-sync set", without), patience, func(ctx context.Context) error {
		return v.each(ctx, others, topics, func(_ int32, topics []kmsg.MetadataResponseTopic) error {
			for _, t := range topics {
				for _, p := range t.Partitions {
					if p.Leader < 0 || slices.Contains(p.ISR, int32(without)) {
						return fmt.Errorf("partition %d of %s is led by broker %d, and in sync are %v", p.Partition, *t.Topic, p.Leader, p.ISR)
					}
				}
			}
			return nil
		})
	})
}

// controller returns the broker that leads the cluster's metadata. (What
// clients are told in the metadata is any broker that takes such requests.)
func (v *view) controller(ctx context.Context) (int, error) {
	if !v.replicates {
		return 1, nil // The embedded cluster's lives apart from the three.
	}
	var leader int
	err := until(ctx, "the controller is known", patience, func(ctx context.Context) error {
		request := kmsg.NewPtrDescribeQuorumRequest()
		topic := kmsg.NewDescribeQuorumRequestTopic()
		topic.Topic = "__cluster_metadata"
		topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
		request.Topics = append(request.Topics, topic)
		response, err := request.RequestWith(ctx, v.cl)
		if err != nil {
			return err
		}
		if len(response.Topics) != 1 || len(response.Topics[0].Partitions) != 1 {
			return fmt.Errorf("an answer without the quorum: %w", kerr.ErrorForCode(response.ErrorCode))
		}
		p := response.Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			return err
		}
		if leader = int(p.LeaderID); leader < 1 {
			return errors.New("no controller is elected")
		}
		return nil
	})
	return leader, err
}

// coordinator returns the broker that coordinates a group.
func (v *view) coordinator(ctx context.Context, group string) (int, error) {
	found := v.adm.FindGroupCoordinators(ctx, group)
	if err := found.Error(); err != nil {
		return 0, fmt.Errorf("asking for the coordinator: %w", err)
	}
	return int(found[group].NodeID), nil
}

// assigned waits until a group is at rest, and its members share all the partitions.
func (v *view) assigned(ctx context.Context, group, topic string, members, partitions int) error {
	return until(ctx, fmt.Sprintf("the group %s is at rest", group), patience, func(ctx context.Context) error {
		described, err := v.adm.DescribeGroups(ctx, group)
		if err != nil {
			return err
		}
		g := described[group]
		if g.Err != nil {
			return g.Err
		}
		n := 0
		for _, m := range g.Members {
			if a, ok := m.Assigned.AsConsumer(); ok {
				for _, t := range a.Topics {
					if t.Topic == topic {
						n += len(t.Partitions)
					}
				}
			}
		}
		if g.State != "Stable" || len(g.Members) != members || n != partitions {
			return fmt.Errorf("it is %s, with %d members and %d partitions", g.State, len(g.Members), n)
		}
		return nil
	})
}

// committed returns the committed offsets of a group, by partition.
func (v *view) committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	offsets, err := v.adm.FetchOffsets(ctx, group)
	if err != nil {
		return nil, err
	}
	out := make(map[int32]int64)
	for _, o := range offsets.Sorted() {
		if o.Err == nil && o.Topic == topic && o.At >= 0 {
			out[o.Partition] = o.At
		}
	}
	return out, nil
}

// hasCommitted waits until a group has committed something in every partition. A
// partition without a commit is a group's first start, which isn't the drill: there
// some clients skip what was written before.
func (v *view) hasCommitted(ctx context.Context, group, topic string, partitions int) error {
	return until(ctx, fmt.Sprintf("the group %s has committed in every partition", group), patience, func(ctx context.Context) error {
		committed, err := v.committed(ctx, group, topic)
		if err != nil {
			return err
		}
		if n := len(committed); n < partitions {
			return fmt.Errorf("it has in %d of %d", n, partitions)
		}
		return nil
	})
}
