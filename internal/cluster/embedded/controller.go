package embedded

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// hiddenID is the number of the broker that no client sees.
const hiddenID = 0

// A controller answers the requests that only the controller of a cluster may
// answer.
//
// kfake makes one of its first brokers the controller and keeps that choice for
// ever: were it one of the learner's three, no topic could be created once it
// was stopped. So the first broker is a hidden one. It listens on no port, is
// removed from the cluster as soon as the three others are there, and still
// answers, through a connection inside the process. The guard passes requests
// for the controller on to it, whichever broker they reach, and wherever an
// answer names the controller, it names a broker that runs.
type controller struct {
	cluster  *Cluster
	link     *link
	creating sync.Mutex // one request that creates something at a time
}

// askForTheLastEpoch changes what a consumer asks after a leader has moved: how
// far the log of an earlier leader went. kfake, whose partitions have one copy,
// loses nothing when a leader moves; but it doesn't know an epoch in which
// nothing was written yet, and so makes a consumer think that records are lost,
// and read the partition from its start. Asked for the present epoch, it tells
// the end of the log, which is the right answer for each of them.
func askForTheLastEpoch(request *kmsg.OffsetForLeaderEpochRequest) {
	for _, t := range request.Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			p.LeaderEpoch = max(p.LeaderEpoch, p.CurrentLeaderEpoch)
		}
	}
}

// hide removes the hidden broker from what clients see.
func (ctl *controller) hide() error {
	if err := ctl.cluster.fake.RemoveNode(hiddenID); err != nil {
		return fmt.Errorf("hiding the controller: %w", err)
	}
	return nil
}

func (ctl *controller) close() { ctl.link.close() }

// answer answers a request that is the controller's: it has the hidden broker do
// what may be done, and mends what the answer tells of the hidden broker itself.
func (ctl *controller) answer(request kmsg.Request) (kmsg.Response, error) {
	switch request := request.(type) {
	case *kmsg.MetadataRequest:
		return ctl.metadata(request)
	case *kmsg.CreateTopicsRequest:
		return ctl.createTopics(request)
	case *kmsg.CreatePartitionsRequest:
		return ctl.createPartitions(request)
	}
	answer, err := ctl.link.roundTrip(request)
	if cluster, ok := answer.(*kmsg.DescribeClusterResponse); ok {
		cluster.ControllerID = -1
		for _, b := range cluster.Brokers {
			cluster.ControllerID = lowest(cluster.ControllerID, b.NodeID)
		}
	}
	return answer, err
}

// placeLeaders gives new partitions the leaders that they should have.
func (ctl *controller) placeLeaders() error {
	ctl.cluster.mu.Lock()
	defer ctl.cluster.mu.Unlock()
	return ctl.cluster.placeLeaders()
}

// lowest returns the lower of two brokers' numbers, where -1 is none.
func lowest(a, b int32) int32 {
	if a < 0 || b < a {
		return b
	}
	return a
}

// nameTopics names the topics in a description of a group. kfake tells
// only their ids, and Apache Kafka both.
func (ctl *controller) nameTopics(answer kmsg.Response) {
	metadata, err := ctl.allTopics()
	if err != nil {
		return // The cluster is being closed; the ids are right all the same.
	}
	names := make(map[[16]byte]string)
	for _, t := range metadata.Topics {
		if t.Topic != nil {
			names[t.TopicID] = *t.Topic
		}
	}
	switch answer := answer.(type) {
	case *kmsg.ConsumerGroupDescribeResponse:
		for _, group := range answer.Groups {
			for _, m := range group.Members {
				for _, assignment := range []kmsg.Assignment{m.Assignment, m.TargetAssignment} {
					for i := range assignment.TopicPartitions {
						t := &assignment.TopicPartitions[i]
						t.Topic = cmp.Or(t.Topic, names[t.TopicID])
					}
				}
			}
		}
	case *kmsg.ShareGroupDescribeResponse:
		for _, group := range answer.Groups {
			for _, m := range group.Members {
				for i := range m.Assignment.TopicPartitions {
					t := &m.Assignment.TopicPartitions[i]
					t.Topic = cmp.Or(t.Topic, names[t.TopicID])
				}
			}
		}
	}
}

