package groups

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/testing/testkit"
)

// long is how long a test waits for something that has to come. It only matters
// when a test fails.
const long = 90 * time.Second

// most is how many groups the tests ask for.
const most = 1000

// A place is where a test runs: a cluster, and a prefix for its names there.
type place struct {
	addrs  []string
	prefix string
	client *kgo.Client
	adm    *kadm.Client
}

var (
	prefixes   atomic.Int64
	apacheTurn sync.Mutex // held by the test whose turn it is
	apacheOnce sync.Once
	theApache  *apache.Cluster
	apacheErr  error
)

func TestMain(m *testing.M) { testkit.Main(m, closeApache) }

func closeApache() error {
	if theApache == nil {
		return nil
	}
	return theApache.Close()
}

// onEachCluster runs a test on a cluster of its own inside this process, and on
// Apache Kafka, one test after the other.
func onEachCluster(t *testing.T, test func(t *testing.T, p *place)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		cluster, err := embedded.Start(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		test(t, newPlace(t, cluster.Addrs()))
	})
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		if reason := apache.Unavailable(); reason != "" {
			t.Skip(reason)
		}
		apacheTurn.Lock()
		t.Cleanup(apacheTurn.Unlock)
		apacheOnce.Do(func() {
			theApache, apacheErr = apache.Start(context.Background(), apache.Options{Log: os.Stderr})
		})
		if apacheErr != nil {
			t.Fatal(apacheErr)
		}
		test(t, newPlace(t, theApache.Addrs()))
	})
}

func newPlace(t *testing.T, addrs []string) *place {
	client := testkit.Client(t, addrs)
	return &place{
		addrs:  addrs,
		prefix: fmt.Sprintf("test-%d-", prefixes.Add(1)),
		client: client,
		adm:    kadm.NewClient(client),
	}
}

// create creates a topic, and returns its name.
func (p *place) create(t *testing.T, name string, partitions int32) string {
	t.Helper()
	name = p.prefix + name
	_, err := p.adm.CreateTopic(testkit.Deadline(t), partitions, -1, nil, name)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// write writes so many records into each partition of a topic.
func (p *place) write(t *testing.T, topic string, counts ...int) {
	t.Helper()
	client := testkit.Client(t, p.addrs, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var records []*kgo.Record
	for partition, count := range counts {
		for range count {
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte("a value")})
		}
	}
	err := client.ProduceSync(testkit.Deadline(t), records...).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
}

// commit commits offsets for a group, as an administrator does.
func (p *place) commit(t *testing.T, group, topic string, offsets ...int64) {
	t.Helper()
	var commit kadm.Offsets
	for partition, at := range offsets {
		commit.AddOffset(topic, int32(partition), at, -1)
	}
	// A client of its own: another one may remember the id of a topic that is made anew.
	adm := kadm.NewClient(testkit.Client(t, p.addrs))
	answers, err := adm.CommitOffsets(testkit.Deadline(t), group, commit)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A consumer is a member of a group.
type consumer struct {
	client *kgo.Client
	cut    atomic.Bool // its network is gone
	mu     sync.Mutex
	conns  []net.Conn
}

// options are what makes a client a member of a group of a kind.
func options(kind Kind, group, clientID string) []kgo.Opt {
	member := []kgo.Opt{
		kgo.ClientID(clientID),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}
	if kind == Share {
		return append(member, kgo.ShareGroup(group))
	}
	member = append(member,
		kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.AutoCommitInterval(200*time.Millisecond),
		kgo.Balancers(kgo.RangeBalancer()),
	)
	if kind == Consumer {
		member = append(member, kgo.ServerSideBalancer())
	} else {
		// Six seconds is the least that Apache Kafka accepts.
		member = append(member, kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond))
	}
	return member
}

// join starts a member of a group, which reads until it is closed or dies.
func (p *place) join(t *testing.T, kind Kind, group, topic, clientID string, more ...kgo.Opt) *consumer {
	t.Helper()
	c := new(consumer)
	all := append(options(kind, group, clientID), kgo.ConsumeTopics(topic), kgo.Dialer(c.dial))
	c.client = testkit.Client(t, p.addrs, append(all, more...)...)
	go func() {
		for !c.client.PollFetches(context.Background()).IsClientClosed() {
		}
	}()
	return c
}

func (c *consumer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.cut.Load() {
		return nil, net.ErrClosed
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn, nil
}

// die takes the member's network away, as a crash of its machine does, until
// the test's end: then its client can close.
func (c *consumer) die(t *testing.T) {
	t.Cleanup(func() { c.cut.Store(false) })
	c.cut.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.Close()
	}
}

// ask returns a group as Ask and Measure tell it, or nil.
func (p *place) ask(t *testing.T, name string) *Group {
	t.Helper()
	groups, _, err := Ask(testkit.Deadline(t), p.client, most)
	if err != nil {
		t.Fatal(err)
	}
	for i := range groups {
		if groups[i].Name != name {
			continue
		}
		one := groups[i : i+1]
		err := Measure(testkit.Deadline(t), p.client, one, Topics(one)...)
		if err != nil {
			t.Fatal(err)
		}
		return &one[0]
	}
	return nil
}

// until waits until a group is as it should be.
func (p *place) until(t *testing.T, name, what string, right func(g Group) bool) Group {
	t.Helper()
	for deadline := time.Now().Add(long); ; time.Sleep(100 * time.Millisecond) {
		g := p.ask(t, name)
		if g != nil && g.Err == nil && right(*g) {
			return *g
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s to have %s; it is %+v", long, name, what, g)
		}
	}
}

// removeBefore removes the records of partition 0 before an offset.
func (p *place) removeBefore(t *testing.T, topic string, offset int64) {
	t.Helper()
	var before kadm.Offsets
	before.AddOffset(topic, 0, offset, -1)
	answers, err := p.adm.DeleteRecords(testkit.Deadline(t), before)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}
