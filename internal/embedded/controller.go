package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
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
// answers, through one connection inside the process. Requests for the
// controller that reach a broker are passed on to it, and wherever an answer
// names the controller, it names a broker that runs.
type controller struct {
	cluster *Cluster
	link    *link
}

func newController(c *Cluster, l *link) *controller {
	ctl := &controller{cluster: c, link: l}
	for _, key := range []kmsg.Key{
		kmsg.Metadata, kmsg.DescribeCluster, kmsg.CreateTopics,
		kmsg.DeleteTopics, kmsg.CreatePartitions, kmsg.AlterUserSCRAMCredentials,
	} {
		c.fake.ControlKey(key.Int16(), ctl.passOn)
	}
	c.fake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), ctl.askForTheLastEpoch)
	c.mendGroups()
	return ctl
}

// askForTheLastEpoch is kfake's hook for a consumer that asks, after a leader
// has moved, how far the log of an earlier leader went. kfake, whose partitions
// have one copy, loses nothing when a leader moves; but it doesn't know an epoch
// in which nothing was written yet, and so makes a consumer think that records
// are lost, and read the partition from its start. Asked for the present epoch,
// it tells the end of the log, which is the right answer for each of them.
func (ctl *controller) askForTheLastEpoch(request kmsg.Request) (kmsg.Response, error, bool) {
	ctl.cluster.fake.KeepControl()
	for _, t := range request.(*kmsg.OffsetForLeaderEpochRequest).Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			p.LeaderEpoch = max(p.LeaderEpoch, p.CurrentLeaderEpoch)
		}
	}
	return nil, nil, false // kfake itself answers.
}

// hide removes the hidden broker from what clients see.
func (ctl *controller) hide() error {
	if err := ctl.cluster.fake.RemoveNode(hiddenID); err != nil {
		return fmt.Errorf("hiding the controller: %w", err)
	}
	return nil
}

func (ctl *controller) close() { ctl.link.close() }

// passOn is kfake's hook for a request: it has the hidden broker answer it.
func (ctl *controller) passOn(request kmsg.Request) (kmsg.Response, error, bool) {
	fake := ctl.cluster.fake
	fake.KeepControl()
	if fake.CurrentNode() == hiddenID {
		return nil, nil, false // It came through the link: kfake itself answers.
	}
	var answer kmsg.Response
	var err error
	// While this request waits for the hidden broker, kfake serves the others.
	fake.SleepControl(func() { answer, err = ctl.answer(request) })
	return answer, err, true // With an error, kfake closes the client's connection.
}

// answer has the hidden broker answer a request, and mends what the answer
// tells of the hidden broker itself.
func (ctl *controller) answer(request kmsg.Request) (kmsg.Response, error) {
	answer, err := ctl.link.roundTrip(request)
	if err != nil {
		return nil, err
	}
	switch answer := answer.(type) {
	case *kmsg.MetadataResponse:
		answer.ControllerID = -1
		for _, b := range answer.Brokers {
			answer.ControllerID = lowest(answer.ControllerID, b.NodeID)
		}
	case *kmsg.DescribeClusterResponse:
		answer.ControllerID = -1
		for _, b := range answer.Brokers {
			answer.ControllerID = lowest(answer.ControllerID, b.NodeID)
		}
	case *kmsg.CreateTopicsResponse:
		for i := range answer.Topics {
			if answer.Topics[i].Configs == nil {
				// kfake says null for no configurations, and Java's admin client fails on it.
				answer.Topics[i].Configs = []kmsg.CreateTopicsResponseTopicConfig{}
			}
		}
		err = ctl.placeLeaders()
	case *kmsg.CreatePartitionsResponse:
		err = ctl.placeLeaders()
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

// leaders returns, by topic and partition, the number of the leader.
func (ctl *controller) leaders() (map[string]map[int32]int32, error) {
	request := kmsg.NewPtrMetadataRequest() // Topics is nil: all of them.
	request.SetVersion(7)
	answer, err := ctl.link.roundTrip(request)
	if err != nil {
		return nil, err
	}
	topics := make(map[string]map[int32]int32)
	for _, t := range answer.(*kmsg.MetadataResponse).Topics {
		partitions := make(map[int32]int32)
		for _, p := range t.Partitions {
			partitions[p.Partition] = p.Leader
		}
		topics[*t.Topic] = partitions
	}
	return topics, nil
}

// A link is a connection to the hidden broker, and the listener on which that
// broker finds it.
type link struct {
	ours, theirs net.Conn
	formatter    *kmsg.RequestFormatter

	mu     sync.Mutex // one request at a time
	used   bool       // the listener was given away
	once   sync.Once
	closed chan struct{}
}

func newLink() *link {
	ours, theirs := net.Pipe()
	return &link{
		ours: ours, theirs: theirs,
		formatter: kmsg.NewRequestFormatter(kmsg.FormatterClientID("controller")),
		closed:    make(chan struct{}),
	}
}

// listenOnce returns a listener the first time, then nil.
func (l *link) listenOnce() net.Listener {
	if l.used {
		return nil
	}
	l.used = true
	accept := make(chan net.Conn, 1)
	accept <- l.theirs
	return &linkListener{link: l, accept: accept}
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.closed)
		l.ours.Close()
		l.theirs.Close()
	})
}

// roundTrip has the hidden broker answer a request, in the request's version.
func (l *link) roundTrip(request kmsg.Request) (kmsg.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.ours.Write(l.formatter.AppendRequest(nil, request, 0)); err != nil {
		return nil, fmt.Errorf("asking the controller: %w", err)
	}
	var size [4]byte
	if _, err := io.ReadFull(l.ours, size[:]); err != nil {
		return nil, fmt.Errorf("reading the controller's answer: %w", err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(l.ours, frame); err != nil {
		return nil, fmt.Errorf("reading the controller's answer: %w", err)
	}
	reader := kbin.Reader{Src: frame}
	reader.Int32() // the correlation number
	answer := request.ResponseKind()
	if answer.IsFlexible() {
		kmsg.SkipTags(&reader)
	}
	if err := errors.Join(reader.Complete(), answer.ReadFrom(reader.Src)); err != nil {
		return nil, fmt.Errorf("reading the controller's answer: %w", err)
	}
	return answer, nil
}

// A linkListener accepts the one connection of a link. Closing it doesn't end
// that connection: kfake closes it when the hidden broker is removed.
type linkListener struct {
	link   *link
	accept chan net.Conn
}

func (l *linkListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.link.closed:
		return nil, net.ErrClosed
	}
}

func (l *linkListener) Close() error   { return nil }
func (l *linkListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
