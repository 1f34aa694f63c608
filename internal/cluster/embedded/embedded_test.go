package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "message-log"

func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	c, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func client(t *testing.T, c *Cluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.Addrs()...),
		kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// leaders returns the leader of each partition of the topic, as clients see it.
func leaders(ctx context.Context, t *testing.T, cl *kgo.Client) []int32 {
	t.Helper()
	m, err := kadm.NewClient(cl).Metadata(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int32
	for _, p := range m.Topics[topic].Partitions.Sorted() {
		ids = append(ids, p.Leader)
	}
	return ids
}

func write(ctx context.Context, t *testing.T, cl *kgo.Client, n int) {
	t.Helper()
	for i := range n {
		r := &kgo.Record{Topic: topic, Key: []byte(strconv.Itoa(i)), Value: []byte("value")}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
	}
}

func count(ctx context.Context, t *testing.T, cl *kgo.Client) int64 {
	t.Helper()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	ends.Each(func(o kadm.ListedOffset) { n += o.Offset })
	return n
}

func TestBrokersAreOneTwoThree(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	ctx := deadline(t)
	cl := client(t, c)
	m, err := kadm.NewClient(cl).Metadata(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Brokers.NodeIDs(); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("brokers %v, want 1, 2 and 3", got)
	}
	for i, b := range m.Brokers {
		if addr := fmt.Sprintf("%s:%d", b.Host, b.Port); addr != c.Addrs()[i] {
			t.Errorf("broker %d tells clients %s, and listens on %s", b.NodeID, addr, c.Addrs()[i])
		}
	}
	if !slices.Contains(m.Brokers.NodeIDs(), m.Controller) {
		t.Errorf("the controller is broker %d, which clients can't see", m.Controller)
	}
	if got := leaders(ctx, t, cl); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("leaders %v, want 1, 2 and 3", got)
	}
}

// Whichever broker is stopped, leaders move away from it and come back, the
// controller answers, and nothing that was written is lost.
func TestStopAndStartEachBroker(t *testing.T) {
	t.Parallel()
	for id := 1; id <= Brokers; id++ {
		t.Run(strconv.Itoa(id), func(t *testing.T) {
			t.Parallel()
			c := start(t, Options{Topic: topic})
			ctx := deadline(t)
			cl := client(t, c)
			write(ctx, t, cl, 20)

			if err := c.StopBroker(id); err != nil {
				t.Fatal(err)
			}
			if conn, err := net.Dial("tcp", c.Addrs()[id-1]); err == nil {
				conn.Close()
				t.Errorf("stopped broker %d still accepts connections", id)
			}
			if got := leaders(ctx, t, cl); slices.Contains(got, int32(id)) {
				t.Errorf("leaders %v while broker %d is stopped", got, id)
			}
			write(ctx, t, cl, 20)
			// kfake counts the brokers that run: no topic can have three replicas now.
			if _, err := kadm.NewClient(cl).CreateTopic(ctx, 6, 2, nil, "created-meanwhile"); err != nil {
				t.Errorf("no topic can be created while broker %d is stopped: %v", id, err)
			}
			if err := c.StopBroker(id); err == nil {
				t.Errorf("broker %d was stopped twice without an error", id)
			}

			if err := c.StartBroker(id); err != nil {
				t.Fatal(err)
			}
			if got := leaders(ctx, t, cl); !slices.Equal(got, []int32{1, 2, 3}) {
				t.Errorf("leaders %v after broker %d came back, want 1, 2 and 3", got, id)
			}
			write(ctx, t, cl, 20)
			if n := count(ctx, t, cl); n != 60 {
				t.Errorf("%d records in the log, want 60", n)
			}
		})
	}
}

