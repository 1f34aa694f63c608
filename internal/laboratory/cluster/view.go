package cluster

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
)

// A View asks the brokers how they are.
type View struct {
	*kadm.Client

	cl         *kgo.Client
	brokers    []int32
	replicates bool // each record has copies
}

// NewView connects to brokers, which are all there.
func NewView(ctx context.Context, addrs []string, replicates bool) (*View, error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(addrs...),
		kgo.MetadataMinAge(100*time.Millisecond),
		// A question to a broker that is paused is asked again of another one.
		kgo.RequestTimeoutOverhead(2*time.Second),
		kgo.RetryTimeout(10*time.Second),
	)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	v := &View{Client: kadm.NewClient(cl), cl: cl, replicates: replicates}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	brokers, err := v.ListBrokers(ctx)
	if err != nil {
		cl.Close()
		return nil, fmt.Errorf("asking %v for the cluster: %w (is it running?)", addrs, err)
	}
	v.brokers = brokers.NodeIDs()
	return v, nil
}

// Close ends the connections.
func (v *View) Close() { v.cl.Close() }

// Until asks again until the answer is nil, and fails with the last one after a long time.
func Until(ctx context.Context, what string, long time.Duration, check func(context.Context) error) error {
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

// Patience is how long the cluster may take for what it has to do. It matters only
// when something fails.
const Patience = 3 * time.Minute

// CreateTopic creates a topic with three replicas, or as many as there are brokers, and waits
// until every broker knows it: a client that asks one that doesn't is told that there is no
// such topic.
func (v *View) CreateTopic(ctx context.Context, topic string, partitions int) error {
	soon := "1000" // So that what is deleted is gone from the disks soon.
	configs := map[string]*string{"file.delete.delay.ms": &soon}
	if !v.replicates {
		configs = nil
	}
	replicas := int16(min(3, len(v.brokers)))
	var refused error
	err := Until(ctx, "the topic is there", Patience, func(ctx context.Context) error {
		_, err := v.Client.CreateTopic(ctx, int32(partitions), replicas, configs, topic)
		switch {
		case errors.Is(err, kerr.TopicAlreadyExists):
			return nil
		case errors.Is(err, kerr.InvalidReplicationFactor): // A broker is away for a moment.
			return err
		case errors.As(err, new(*kerr.Error)) && !kerr.IsRetriable(err):
			refused = err
			return nil
		}
		return err
	})
	if err := errors.Join(err, refused); err != nil {
		return fmt.Errorf("creating a topic: %w", err)
	}
	return v.InSync(ctx, topic)
}

// partitions waits until brokers say of every partition of topics that it is as it should be.
func (v *View) partitions(
	ctx context.Context, what string, brokers []int32, topics []string, is func(partition) bool,
) error {
	request := kmsg.NewPtrMetadataRequest()
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		request.Topics = append(request.Topics, t)
	}
	return Until(ctx, what, Patience, func(ctx context.Context) error {
		if len(brokers) == len(v.brokers) { // All are there: the client learns their addresses anew.
			if _, err := v.ListBrokers(ctx); err != nil {
				return err
			}
		}
		for _, b := range brokers {
			response, err := request.RequestWith(ctx, v.cl.Broker(int(b)))
			if err != nil {
				return fmt.Errorf("broker %d: %w", b, err)
			}
			for _, t := range response.Topics {
				if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
					return fmt.Errorf("broker %d: topic %s: %w", b, *t.Topic, err)
				}
				for _, p := range t.Partitions {
					if !is(p) {
						return fmt.Errorf("broker %d: partition %d of %s is led by broker %d, and in sync are %v",
							b, p.Partition, *t.Topic, p.Leader, p.ISR)
					}
				}
			}
		}
		return nil
	})
}

type partition = kmsg.MetadataResponseTopicPartition

// InSync waits until all brokers say that every partition has a leader, and all of its
// replicas in sync.
func (v *View) InSync(ctx context.Context, topics ...string) error {
	return v.partitions(ctx, "all replicas are in sync", v.brokers, topics, func(p partition) bool {
		return p.Leader >= 0 && (!v.replicates || len(p.ISR) == len(p.Replicas))
	})
}

// Without waits until the other brokers say that a broker leads nothing and is in sync nowhere.
func (v *View) Without(ctx context.Context, broker int, topics ...string) error {
	if !v.replicates {
		return nil
	}
	gone := int32(broker)
	others := slices.DeleteFunc(slices.Clone(v.brokers), func(b int32) bool { return b == gone })
	what := fmt.Sprintf("broker %d is in no in-sync set", broker)
	return v.partitions(ctx, what, others, topics, func(p partition) bool {
		return p.Leader >= 0 && !slices.Contains(p.ISR, gone)
	})
}

// Controller returns the broker that leads the cluster's metadata. (What
// clients are told in the metadata is any broker that takes such requests.)
func (v *View) Controller(ctx context.Context) (int, error) {
	if !v.replicates {
		return 1, nil // The embedded cluster's lives apart from the three.
	}
	var leader int
	err := Until(ctx, "the controller is known", Patience, func(ctx context.Context) error {
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

// Coordinator returns the broker that coordinates a group.
func (v *View) Coordinator(ctx context.Context, group string) (int, error) {
	found := v.FindGroupCoordinators(ctx, group)
	if err := found.Error(); err != nil {
		return 0, fmt.Errorf("asking for the coordinator: %w", err)
	}
	return int(found[group].NodeID), nil
}

// AtRest waits until a group is at rest, and its members share all the partitions.
func (v *View) AtRest(ctx context.Context, group, topic string, members, partitions int) error {
	what := fmt.Sprintf("the group %s is at rest", group)
	return Until(ctx, what, Patience, func(ctx context.Context) error {
		described, err := v.DescribeGroups(ctx, group)
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

// Committed returns the committed offsets of a group, by partition.
func (v *View) Committed(ctx context.Context, group, topic string) (map[int32]int64, error) {
	offsets, err := v.FetchOffsets(ctx, group)
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

// HasCommitted waits until a group has committed something in every partition. A
// partition without a commit is a group's first start, which isn't the drill: there
// some clients skip what was written before.
func (v *View) HasCommitted(ctx context.Context, group, topic string, partitions int) error {
	what := fmt.Sprintf("the group %s has committed in every partition", group)
	return Until(ctx, what, Patience, func(ctx context.Context) error {
		committed, err := v.Committed(ctx, group, topic)
		if err != nil {
			return err
		}
		if n := len(committed); n < partitions {
			return fmt.Errorf("it has in %d of %d", n, partitions)
		}
		return nil
	})
}
