// Package wire is a cluster that notes what its clients ask for: what a client
// does by default is read here, from its requests, and not from its documentation.
//
// The cluster is franz-go's kfake, three brokers in this process. It can answer
// every write with an error.
package wire

import (
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Options says what cluster Start starts.
type Options struct {
	Topic           string // with three partitions; "" for none
	AutoCreate      bool   // a topic is created when somebody asks for it
	MaxMessageBytes int    // that a broker takes; 0 for Kafka's default
}

// A Request is one that a client sent.
type Request struct {
	At   time.Time
	Body kmsg.Request
}

// Cluster is a running cluster.
type Cluster struct {
	fake *kfake.Cluster

	mu       sync.Mutex
	requests []Request
	refusal  int16 // the error that writes are answered with, 0 for none
}

// Start starts a cluster.
func Start(o Options) (*Cluster, error) {
	options := []kfake.Opt{kfake.NumBrokers(3), kfake.DefaultNumPartitions(3)}
	if o.Topic != "" {
		options = append(options, kfake.SeedTopics(3, o.Topic))
	}
	if o.AutoCreate {
		options = append(options, kfake.AllowAutoTopicCreation())
	}
	if o.MaxMessageBytes != 0 {
		options = append(options, kfake.BrokerConfigs(map[string]string{"message.max.bytes": fmt.Sprint(o.MaxMessageBytes)}))
	}
	fake, err := kfake.NewCluster(options...)
	if err != nil {
		return nil, fmt.Errorf("starting the cluster: %w", err)
	}
	c := &Cluster{fake: fake}
	fake.Control(c.note)
	return c, nil
}

// Addrs returns the addresses of the brokers.
func (c *Cluster) Addrs() []string { return c.fake.ListenAddrs() }

// Close stops the cluster.
func (c *Cluster) Close() { c.fake.Close() }

// HasTopic tells whether a topic is there.
func (c *Cluster) HasTopic(topic string) bool { return c.fake.TopicInfo(topic) != nil }

// note is kfake's hook for a request.
func (c *Cluster) note(body kmsg.Request) (kmsg.Response, error, bool) {
	c.fake.KeepControl()
	if m, ok := body.(*kmsg.MetadataRequest); ok && m.Version < 4 {
		m.AllowAutoTopicCreation = true // Older versions can't say no.
	}
	request := Request{time.Now(), copyOf(body)}
	c.mu.Lock()
	c.requests = append(c.requests, request)
	refusal := c.refusal
	c.mu.Unlock()
	if write, ok := body.(*kmsg.ProduceRequest); ok && refusal != 0 {
		return refuse(write, refusal), nil, true
	}
	return nil, nil, false
}

// copyOf copies a request, for kfake works on the one that came.
func copyOf(body kmsg.Request) kmsg.Request {
	other := kmsg.RequestForKey(body.Key())
	other.SetVersion(body.GetVersion())
	if err := other.ReadFrom(body.AppendTo(nil)); err != nil {
		return body // It was read from bytes a moment ago.
	}
	return other
}

// refuse answers a write with an error for each partition.
func refuse(write *kmsg.ProduceRequest, code int16) kmsg.Response {
	answer := write.ResponseKind().(*kmsg.ProduceResponse)
	if write.Acks == 0 {
		return nil // Who asks for no answer gets none.
	}
	for _, t := range write.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode, partition.BaseOffset = p.Partition, code, -1
			topic.Partitions = append(topic.Partitions, partition)
		}
		answer.Topics = append(answer.Topics, topic)
	}
	return answer
}

// FirstBatch returns the first batch of a write, as Kafka has them since 0.11.
func FirstBatch(write *kmsg.ProduceRequest) (b kmsg.RecordBatch, err error) {
	if err := b.ReadFrom(write.Topics[0].Partitions[0].Records); err != nil {
		return b, fmt.Errorf("reading a batch: %w", err)
	}
	return b, nil
}

// Refuse answers every write from now on with an error, 0 with none.
func (c *Cluster) Refuse(code int16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refusal = code
}

// Requests returns the requests so far.
func (c *Cluster) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[:len(c.requests):len(c.requests)]
}

// Of returns the requests of a kind, such as *kmsg.FetchRequest, and the
// requests that they came in.
func Of[T kmsg.Request](requests []Request) (bodies []T, in []Request) {
	for _, r := range requests {
		if body, ok := r.Body.(T); ok {
			bodies, in = append(bodies, body), append(in, r)
		}
	}
	return bodies, in
}