// All three brokers can be stopped, and started in any order.
func TestStopAllBrokers(t *testing.T) {
	t.Parallel()
	for first := 1; first <= Brokers; first++ {
		t.Run(fmt.Sprintf("starting %d first", first), func(t *testing.T) {
			t.Parallel()
			c := start(t, Options{Topic: topic})
			ctx := deadline(t)
			write(ctx, t, client(t, c), 20)
			for _, id := range []int{2, 1, 3} {
				if err := c.StopBroker(id); err != nil {
					t.Fatal(err)
				}
			}
			for _, addr := range c.Addrs() {
				if conn, err := net.Dial("tcp", addr); err == nil {
					conn.Close()
					t.Errorf("%s still accepts connections", addr)
				}
			}
			for i := range Brokers {
				if err := c.StartBroker((first+i-1)%Brokers + 1); err != nil {
					t.Fatal(err)
				}
			}
			cl := client(t, c)
			if got := leaders(ctx, t, cl); !slices.Equal(got, []int32{1, 2, 3}) {
				t.Errorf("leaders %v, want 1, 2 and 3", got)
			}
			write(ctx, t, cl, 20)
			if n := count(ctx, t, cl); n != 40 {
				t.Errorf("%d records in the log, want 40", n)
			}
		})
	}
}

// Stopping brokers and creating topics at once: both use the controller.
func TestElectionsWhileTopicsAreCreated(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	ctx := deadline(t)
	adm := kadm.NewClient(client(t, c))
	created := make(chan error, 1)
	go func() {
		for i := range 20 {
			// A broker that stops cuts the request off: ask again.
			for {
				_, err := adm.CreateTopic(ctx, 3, 1, nil, "topic-"+strconv.Itoa(i))
				if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
					break
				}
				if ctx.Err() != nil {
					created <- err
					return
				}
			}
		}
		created <- nil
	}()
	for i := range 20 {
		id := i%Brokers + 1
		if err := errors.Join(c.StopBroker(id), c.StartBroker(id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-created; err != nil {
		t.Errorf("creating a topic: %v", err)
	}
}

func TestRecordsAndCommitsSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := start(t, Options{Topic: topic, DataDir: dir})
	ctx := deadline(t)
	cl := client(t, c)
	write(ctx, t, cl, 30)
	commit := make(kadm.Offsets)
	commit.AddOffset(topic, 1, 7, -1)
	if err := kadm.NewClient(cl).CommitAllOffsets(ctx, "my-group", commit); err != nil {
		t.Fatal(err)
	}
	c.Close()

	c = start(t, Options{Topic: topic, DataDir: dir})
	cl = client(t, c)
	if n := count(ctx, t, cl); n != 30 {
		t.Errorf("%d records after the restart, want 30", n)
	}
	got, err := kadm.NewClient(cl).FetchOffsets(ctx, "my-group")
	if err != nil {
		t.Fatal(err)
	}
	if o, ok := got.Lookup(topic, 1); !ok || o.At != 7 {
		t.Errorf("committed offset %d after the restart, want 7", o.At)
	}
	if got := leaders(ctx, t, cl); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("leaders %v after the restart, want 1, 2 and 3", got)
	}
}

// A broker that stops takes its connections along, as a process that dies does.
func TestStopCutsConnections(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	conn, err := net.Dial("tcp", c.Addrs()[1])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := client(t, c).Ping(deadline(t)); err != nil { // By now the connection is accepted.
		t.Fatal(err)
	}
	if err := c.StopBroker(2); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("reading from a stopped broker: %v, want a connection that is cut", err)
	}
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	_, err = Start(Options{Ports: [Brokers]int{0, port, 0}})
	var portErr *PortError
	if !errors.As(err, &portErr) || portErr.Port != port {
		t.Fatalf("got %v, want a PortError of port %d", err, port)
	}
}

// A stopped broker can come back on its port, however many clusters came and went.
func TestStoppedBrokerKeepsItsPort(t *testing.T) {
	t.Parallel()
	c, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stopped := c.Addrs()[0]
	if err := c.StopBroker(1); err != nil {
		t.Fatal(err)
	}
	for range 101 { // A process has 299 ports.
		other, err := Start(Options{})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(other.Addrs(), stopped) {
			t.Errorf("another cluster has %s, the address of the stopped broker", stopped)
		}
		other.Close()
	}
	if err := c.StartBroker(1); err != nil {
		t.Error(err)
	}
}