// leaders returns, by topic and partition, the number of the leader.
func (ctl *controller) leaders() (map[string]map[int32]int32, error) {
	metadata, err := ctl.allTopics()
	if err != nil {
		return nil, err
	}
	topics := make(map[string]map[int32]int32)
	for _, t := range metadata.Topics {
		if t.Topic == nil {
			continue
		}
		partitions := make(map[int32]int32)
		for _, p := range t.Partitions {
			partitions[p.Partition] = p.Leader
		}
		topics[*t.Topic] = partitions
	}
	return topics, nil
}

// allTopics returns the metadata of all topics.
func (ctl *controller) allTopics() (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest() // Topics is nil: all of them.
	// Versions before 9 write a name's length in two bytes, which is too short for
	// what kfake takes for a name.
	request.SetVersion(12)
	answer, err := ctl.link.roundTrip(request)
	if err != nil {
		answer, err = ctl.link.roundTrip(request) // The link was closed, and is a new one now.
	}
	if err != nil {
		return nil, err
	}
	return answer.(*kmsg.MetadataResponse), nil
}

// nameOf returns the name of a topic, or "" if there is none with this id.
func (ctl *controller) nameOf(id [16]byte) string {
	metadata, err := ctl.allTopics()
	if err != nil {
		return ""
	}
	for _, t := range metadata.Topics {
		if t.TopicID == id && t.Topic != nil {
			return *t.Topic
		}
	}
	return ""
}

// A versionRange is the versions of a request that are served.
type versionRange struct{ min, max int16 }

// versions asks which requests the cluster serves.
func (ctl *controller) versions() (map[int16]versionRange, error) {
	request := kmsg.NewPtrApiVersionsRequest()
	request.SetVersion(3)
	request.ClientSoftwareName, request.ClientSoftwareVersion = "controller", "1"
	answer, err := ctl.link.roundTrip(request)
	if err != nil {
		return nil, err
	}
	versions := make(map[int16]versionRange)
	for _, key := range answer.(*kmsg.ApiVersionsResponse).ApiKeys {
		versions[key.ApiKey] = versionRange{key.MinVersion, key.MaxVersion}
	}
	return versions, nil
}

// A link leads to the hidden broker: a connection, and the listener on which that
// broker finds it. When the connection ends, the next request opens another.
type link struct {
	formatter *kmsg.RequestFormatter
	accept    chan net.Conn
	closed    chan struct{}
	once      sync.Once
	used      bool // the listener was given away

	mu   sync.Mutex // one request at a time
	conn atomic.Pointer[net.Conn]
}

func newLink() *link {
	return &link{
		formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID("controller")),
		accept:    make(chan net.Conn),
		closed:    make(chan struct{}),
	}
}

// listenOnce returns a listener the first time, then nil.
func (l *link) listenOnce() net.Listener {
	if l.used {
		return nil
	}
	l.used = true
	return &linkListener{l}
}

func (l *link) close() {
	l.once.Do(func() { close(l.closed) })
	if conn := l.conn.Load(); conn != nil {
		(*conn).Close()
	}
}

// open returns the connection to the hidden broker.
func (l *link) open() (net.Conn, error) {
	if conn := l.conn.Load(); conn != nil {
		return *conn, nil
	}
	ours, theirs := net.Pipe()
	l.conn.Store(&ours) // From here on, close ends it.
	select {
	case l.accept <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// roundTrip has the hidden broker answer a request, in the request's version.
func (l *link) roundTrip(request kmsg.Request) (kmsg.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	conn, err := l.open()
	if err != nil {
		return nil, fmt.Errorf("reaching the controller: %w", err)
	}
	answer, err := l.ask(conn, request)
	if err != nil {
		conn.Close()
		l.conn.Store(nil)
		return nil, fmt.Errorf("asking the controller: %w", err)
	}
	return answer, nil
}

// ask sends a request over the link and reads the answer.
func (l *link) ask(conn net.Conn, request kmsg.Request) (kmsg.Response, error) {
	if _, err := conn.Write(l.formatter.AppendRequest(nil, request, 0)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(conn, frame); err != nil {
		return nil, err
	}
	answer := request.ResponseKind()
	_, err := readAnswer(frame, answer)
	return answer, err
}

// A linkListener accepts the connections of a link. Closing it does nothing:
// kfake closes it when the hidden broker is removed, and it is needed further on.
type linkListener struct{ link *link }

func (l *linkListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.link.accept:
		return c, nil
	case <-l.link.closed:
		return nil, net.ErrClosed
	}
}

func (l *linkListener) Close() error   { return nil }
func (l *linkListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
