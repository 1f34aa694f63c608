package contract

import (
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/testing/testkit"
)

// A faulty cluster has three brokers that can be cut off, and whose answers can be changed.
type faulty struct {
	*kfake.Cluster
	gates map[int32]*gate // by broker
}

// newFaulty starts such a cluster.
func newFaulty(t *testing.T) (faulty, place) {
	t.Helper()
	var gates []*gate
	fake, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SleepOutOfOrder(),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			listener, err := net.Listen(network, address)
			gates = append(gates, &gate{Listener: listener})
			return gates[len(gates)-1], err
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	f := faulty{fake, make(map[int32]*gate)}
	for broker, address := range fake.ListenAddrs() {
		for _, g := range gates {
			if g.Addr().String() == address {
				f.gates[int32(broker)] = g
			}
		}
	}
	p := newPlace(nil, false)
	p.cluster = addresses(fake.ListenAddrs())
	return f, p
}

// A gate is a broker's socket. While it is shut, connections end as soon as they begin.
type gate struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	shut  bool
}

func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		shut := g.shut
		if !shut {
			g.conns = append(g.conns, conn)
		}
		g.mu.Unlock()
		if !shut {
			return conn, nil
		}
		if err := conn.Close(); err != nil {
			return nil, err
		}
	}
}

// cutOff shuts the gate for a time.
func (g *gate) cutOff(t *testing.T, d time.Duration) {
	t.Helper()
	g.mu.Lock()
	g.shut = true
	conns := g.conns
	g.conns = nil
	g.mu.Unlock()
	for _, conn := range conns {
		// The client may have closed it before.
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
	time.Sleep(d)
	g.mu.Lock()
	g.shut = false
	g.mu.Unlock()
}

// checkOnce fails the test unless each record that a flow wrote lies in the log once.
func (p place) checkOnce(t *testing.T) {
	t.Helper()
	times := make(map[string]int)
	for _, r := range testkit.ReadLog(t, p.Addrs(), p.topic) {
		times[string(r.Value)]++
	}
	for value, n := range times {
		if n != 1 {
			t.Errorf("%q is there %d times", value, n)
		}
	}
}

// A record that is there, but isn't acknowledged for longer than 10 s, is sent again, and is
// there once all the same.
func TestFlowsWriteOnce(t *testing.T) {
	t.Parallel()
	forEachFlow(t, func(t *testing.T, folder string) {
		f, p := newFaulty(t)
		process := testkit.Start(t, p.build(t, folder))
		process.UntilMore(20, "writes: ")
		appended := f.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: p.topic, Err: kerr.NotEnoughReplicasAfterAppend, Count: -1,
		})
		time.Sleep(12 * time.Second)
		appended.Remove()
		if appended.Hits() < 2 {
			t.Errorf("%d requests were answered with an error, want several for one record", appended.Hits())
		}
		process.UntilMore(20, "writes: ")
		process.UntilMore(20, "received: ")
		p.checkCtrlC(t, process)
		p.checkWritten(t, process)
		p.checkOnce(t)
	})
}

// While the coordinator of its group can't be reached, a flow waits. It then goes on as the
// same member: a new one would be given nothing until the old one counts as dead.
func TestFlowsStayMembers(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sarama", "goka"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			staysMember(t, "04-comparison/"+name)
		})
	}
}

func staysMember(t *testing.T, folder string) {
	t.Helper()
	f, p := newFaulty(t)
	process := testkit.Start(t, p.build(t, folder))
	process.UntilMore(20, "received: ")
	// The coordinator leads no partition, so that nothing but the group waits for it.
	coordinator := f.CoordinatorFor(p.group)
	for _, topic := range []string{p.topic, p.group + "-table"} { // goka has a table.
		for partition := range int32(3) {
			if f.LeaderFor(topic, partition) != coordinator {
				continue
			}
			if err := f.MoveTopicPartition(topic, partition, (coordinator+1)%3); err != nil {
				t.Fatal(err)
			}
		}
	}
	process.UntilMore(20, "received: ")
	var joins atomic.Int64
	var anew atomic.Bool
	f.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.JoinGroup}, Group: p.group, Count: -1, Observe: true,
		When: func(request kmsg.Request) bool {
			// What comes after the first depends on how long this machine lets it wait.
			first := joins.Add(1) == 1
			if first && request.(*kmsg.JoinGroupRequest).MemberID == "" {
				anew.Store(true)
			}
			return true
		},
	})
	f.gates[coordinator].cutOff(t, 8*time.Second)
	process.UntilMore(20, "received: ")
	if anew.Load() {
		t.Error("it joined its group as a new member")
	}
	p.hasReceivedAll(t, process)
	p.checkCtrlC(t, process)
	p.checkOnce(t)
}

