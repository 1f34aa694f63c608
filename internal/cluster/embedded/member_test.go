package embedded

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A member is a member of a group, with a connection of its own to the coordinator.
type member struct {
	t       *testing.T
	conn    net.Conn
	group   string
	id      string
	session time.Duration
}

func newMember(t *testing.T, addr, group string, session time.Duration) *member {
	return &member{t: t, conn: connect(t, addr), group: group, session: session}
}

func (m *member) send(request kmsg.Request) {
	m.t.Helper()
	if _, err := m.conn.Write(frameOf(request, 2)); err != nil {
		m.t.Fatal(err)
	}
}

// receive reads the answer to a request.
func (m *member) receive(answer kmsg.Response) {
	m.t.Helper()
	answer.SetVersion(2)
	var size [4]byte
	if _, err := io.ReadFull(m.conn, size[:]); err != nil {
		m.t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(m.conn, frame); err != nil {
		m.t.Fatal(err)
	}
	if _, err := readAnswer(frame, answer); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) join() {
	request := kmsg.NewPtrJoinGroupRequest()
	request.Group, request.MemberID, request.ProtocolType = m.group, m.id, "consumer"
	request.SessionTimeoutMillis = int32(m.session.Milliseconds())
	request.RebalanceTimeoutMillis = 30_000
	request.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}
	m.send(request)
}

func (m *member) joined() (generation int32) {
	m.t.Helper()
	answer := kmsg.NewPtrJoinGroupResponse()
	m.receive(answer)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		m.t.Fatalf("joining: %v", err)
	}
	m.id = answer.MemberID
	return answer.Generation
}

func (m *member) sync(generation int32, assigned ...string) {
	request := kmsg.NewPtrSyncGroupRequest()
	request.Group, request.MemberID, request.Generation = m.group, m.id, generation
	for _, id := range assigned {
		assignment := kmsg.NewSyncGroupRequestGroupAssignment()
		assignment.MemberID, assignment.MemberAssignment = id, []byte("partitions")
		request.GroupAssignment = append(request.GroupAssignment, assignment)
	}
	m.send(request)
}

func (m *member) synced() {
	m.t.Helper()
	answer := kmsg.NewPtrSyncGroupResponse()
	m.receive(answer)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		m.t.Fatalf("getting its partitions: %v", err)
	}
}

func (m *member) heartbeat(generation int32) error {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Group, request.MemberID, request.Generation = m.group, m.id, generation
	m.send(request)
	answer := kmsg.NewPtrHeartbeatResponse()
	m.receive(answer)
	return kerr.ErrorForCode(answer.ErrorCode)
}

// dyingMember has a member die while it waits for the others. It returns whether
// the other member is told within some time that the partitions are assigned anew.
func dyingMember(t *testing.T, cl *kgo.Client, group string, session, within time.Duration) bool {
	t.Helper()
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey, find.CoordinatorKeys = group, []string{group}
	found, err := find.RequestWith(deadline(t), cl)
	if err != nil {
		t.Fatal(err)
	}
	host, port := found.Host, found.Port
	if len(found.Coordinators) > 0 {
		host, port = found.Coordinators[0].Host, found.Coordinators[0].Port
	}
	addr := net.JoinHostPort(host, strconv.Itoa(int(port)))

	first, second := newMember(t, addr, group, session), newMember(t, addr, group, session)
	first.join()
	generation := first.joined()
	first.sync(generation, first.id)
	first.synced()

	second.join()
	for err := first.heartbeat(generation); err == nil; err = first.heartbeat(generation) {
		time.Sleep(10 * time.Millisecond) // Until it hears that another one is joining.
	}
	second.conn.Close() // It dies before the group has answered it.
	time.Sleep(100 * time.Millisecond)
	first.join()
	generation = first.joined()
	first.sync(generation, first.id)
	first.synced()

	for begun := time.Now(); time.Since(begun) < within; time.Sleep(session / 20) {
		if err := first.heartbeat(generation); err != nil {
			return true
		}
	}
	return false
}

// A member that dies while it joins gives its partitions back when its session is over.
// (kfake alone gets it right half of the time.)
func TestMemberDiesWhileItJoins(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: topic})
	cl := client(t, c)
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			if !dyingMember(t, cl, "group-"+strconv.Itoa(i), 6*time.Second, time.Minute) {
				t.Error("a dead member keeps its partitions")
			}
		})
	}
}

func TestUpstreamMemberDiesWhileItJoins(t *testing.T) {
	t.Parallel()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for i := range 20 {
		if !dyingMember(t, cl, "group-"+strconv.Itoa(i), time.Second, 5*time.Second) {
			return
		}
	}
	t.Error("kfake has mended it: see UPSTREAM.md for what can go")
}
