package board

import (
	"context"
	"fmt"
	"net/url"
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

// A place is where a test runs: a cluster, a board of it, and names of its own.
type place struct {
	addrs        []string
	topic, group string
	board        *Board
	client       []kgo.Opt         // of the board
	embedded     *embedded.Cluster // nil on Apache Kafka
	apache       *apache.Cluster   // nil on the embedded cluster
}

var (
	names      atomic.Int64
	apacheTurn sync.Mutex // held by the test whose turn it is
	apacheOnce sync.Once
	theApache  *apache.Cluster
	apacheErr  error
)

func TestMain(m *testing.M) { testkit.Main(m, stopBrowser, closeApache) }

// onEachCluster runs a test on a cluster of its own inside this process, and on
// Apache Kafka, one test after the other.
func onEachCluster(t *testing.T, test func(t *testing.T, p *place)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, onEmbedded(t))
	})
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		test(t, onApache(t))
	})
}

func onEmbedded(t testing.TB) *place {
	t.Helper()
	return onEmbeddedWith(t)
}

// onEmbeddedWith is onEmbedded with options for the board's client.
func onEmbeddedWith(t testing.TB, client ...kgo.Opt) *place {
	t.Helper()
	c, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	p := newPlace(c.Addrs())
	p.embedded, p.client = c, client
	return p.serve(t)
}

func onApache(t testing.TB) *place {
	t.Helper()
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	findChromium(t) // Without a browser, no cluster has to start.
	apacheTurn.Lock()
	t.Cleanup(apacheTurn.Unlock)
	apacheOnce.Do(func() {
		theApache, apacheErr = apache.Start(context.Background(), apache.Options{Log: os.Stderr})
	})
	if apacheErr != nil {
		t.Fatal(apacheErr)
	}
	p := newPlace(theApache.Addrs())
	p.apache = theApache
	t.Cleanup(func() { p.startAll(t) }) // The next test finds three brokers.
	return p.serve(t)
}

func closeApache() error {
	if theApache == nil {
		return nil
	}
	return theApache.Close()
}

func newPlace(addrs []string) *place {
	n := names.Add(1)
	return &place{addrs: addrs, topic: fmt.Sprintf("topic-%d", n), group: fmt.Sprintf("group-%d", n)}
}

// serve starts the board of the place.
func (p *place) serve(t testing.TB) *place {
	t.Helper()
	o := Options{
		Addrs: p.addrs, Topic: p.topic, client: p.client,
		Programs: map[string]string{p.group: "go run ./02-consumer", "my-group": "go run ./02-consumer"},
	}
	if p.embedded != nil {
		o.Brokers = p.embedded
	}
	b, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	p.board = b
	t.Cleanup(func() { p.board.Close() })
	return p
}

// stop ends a broker as kill -9 does.
func (p *place) stop(t testing.TB, id int) {
	t.Helper()
	var err error
	if p.apache != nil {
		err = p.apache.Kill(id)
	} else {
		err = p.embedded.StopBroker(id)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// startAll starts the brokers that were stopped, and waits until all serve.
func (p *place) startAll(t testing.TB) {
	t.Helper()
	for id := 1; id <= 3; id++ {
		var err error
		switch {
		case p.apache != nil && p.apache.PID(id) == 0:
			err = p.apache.StartBroker(id)
		case p.embedded != nil && !p.embedded.Running(id):
			err = p.embedded.StartBroker(id)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if p.apache != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := p.apache.WaitReady(ctx, 1, 2, 3); err != nil {
			t.Errorf("the cluster does not come back: %v", err)
		}
	}
}

// create creates the topic of the place.
func (p *place) create(t testing.TB, partitions int32) {
	t.Helper()
	if _, err := kadm.NewClient(testkit.Client(t, p.addrs)).CreateTopic(testkit.Deadline(t), partitions, -1, nil, p.topic); err != nil {
		t.Fatal(err)
	}
}

// run builds a program of a chapter for the place, and starts it.
func (p *place) run(t testing.TB, folder string) *testkit.Process {
	t.Helper()
	return testkit.Start(t, testkit.Build(t, folder, testkit.On(p.addrs, p.topic, p.group)))
}

// open opens the page of a topic.
func (p *place) open(t testing.TB, options ...string) *tab {
	t.Helper()
	q := url.Values{"topic": {p.topic}, "theme": {"light"}}
	for i := 0; i+1 < len(options); i += 2 {
		q.Set(options[i], options[i+1])
	}
	return openTab(t, p.board.URL()+"/?"+q.Encode())
}

// write writes records, and waits until all are acknowledged.
func (p *place) write(t testing.TB, records ...*kgo.Record) {
	t.Helper()
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic))
	if err := client.ProduceSync(testkit.Deadline(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// numbered returns records with n different keys.
func numbered(n int) []*kgo.Record {
	var records []*kgo.Record
	for i := range n {
		records = append(records, kgo.KeyStringRecord(fmt.Sprint(i), fmt.Sprintf("this is message%d", i)))
	}
	return records
}

// leaders returns the leader of each partition of the topic, as another client sees it.
func (p *place) leaders(t testing.TB) []int32 {
	t.Helper()
	m, err := kadm.NewClient(testkit.Client(t, p.addrs)).Metadata(testkit.Deadline(t), p.topic)
	if err != nil {
		t.Fatal(err)
	}
	var leaders []int32
	for _, d := range m.Topics[p.topic].Partitions.Sorted() {
		leaders = append(leaders, d.Leader)
	}
	return leaders
}

// awaitCommits waits until the group has committed all there is.
func (p *place) awaitCommits(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(long); ; time.Sleep(50 * time.Millisecond) {
		left := int64(0)
		committed := testkit.Committed(t, p.addrs, p.group, p.topic)
		for partition, end := range p.ends(t) {
			if end > 0 {
				left += end - committed[partition]
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s doesn't commit the last %d records", p.group, left)
		}
	}
}

// ends returns where each partition of the topic ends.
func (p *place) ends(t testing.TB) map[int32]int64 {
	t.Helper()
	listed, err := kadm.NewClient(testkit.Client(t, p.addrs)).ListEndOffsets(testkit.Deadline(t), p.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	ends := make(map[int32]int64)
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends
}

// pages is how many pages are open.
func (b *Board) pages() int {
	return b.collector.audience.count()
}
