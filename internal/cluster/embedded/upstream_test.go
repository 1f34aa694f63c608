package embedded

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The tests of this file hold kfake itself, not this package: each shows a fault that
// UPSTREAM.md describes and this package mends. When one fails, a newer kfake no longer
// has the fault: then what mends it here can go, with the test and its section.

// runPlain runs kfake alone, in a process of its own, until its input ends.
func runPlain() error {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(Brokers, topic))
	if err != nil {
		return err
	}
	defer fake.Close()
	fmt.Println(fake.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// A request that ends kfake's process.
func TestUpstreamPanics(t *testing.T) {
	t.Parallel()
	for what, frame := range map[string][]byte{
		"unknown key":          []byte("\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x01\xff\xff"),
		"two unknown topics":   twoUnknownTopics(),
		"protocol named twice": protocolTwice(),
		"interval of nothing":  noInterval(),
	} {
		t.Run(what, func(t *testing.T) {
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), childVariable+"=plain")
			var stderr strings.Builder
			command.Stderr = &stderr
			input, err := command.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			output, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			addr, err := bufio.NewReader(output).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			conn := connect(t, strings.TrimSpace(addr))
			if _, err := conn.Write(frame); err != nil {
				t.Fatal(err)
			}
			// It answers, closes the connection, or the connection ends with the process.
			conn.Read(make([]byte, 1))
			time.Sleep(100 * time.Millisecond)
			input.Close()
			if err := command.Wait(); err == nil || !strings.Contains(stderr.String(), "panic") {
				t.Errorf("kfake lives on: %v", err)
			}
		})
	}
}

// plain returns a cluster of kfake's own, and a client of it.
func plain(t *testing.T) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(Brokers, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return fake, cl
}

// A frame's length is believed: a connection with it waits, and is not closed.
func TestUpstreamLength(t *testing.T) {
	t.Parallel()
	fake, _ := plain(t)
	conn := connect(t, fake.ListenAddrs()[0])
	// A connection that is refused is closed at once; 64 MiB are reserved for this one.
	if _, err := conn.Write([]byte("\x04\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if closes(t, conn) {
		t.Error("kfake refuses a Metadata request of 64 MiB")
	}
}

// A listener whose Accept fails once is never asked again.
func TestUpstreamAccept(t *testing.T) {
	t.Parallel()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		inner, err := net.Listen(network, address)
		return &failing{inner, 1}, err
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	if conn, err := net.DialTimeout("tcp", fake.ListenAddrs()[0], time.Second); err == nil {
		defer conn.Close()
		if _, err := conn.Write([]byte("\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff")); err != nil {
			return
		}
		if !closes(t, conn) {
			t.Error("kfake accepts connections after a failure")
		}
	}
}

// Names, settings and numbers that Apache Kafka refuses.
func TestUpstreamAcceptsAnything(t *testing.T) {
	t.Parallel()
	_, cl := plain(t)
	ctx := deadline(t)
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 1, 1, nil, "my topic"); err != nil {
		t.Errorf("kfake refuses a name with a space: %v", err)
	}
	many := "many"
	if _, err := adm.CreateTopic(ctx, 1, 1, map[string]*string{"retention.mss": &many}, "setting"); err != nil {
		t.Errorf("kfake refuses an unknown setting: %v", err)
	}
	answers, err := adm.UpdatePartitions(ctx, Brokers, topic)
	if err != nil || answers[topic].Err != nil {
		t.Errorf("kfake refuses as many partitions as before: %v, %v", err, answers[topic].Err)
	}
}

// Answers that lack something.
func TestUpstreamAnswers(t *testing.T) {
	t.Parallel()
	_, cl := plain(t)
	ctx := deadline(t)
	create := kmsg.NewPtrCreateTopicsRequest()
	created := kmsg.NewCreateTopicsRequestTopic()
	created.Topic, created.NumPartitions, created.ReplicationFactor = "created", 1, 1
	create.Topics, create.TimeoutMillis = append(create.Topics, created), 10_000
	answer, err := create.RequestWith(ctx, cl)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Topics[0].Configs != nil {
		t.Error("the answer to CreateTopics has configs that aren't null")
	}
	describe := kmsg.NewPtrDescribeTopicPartitionsRequest()
	describe.ResponsePartitionLimit = 10
	wanted := kmsg.NewDescribeTopicPartitionsRequestTopic()
	wanted.Topic = topic
	describe.Topics = append(describe.Topics, wanted)
	described, err := describe.RequestWith(ctx, cl)
	if err != nil {
		t.Fatal(err)
	}
	if described.Topics[0].Partitions[0].EligibleLeaderReplicas != nil {
		t.Error("the answer to DescribeTopicPartitions has eligible replicas that aren't null")
	}
}

// A description of a group of the new protocol that names no topics.
func TestUpstreamGroupNamesNoTopics(t *testing.T) {
	t.Parallel()
	fake, cl := plain(t)
	ctx := deadline(t)
	member, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.ConsumerGroup("group"), kgo.ConsumeTopics(topic),
		kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	for ctx.Err() == nil {
		described, err := kadm.NewClient(cl).DescribeConsumerGroups(ctx, "group")
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range described["group"].Members {
			for name := range m.Assignment {
				if name != "" {
					t.Errorf("kfake names the topic %q", name)
				}
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the member gets no partition")
}

// The controller can't be removed: what remains of the cluster has none.
func TestUpstreamController(t *testing.T) {
	t.Parallel()
	fake, cl := plain(t)
	ctx := deadline(t)
	m, err := kadm.NewClient(cl).Metadata(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := fake.RemoveNode(m.Controller); err != nil {
		t.Fatal(err)
	}
	after, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range after.Brokers {
		if b.NodeID == after.ControllerID {
			t.Errorf("broker %d is the controller now", b.NodeID)
		}
	}
}

// A hook for a request keeps the last request of every connection for ever.
func TestUpstreamHooksKeepRequests(t *testing.T) {
	fake, _ := plain(t)
	fake.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		return nil, nil, false
	})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const connections, names = 20, 20_000
	frame := frameOf(manyNames(names), 12)
	for range connections {
		conn := connect(t, fake.ListenAddrs()[0])
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(size[:]))); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	time.Sleep(100 * time.Millisecond)
	// A name takes more than 16 bytes in a request that kfake has read.
	if after := heap(); after < before+connections*names*16 {
		t.Errorf("kfake keeps %d bytes of %d requests", int64(after)-int64(before), connections)
	}
}

// A number of tags is believed: kmsg counts to it, also when the request has ended.
func TestUpstreamTags(t *testing.T) {
	t.Parallel()
	read := func(tags uint32) time.Duration {
		body := binary.AppendUvarint([]byte{0}, uint64(tags)) // no authorized operations
		begun := time.Now()
		request := kmsg.NewPtrDescribeClusterRequest()
		request.SetVersion(0)
		if err := request.ReadFrom(body); err == nil && tags > 0 {
			t.Error("a request whose tags are missing can be read")
		}
		return time.Since(begun)
	}
	quick := read(1)
	for range 10 {
		quick = min(quick, read(1))
	}
	if slow := read(1 << 22); slow < 100*quick {
		t.Errorf("kmsg reads a tag that is missing in %v, and four million of them in %v", quick, slow)
	}
}
