package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/testing/testkit"
)

// connect connects to a broker, for ten seconds.
func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// frameOf returns a request as it goes over a connection.
func frameOf(request kmsg.Request, version int16) []byte {
	request.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, request, 1)
}

// closes tells whether the other side closes the connection without an answer.
func closes(t *testing.T, conn net.Conn) bool {
	t.Helper()
	var timeout net.Error
	n, err := conn.Read(make([]byte, 1))
	return n == 0 && err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

// Whoever opens a broker's port with a browser, or with TLS, is told so at the
// terminal, once for each port.
func TestGreetings(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	c := start(t, Options{Warn: func(s string) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, s)
	}})
	c.SetBoard("http://127.0.0.1:9096")
	for range 2 {
		for _, greeting := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"} {
			conn := connect(t, c.Addrs()[0])
			if _, err := conn.Write([]byte(greeting)); err != nil {
				t.Fatal(err)
			}
			if !closes(t, conn) {
				t.Errorf("after %q the connection stays open", greeting)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	port := c.ports[0]
	if len(told) != 2 ||
		told[0] != fmt.Sprintf("port %d is a Kafka broker and no web server; the board is at http://127.0.0.1:9096", port) ||
		!strings.Contains(told[1], "TLS") {
		t.Errorf("told: %q", told)
	}
}

// The link to the hidden broker opens again after it was closed.
func TestLinkOpensAgain(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	ctx := deadline(t)
	adm := kadm.NewClient(client(t, c))
	for i := range 3 {
		// A version that isn't served: the hidden broker closes the link on it.
		request := kmsg.NewPtrMetadataRequest()
		request.SetVersion(99)
		if _, err := c.controller.link.roundTrip(request); err == nil {
			t.Error("the hidden broker answers version 99")
		}
		if _, err := adm.CreateTopic(ctx, 3, 3, nil, fmt.Sprint("topic-", i)); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if err := errors.Join(c.StopBroker(2), c.StartBroker(2)); err != nil {
			t.Error(err)
		}
	}
}

// A name that is too long for the protocol's older versions keeps nobody from creating
// topics, and brokers from stopping and starting. Only a program that uses kfake itself
// can make such a topic, or one that was made with an earlier version of this package.
func TestTooLongName(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	if err := c.fake.CreateTopic(strings.Repeat("a", 33_000), 3, nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.StopBroker(1), c.StartBroker(1)); err != nil {
		t.Error(err)
	}
	if _, err := kadm.NewClient(client(t, c)).CreateTopic(deadline(t), 3, 3, nil, "another"); err != nil {
		t.Error(err)
	}
}

// A failing is a listener that fails before it accepts.
type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return f.Listener.Accept()
}

// A process that has no file left to open for a moment accepts connections later.
func TestAcceptTriesAgain(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	c := &Cluster{tell: func(s string) { told = append(told, s) }, limits: newLimits()}
	l := &listener{Listener: &failing{inner, 3}, cluster: c, conns: make(map[*conn]struct{})}
	conn := connect(t, inner.Addr().String())
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if accepted.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Errorf("accepted %v, want %v", accepted.RemoteAddr(), conn.LocalAddr())
	}
	if len(told) != 1 || !strings.Contains(told[0], syscall.EMFILE.Error()) {
		t.Errorf("told: %q", told)
	}
	l.cut()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// Requests that are well formed and make kfake panic.
