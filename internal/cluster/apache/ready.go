package apache

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

// offsetsTopic is where Kafka keeps what groups have committed.
const offsetsTopic = "__consumer_offsets"

// WaitReady returns when the given brokers, or all when none is given, serve: each
// answers on its own port and finds itself in the cluster, registered and not fenced.
// It fails when one of them isn't running.
func (c *Cluster) WaitReady(ctx context.Context, n ...int) error {
	if len(n) == 0 {
		n = c.ids()
	}
	for _, id := range n {
		b, err := c.broker(id)
		if err != nil {
			return err
		}
		err = poll(ctx, fmt.Sprintf("broker %d serves", id), func(ctx context.Context) error {
			if b.running() == nil {
				return fatal{b.notRunning("waiting for")}
			}
			return c.client.serves(ctx, b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// WaitInSync returns when all brokers serve and every replica of the given topics, or
// of all topics when none is given, is in sync. All three brokers have to agree, so
// that none still tells of the time before a broker died.
func (c *Cluster) WaitInSync(ctx context.Context, topics ...string) error {
	if err := c.WaitReady(ctx); err != nil {
		return err
	}
	return poll(ctx, "all replicas are in sync", func(ctx context.Context) error {
		for _, b := range c.brokers {
			if err := c.client.inSync(ctx, b, topics); err != nil {
				return fmt.Errorf("broker %d says: %w", b.id, err)
			}
		}
		return nil
	})
}

// waitServing returns when the cluster as a whole serves. It leaves no topic behind
// but the one in which Kafka keeps the groups' commits.
func (c *Cluster) waitServing(ctx context.Context) error {
	if err := c.WaitReady(ctx); err != nil {
		return err
	}
	if err := poll(ctx, "a topic with three replicas can be created", c.client.canCreateTopic); err != nil {
		return err
	}
	if err := poll(ctx, "groups have a coordinator", c.client.canFindCoordinator); err != nil {
		return err
	}
	if err := c.WaitInSync(ctx, offsetsTopic); err != nil {
		return err
	}
	return poll(ctx, "coordinators have loaded their groups", c.client.canListGroups)
}

func (c *Cluster) ids() []int {
	var ids []int
	for _, b := range c.brokers {
		ids = append(ids, b.id)
	}
	return ids
}

// fatal is an error that polling again can't cure.
type fatal struct{ error }

// poll calls check until it succeeds. At the end of the context its error says what
// was waited for and why that isn't so yet.
func poll(ctx context.Context, what string, check func(context.Context) error) error {
	const attempt, pause = 5 * time.Second, 20 * time.Millisecond
	for {
		attemptCtx, cancel := context.WithTimeout(ctx, attempt)
		err := check(attemptCtx)
		cancel()
		if err == nil {
			return nil
		}
		if f := (fatal{}); errors.As(err, &f) {
			return f.error
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w: %w", what, ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

// client asks the brokers how they are.
type client struct {
	all   *kgo.Client
	admin *kadm.Client
	// Each of these knows one address only, so its question goes to that broker.
	each map[string]*kgo.Client
}

func newClient(addrs []string) (*client, error) {
	c := &client{each: map[string]*kgo.Client{}}
	var err error
	for _, addr := range addrs {
		if c.each[addr], err = newKafkaClient(addr); err != nil {
			return nil, err
		}
	}
	if c.all, err = newKafkaClient(addrs...); err != nil {
		return nil, err
	}
	c.admin = kadm.NewClient(c.all)
	return c, nil
}

func newKafkaClient(addrs ...string) (*kgo.Client, error) {
	c, err := kgo.NewClient(
		kgo.SeedBrokers(addrs...),
		// While a broker starts, the next try comes soon instead of after seconds.
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
	)
	if err != nil {
		return nil, fmt.Errorf("making a Kafka client: %w", err)
	}
	return c, nil
}

func (c *client) close() {
	for _, one := range c.each {
		one.Close()
	}
	c.all.Close()
}

// metadata asks one broker for its view of the cluster and of the given topics. As in
// Kafka's protocol, nil means every topic, and an empty list means none.
func (c *client) metadata(ctx context.Context, b *broker, topics []string) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	if topics != nil {
		request.Topics = []kmsg.MetadataRequestTopic{}
	}
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		request.Topics = append(request.Topics, t)
	}
	response, err := c.each[b.addr].SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return nil, err
	}
	return response.(*kmsg.MetadataResponse), nil
}

// serves returns nil when the broker finds itself in the cluster. A broker opens its
// port only after it knows what the controller knew when it registered, so this isn't
// said of its life before a restart; and a fenced broker isn't listed.
func (c *client) serves(ctx context.Context, b *broker) error {
	cluster, err := c.metadata(ctx, b, []string{})
	if err != nil {
		return err
	}
	isItself := func(other kmsg.MetadataResponseBroker) bool { return int(other.NodeID) == b.id }
	if !slices.ContainsFunc(cluster.Brokers, isItself) {
		return errors.New("it is not registered, or fenced")
	}
	return nil
}

// inSync returns nil when, as the broker knows, every replica of the topics is in sync.
func (c *client) inSync(ctx context.Context, b *broker, topics []string) error {
	cluster, err := c.metadata(ctx, b, topics)
	if err != nil {
		return err
	}
	for _, topic := range cluster.Topics {
		if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
			return fmt.Errorf("topic %s: %w", *topic.Topic, err)
		}
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("topic %s, partition %d: %w", *topic.Topic, p.Partition, err)
			}
			if len(p.ISR) < len(p.Replicas) {
				return fmt.Errorf("topic %s, partition %d: of the replicas %v only %v are in sync", *topic.Topic, p.Partition, p.Replicas, p.ISR)
			}
		}
	}
	return nil
}

// canCreateTopic asks the controller to check a topic with three replicas, not to create it.
func (c *client) canCreateTopic(ctx context.Context) error {
	topics, err := c.admin.ValidateCreateTopics(ctx, 1, 3, nil, "can-be-created")
	if err != nil {
		return err
	}
	return topics.Error()
}

// canFindCoordinator makes Kafka create the topic of the groups' commits, if it is missing.
func (c *client) canFindCoordinator(ctx context.Context) error {
	return c.admin.FindGroupCoordinators(ctx, "any-group").Error()
}

// canListGroups asks every broker for its groups, which it knows when it has loaded them.
func (c *client) canListGroups(ctx context.Context) error {
	_, err := c.admin.ListGroups(ctx)
	return err
}
