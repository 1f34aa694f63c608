package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/load"
)

// brokers are where the clients work. They remember what the benchmark made there.
type brokers struct {
	addrs  []string
	name   string // what they are
	stored int    // bytes of records that a topic may hold
	warm   bool   // enough is stored to receive some of it before it is measured
	end    func() error

	view   *cluster.View
	prefix string // of topics and groups

	mu     sync.Mutex
	next   int
	topics []string
	groups []string
}

// jvm is what Kafka's scripts give a broker. The brokers of tests do without.
const jvm = "-XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 " +
	"-XX:+ExplicitGCInvokesConcurrent"

func newBrokers() *brokers {
	return &brokers{
		stored: 450 << 20, warm: true,
		end:    func() error { return nil },
		prefix: fmt.Sprintf("bench-%d", os.Getpid()),
	}
}

// open finds a cluster, or starts one.
func open(ctx context.Context, addrs []string, fake bool, log io.Writer) (*brokers, error) {
	b := newBrokers()
	replicates := true
	switch {
	case len(addrs) > 0:
		b.addrs, b.name = addrs, "the given brokers"
	case !fake && apache.Unavailable() == "":
		kafka, err := apache.Start(ctx, apache.Options{Log: log, Extra: map[string]string{
			"KAFKA_JVM_PERFORMANCE_OPTS": jvm, "KAFKA_HEAP_OPTS": "-Xmx1g",
		}})
		if err != nil {
			return nil, err
		}
		b.addrs, b.end = kafka.Addrs(), kafka.Close
		b.name = "Apache Kafka " + apache.Version + ", three brokers on the same machine"
	default:
		kafka, err := embedded.Start(embedded.Options{})
		if err != nil {
			return nil, err
		}
		b.use(kafka)
		replicates = false
	}
	return b, b.connect(ctx, replicates)
}

func (b *brokers) connect(ctx context.Context, replicates bool) (err error) {
	if b.view, err = cluster.NewView(ctx, b.addrs, replicates); err != nil {
		return errors.Join(err, b.end())
	}
	return nil
}

const embeddedName = "the embedded cluster, which keeps one copy in memory: rates are mostly its own"

// use has the clients work on an embedded cluster.
func (b *brokers) use(kafka *embedded.Cluster) {
	b.addrs, b.stored, b.warm = kafka.Addrs(), 24<<20, false
	b.end = func() error { kafka.Close(); return nil }
	b.name = embeddedName
}

// topic makes a topic.
func (b *brokers) topic(ctx context.Context, partitions int) (string, error) {
	b.mu.Lock()
	b.next++
	name := fmt.Sprintf("%s-%d", b.prefix, b.next)
	b.topics = append(b.topics, name) // Before it is made: whatever interrupts this, it is removed.
	b.mu.Unlock()
	return name, b.view.CreateTopic(ctx, name, partitions)
}

// group names a new group.
func (b *brokers) group() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	name := fmt.Sprintf("%s-group-%d", b.prefix, b.next)
	b.groups = append(b.groups, name)
	return name
}

// remove deletes topics and forgets them.
func (b *brokers) remove(ctx context.Context, topics ...string) error {
	if len(topics) == 0 {
		return nil
	}
	answers, err := b.view.DeleteTopics(ctx, topics...)
	if err != nil {
		return fmt.Errorf("deleting topics: %w", err)
	}
	var errs []error
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range answers {
		if a.Err != nil && !errors.Is(a.Err, kerr.UnknownTopicOrPartition) {
			errs = append(errs, fmt.Errorf("deleting the topic %s: %w", a.Topic, a.Err))
			continue
		}
		b.topics = slices.DeleteFunc(b.topics, func(t string) bool { return t == a.Topic })
	}
	return errors.Join(errs...)
}

// close removes what the benchmark made, also after Ctrl-C, and ends a cluster that it started.
func (b *brokers) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b.mu.Lock()
	topics, groups := slices.Clone(b.topics), b.groups
	b.mu.Unlock()
	err := b.remove(ctx, topics...)
	if len(groups) > 0 {
		// A group whose member was killed lives until its session is over, and then it is empty.
		if _, failed := b.view.DeleteGroups(ctx, groups...); failed != nil {
			err = errors.Join(err, fmt.Errorf("deleting groups: %w", failed))
		}
	}
	b.view.Close()
	return errors.Join(err, b.end())
}

// A source is a topic with records to receive.
type source struct {
	topic   string
	records int
}

// fillAll makes the sources of all cases.
func (b *brokers) fillAll(ctx context.Context, cases []Case) (map[load.Point]source, error) {
	sources := make(map[load.Point]source)
	for _, one := range cases {
		if _, ok := sources[one.Point]; ok || one.Kind != load.Consume {
			continue
		}
		fmt.Fprintf(os.Stderr, "writing records to receive (%+v)\n", one.Point)
		var err error
		if sources[one.Point], err = b.fill(ctx, one.Point); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// fill makes a topic with records to receive, written by franz-go.
func (b *brokers) fill(ctx context.Context, p load.Point) (s source, err error) {
	if s.topic, err = b.topic(ctx, p.Partitions); err != nil {
		return s, err
	}
	s.records = b.stored * min(2, 1+p.Size/1000) / (p.Size + 10) // A larger record is read at more bytes a second.
	_, err = load.Load{
		Kind: load.Produce, Client: "franz-go", Way: adapter.Matched, Brokers: b.addrs, Topic: s.topic,
		Point: p, Tuning: tuning(load.Produce, p), Records: s.records, For: load.Patience,
	}.Start(ctx)
	if err != nil {
		return s, fmt.Errorf("writing records to receive: %w", err)
	}
	return s, nil
}

// measure measures a case once.
func (b *brokers) measure(ctx context.Context, one Case, pace Pace, from source) (m load.Measure, err error) {
	topic, group, records := from.topic, "", 0
	if one.Kind == load.Produce || one.Kind == load.Latency {
		if topic, err = b.topic(ctx, one.Point.Partitions); err != nil {
			return m, err
		}
		defer func() { err = errors.Join(err, b.remove(context.WithoutCancel(ctx), topic)) }()
	}
	if one.Kind == load.Consume || one.Kind == load.Latency {
		group = b.group()
	}
	if one.Kind == load.Consume {
		records = from.records
	}
	if one.Client == javaName {
		return javaRun{
			kind: one.Kind, brokers: b.addrs, topic: topic, group: group, point: one.Point,
			records: javaRecords(one, pace.For, from.records),
		}.run(ctx)
	}
	l := load.Load{
		Kind: one.Kind, Client: one.Client, Brokers: b.addrs, Topic: topic, Group: group, Point: one.Point,
		Way: adapter.Matched, Tuning: tuning(one.Kind, one.Point), Warm: pace.Warm, For: pace.For, Records: records,
		Profile: one.profile,
	}
	if one.Kind == load.Consume && !b.warm {
		l.Warm = 0
	}
	switch one.Way {
	case asTuned:
		l.Way = adapter.Tuned
	case unthrottled:
		l.Tuning.FetchBackoff = time.Millisecond
	}
	if flow, ok := flows[one.Way]; ok {
		l.Flow = &flow
	}
	return l.Start(ctx)
}