func TestWhatKfakePanicsOn(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	for what, frame := range map[string][]byte{
		"records for two unknown topics":   twoUnknownTopics(),
		"a protocol that is named twice":   protocolTwice(),
		"an interval of nothing":           noInterval(),
		"an interval longer than all time": endlessInterval(),
	} {
		t.Run(what, func(t *testing.T) {
			conn := connect(t, c.Addrs()[0])
			if _, err := conn.Write(frame); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, make([]byte, 4)); err != nil {
				t.Errorf("it isn't answered: %v", err)
			}
			if err := client(t, c).Ping(deadline(t)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func twoUnknownTopics() []byte {
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 1000
	for i := range 2 {
		topic := kmsg.NewProduceRequestTopic()
		topic.TopicID = [16]byte{1, 2, 3, byte(i)}
		partition := kmsg.NewProduceRequestTopicPartition()
		partition.Records = []byte{}
		topic.Partitions = append(topic.Partitions, partition, partition)
		topic.Partitions[1].Partition = 1
		request.Topics = append(request.Topics, topic)
	}
	return frameOf(request, 13)
}

func protocolTwice() []byte {
	request := kmsg.NewPtrJoinGroupRequest()
	request.Group, request.ProtocolType = "group", "consumer"
	request.SessionTimeoutMillis, request.RebalanceTimeoutMillis = 10_000, 10_000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	request.Protocols = append(request.Protocols, protocol, protocol)
	return frameOf(request, 2)
}

func noInterval() []byte { return interval("0") }

func endlessInterval() []byte { return interval("9223372036854775807") }

// interval sets the time between two compactions, and makes a topic that needs one.
func interval(value string) []byte {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	set := func(kind kmsg.ConfigResourceType, resource, name, value string) {
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kind, resource
		s := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		s.Name, s.Value = name, &value
		r.Configs = append(r.Configs, s)
		request.Resources = append(request.Resources, r)
	}
	set(kmsg.ConfigResourceTypeBroker, "", "log.cleaner.backoff.ms", value)
	set(kmsg.ConfigResourceTypeTopic, topic, "cleanup.policy", "compact")
	return frameOf(request, 1)
}

// A request in pieces is answered as one.
func TestRequestInPieces(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	ctx := deadline(t)
	var topics []string
	for i := range 5 {
		topics = append(topics, fmt.Sprint("topic-", i))
	}
	if _, err := kadm.NewClient(client(t, c)).CreateTopics(ctx, 1, 3, nil, topics...); err != nil {
		t.Fatal(err)
	}
	for _, acks := range []kgo.Acks{kgo.AllISRAcks(), kgo.NoAck()} {
		cl := client(t, c, kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite(), kgo.ProducerLinger(20*time.Millisecond))
		var failed sync.Map
		for i := range 500 {
			cl.Produce(ctx, &kgo.Record{Topic: topics[i%5], Value: []byte("value")}, func(r *kgo.Record, err error) {
				if err != nil {
					failed.Store(r.Topic, err)
				}
			})
		}
		if err := cl.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		failed.Range(func(topic, err any) bool {
			t.Errorf("%v: %v", topic, err)
			return true
		})
		if err := cl.Ping(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var counts []int64
	for ctx.Err() == nil {
		ends, err := kadm.NewClient(client(t, c)).ListEndOffsets(ctx, topics...)
		if err != nil {
			t.Fatal(err)
		}
		counts = nil
		ends.Each(func(o kadm.ListedOffset) { counts = append(counts, o.Offset) })
		if slices.Equal(counts, []int64{200, 200, 200, 200, 200}) {
			return // What asks for no acknowledgement may take a moment.
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the topics have %d records, want 200 each", counts)
}

// What a hundred connections ask for is bounded in memory, whether they send
// without an end, or read nothing of what they asked for, or hold what they began.
func TestMemoryOfManyConnections(t *testing.T) {
	if testkit.RaceDetector {
		t.Skip("with -race a process takes several times the memory: run it without")
	}
	c := startChild(t)
	if c.peak() == 0 {
		t.Skip("this system doesn't tell what memory a process takes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // Two hundred clients share the machine.
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for range 400 { // 40 MB of records
		cl.Produce(ctx, &kgo.Record{Value: make([]byte, 100_000)}, nil)
	}
	if err := cl.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	before := c.peak()
	for what, frame := range map[string][]byte{
		"fetches that nobody reads": fetchEverything(),
		"a request of 20 MB":        frameOf(manyNames(1_400_000), 12),
		"lists of names":            frameOf(manyNames(60_000), 12),
		"a request of 100 MiB that never ends": append([]byte("\x06\x40\x00\x00\x00\x00\x00\x0b\x00\x00\x00\x01\xff\xff"),
			make([]byte, 1<<20)...),
	} {
		begun := time.Now()
		var conns []net.Conn
		for i := range 100 {
			conn := connect(t, c.addrs[i%3])
			conns = append(conns, conn)
			go func() {
				for conn.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
					if _, err := conn.Write(frame); err != nil {
						return
					}
				}
			}()
		}
		// Meanwhile everybody else is served.
		for range 20 {
			if err := cl.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 10_000)}).FirstErr(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if _, err := kadm.NewClient(cl).ListTopics(ctx); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, conn := range conns {
			conn.Close()
		}
		t.Logf("%s: at most %d MiB, from %d MiB, in %v", what, c.peak()>>20, before>>20, time.Since(begun))
	}
	if peak := c.peak(); peak > mostMemory {
		t.Errorf("the cluster took %d MiB, want at most %d", peak>>20, mostMemory>>20)
	}
}

// fetchEverything asks for as much as there is, of each partition.
func fetchEverything() []byte {
	request := kmsg.NewPtrFetchRequest()
	request.MaxBytes, request.MaxWaitMillis, request.MinBytes = 1<<30, 100, 1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	for i := range int32(Brokers) {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.PartitionMaxBytes, p.CurrentLeaderEpoch = i, 1<<30, -1
		t.Partitions = append(t.Partitions, p)
	}
	request.Topics = append(request.Topics, t)
	return frameOf(request, 12)
}

// manyNames asks for the metadata of many topics.
func manyNames(n int) kmsg.Request {
	request := kmsg.NewPtrMetadataRequest()
	for i := range n {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(fmt.Sprintf("%06x", i))
		request.Topics = append(request.Topics, topic)
	}
	return request
}

// The budget for records on their way is shared by all who read.
func TestFetchShare(t *testing.T) {
	l := newLimits()
	l.fetches.Store(1)
	if got := l.fetchBytes(); got != maxFetchBytes {
		t.Errorf("one reader gets %d, want %d", got, maxFetchBytes)
	}
	l.fetches.Store(100)
	if got := l.fetchBytes(); got != answerBytes/100 {
		t.Errorf("a hundred readers get %d each, want %d", got, answerBytes/100)
	}
	l.unsent.Store(answerBytes)
	if got := l.fetchBytes(); got != minFetchBytes {
		t.Errorf("with nothing left, a reader gets %d, want %d", got, minFetchBytes)
	}
}

// Requests whose last byte never comes take little memory each, and nobody waits for them.
func TestRequestsThatNeverEnd(t *testing.T) {
	if testkit.RaceDetector {
		t.Skip("with -race a process takes several times the memory: run it without")
	}
	c := startChild(t)
	if c.peak() == 0 {
		t.Skip("this system doesn't tell what memory a process takes")
	}
	const connections, length = 600, 255 << 10
	before := c.peak()
	begun := make([]byte, length-1)
	binary.BigEndian.PutUint32(begun, length-4)
	copy(begun[4:], "\x00\x00\x00\x0b\x00\x00\x00\x01\xff\xff") // a write
	for i := range connections {
		conn := connect(t, c.addrs[i%3])
		go conn.Write(begun)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for range 50 {
		if err := cl.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 10_000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	peak := c.peak()
	t.Logf("%d such requests: at most %d MiB, from %d MiB", connections, peak>>20, before>>20)
	// Each may have maxUnread here. All that they send would be 150 MiB, and more with the garbage.
	if most := int64(130 << 20); int64(peak) > most {
		t.Errorf("the cluster took %d MiB, want at most %d", peak>>20, most>>20)
	}
}