// A long outage isn't told by one line alone, which has long been scrolled away by then.
func TestFlowsWaitAloud(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sarama", "goka"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := fake(t, 3, int16(kmsg.JoinGroup), kerr.GroupMaxSizeReached, false)
			process := testkit.Start(t, p.build(t, "04-comparison/"+name))
			process.UntilMore(1, "waiting to receive: ")
			process.UntilMore(1, "waiting to receive: ")
			process.Interrupt()
			if status := process.Wait(); status != 0 {
				t.Errorf("exit status %d, want 0", status)
			}
			if n := count(process.Output(), "waiting to receive: "); n != 2 {
				t.Errorf("%d lines say that it waits, want two", n)
			}
		})
	}
}

// An idempotent producer needs a number from the cluster. Without the permission to get
// one it can't write: the program ends, and says why.
func TestFlowsEndWithoutPermission(t *testing.T) {
	t.Parallel()
	forEachFlow(t, func(t *testing.T, folder string) {
		f, p := newFaulty(t)
		f.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.ClusterAuthorizationFailed, TopLevel: true, Count: -1,
		})
		lines := failed(t, testkit.Start(t, p.build(t, folder)))
		if last := strings.ToLower(lines[len(lines)-1]); !strings.Contains(last, "authoriz") {
			t.Errorf("the last line is %q", last)
		}
	})
}

// librdkafka counts some answers to a group as the end of the client. The flow then ends,
// and says why.
func TestFlowEndsAtAFatalError(t *testing.T) {
	t.Parallel()
	canBuild(t, confluent)
	f, p := newFaulty(t)
	f.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.FencedInstanceID, TopLevel: true, Count: -1,
	})
	lines := failed(t, testkit.Start(t, p.build(t, confluent)))
	last := lines[len(lines)-1]
	if !strings.Contains(last, "error: receiving from "+p.topic) || !strings.Contains(last, "fenced") {
		t.Errorf("the last line is %q", last)
	}
}

// What librdkafka warns of is printed: here that the group's offsets are not in the topic.
func TestFlowWarns(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		path := p.build(t, confluent)
		first := testkit.Start(t, path)
		first.UntilMore(30, "received: ")
		p.checkCtrlC(t, first)
		// The group's offsets lie beyond the end, as when the topic is another one of the same name.
		beyond := make(kadm.Offsets)
		for partition := range int32(3) {
			beyond.AddOffset(p.topic, partition, 1_000_000, -1)
		}
		admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
		if err := admin.CommitAllOffsets(testkit.Deadline(t), p.group, beyond); err != nil {
			t.Fatal(err)
		}
		second := testkit.Start(t, path)
		second.UntilMore(3, "warning: ")
		p.checkCtrlC(t, second)
	})
}

// The answer that the topic is created comes when a program was about to give up: it goes on.
func TestCreatedLate(t *testing.T) {
	t.Parallel()
	for _, folder := range append([]string{"01-producer", "02-consumer"}, programs...) {
		t.Run(strings.ReplaceAll(folder, "/", "-"), func(t *testing.T) {
			t.Parallel()
			f, p := newFaulty(t)
			path := p.build(t, folder)
			begin := time.Now()
			// For 7.5 s it isn't created. Who asks then is answered after the 8 s for which it asks.
			soon := func(kmsg.Request) bool { return time.Since(begin) < 7500*time.Millisecond }
			f.Fault(kfake.Fault{
				Keys: []kmsg.Key{kmsg.CreateTopics}, Err: kerr.ThrottlingQuotaExceeded, Count: -1, When: soon,
			})
			f.ControlKey(int16(kmsg.CreateTopics), func(request kmsg.Request) (kmsg.Response, error, bool) {
				if soon(request) {
					f.KeepControl()
				} else {
					time.Sleep(900 * time.Millisecond)
				}
				return nil, nil, false
			})
			process := testkit.Start(t, path)
			process.UntilLine("created the topic " + p.topic + ": it is new")
			process.Interrupt()
			if status := process.Wait(); status != 0 {
				t.Errorf("exit status %d, want 0", status)
			}
		})
	}
}
