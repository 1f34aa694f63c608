package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/apache"
	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/embedded"
)

// A cluster is where the clients work. It remembers what the benchmark made there.
type cluster struct {
	addrs  []string
	name   string // what it is
	worth  string // what figures from it are worth
	stored int    // bytes of records that a topic may hold
	slow   bool   // its brokers are in this process
	end    func() error

	client *kgo.Client
	adm    *kadm.Client
	prefix string

	mu     sync.Mutex
	next   int
	topics []string
	groups []string
}

// jvm is what Kafka's scripts give a broker. The brokers of tests do without.
const jvm = "-XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent"

// open finds a cluster, or starts one.
func open(ctx context.Context, addrs []string, fake bool, log io.Writer) (c *cluster, err error) {
	c = &cluster{stored: 96 << 20, end: func() error { return nil }, prefix: fmt.Sprintf("bench-%d", os.Getpid())}
	switch {
	case len(addrs) > 0:
		c.addrs, c.name = addrs, "the given brokers"
		c.worth = "Figures from brokers of your own are worth what those brokers and the network to them are: compare them with each other only."
	case !fake && apache.Unavailable() == "":
		kafka, err := apache.Start(ctx, apache.Options{Log: log, Extra: map[string]string{
			"KAFKA_JVM_PERFORMANCE_OPTS": jvm, "KAFKA_HEAP_OPTS": "-Xmx1g",
		}})
		if err != nil {
			return nil, err
		}
		c.addrs, c.end = kafka.Addrs(), kafka.Close
		c.name = "Apache Kafka " + apache.Version + ", three brokers on the same machine"
		c.worth = "The brokers share the processors with the client: a client that uses less leaves them more."
	default:
		kafka, err := embedded.Start(embedded.Options{})
		if err != nil {
			return nil, err
		}
		c.addrs, c.stored, c.slow = kafka.Addrs(), 24<<20, true
		c.end = func() error { kafka.Close(); return nil }
		c.name = "the embedded cluster"
		c.worth = "It keeps one copy, in memory, and all its brokers share one loop: requests and bytes are real, " +
			"so what a client uses (processor time, allocations) is worth something, but rates are mostly the cluster's own."
	}
	c.client, err = kgo.NewClient(kgo.SeedBrokers(c.addrs...))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connecting: %w", err), c.end())
	}
	c.adm = kadm.NewClient(c.client)
	asking, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := c.adm.ListBrokers(asking); err != nil {
		return nil, errors.Join(fmt.Errorf("asking %v for the cluster: %w (is it running?)", c.addrs, err), c.close())
	}
	return c, nil
}

// topic makes a topic with as many replicas as there are brokers, up to three.
func (c *cluster) topic(ctx context.Context, partitions int) (string, error) {
	brokers, err := c.adm.ListBrokers(ctx)
	if err != nil {
		return "", fmt.Errorf("asking for the brokers: %w", err)
	}
	c.mu.Lock()
	c.next++
	name := fmt.Sprintf("%s-%d", c.prefix, c.next)
	c.topics = append(c.topics, name) // Before it is made: whatever interrupts this, it is removed.
	c.mu.Unlock()
	// What is deleted is gone from the disk soon, so that disks don't fill up.
	soon := "1000"
	configs := map[string]*string{"file.delete.delay.ms": &soon}
	if c.slow {
		configs = nil
	}
	if _, err := c.adm.CreateTopic(ctx, int32(partitions), int16(min(3, len(brokers))), configs, name); err != nil {
		return "", fmt.Errorf("creating a topic: %w", err)
	}
	return name, c.known(ctx, name, partitions, brokers.NodeIDs())
}

// known waits until every broker knows the topic and its leaders. A client that
// asks one that doesn't would be told that there is no such topic.
func (c *cluster) known(ctx context.Context, topic string, partitions int, brokers []int32) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, id := range brokers {
		for !c.knows(ctx, id, topic, partitions) {
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting until broker %d knows the topic %s: %w", id, topic, ctx.Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// knows asks one broker. An error means no: known asks again.
func (c *cluster) knows(ctx context.Context, id int32, topic string, partitions int) bool {
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = append(request.Topics, asked)
	answer, err := c.client.Broker(int(id)).RetriableRequest(ctx, request)
	if err != nil {
		return false
	}
	topics := answer.(*kmsg.MetadataResponse).Topics
	if len(topics) != 1 || topics[0].ErrorCode != 0 || len(topics[0].Partitions) != partitions {
		return false
	}
	return !slices.ContainsFunc(topics[0].Partitions, func(p kmsg.MetadataResponseTopicPartition) bool {
		return p.ErrorCode != 0 || p.Leader < 0
	})
}

// group names a new group.
func (c *cluster) group() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	name := fmt.Sprintf("%s-group-%d", c.prefix, c.next)
	c.groups = append(c.groups, name)
	return name
}

// remove deletes topics and forgets them.
func (c *cluster) remove(ctx context.Context, topics ...string) error {
	if len(topics) == 0 {
		return nil
	}
	answers, err := c.adm.DeleteTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("deleting topics: %w", err)
	}
	var errs []error
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range answers {
		if a.Err != nil && !errors.Is(a.Err, kerr.UnknownTopicOrPartition) {
			errs = append(errs, fmt.Errorf("deleting the topic %s: %w", a.Topic, a.Err))
			continue
		}
		c.topics = slices.DeleteFunc(c.topics, func(t string) bool { return t == a.Topic })
	}
	return errors.Join(errs...)
}

// close removes what the benchmark made, also after Ctrl-C, and ends a cluster
// that it started.
func (c *cluster) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c.mu.Lock()
	topics, groups := slices.Clone(c.topics), c.groups
	c.mu.Unlock()
	err := c.remove(ctx, topics...)
	if len(groups) > 0 {
		// A group whose member was killed lives until its session is over, and then it is empty.
		if _, failed := c.adm.DeleteGroups(ctx, groups...); failed != nil {
			err = errors.Join(err, fmt.Errorf("deleting groups: %w", failed))
		}
	}
	c.client.Close()
	return errors.Join(err, c.end())
}

// fill makes a topic with records to receive, written by franz-go.
func (c *cluster) fill(ctx context.Context, p Point) (topic string, records int, err error) {
	topic, err = c.topic(ctx, p.Partitions)
	if err != nil {
		return "", 0, err
	}
	records = c.stored / (p.Size + 10)
	_, err = errand{
		Task: Produce, Client: "franz-go", Way: clients.Matched, Brokers: c.addrs, Topic: topic,
		Point: p, Tuning: tuning(Produce, p.Size), Records: records, Warm: patience,
	}.start(ctx)
	if err != nil {
		return "", 0, fmt.Errorf("writing records to receive: %w", err)
	}
	return topic, records, nil
}
