package embedded

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/semaphore"
)

// kfake was made for tests, whose clients are well behaved: it allocates what the
// first four bytes of a connection announce, and some requests make it panic, which
// ends the process. So a guard stands between each socket and kfake. It reads a
// request as a whole, and kfake sees it only if it is one that this cluster serves.
//
// Three things bound the memory that clients can make the process take, however
// many they are: a request has a largest length, the requests that are being
// answered share a budget, and so do the records that are on their way to readers.
const (
	// maxProduceBytes is Apache Kafka's own limit (socket.request.max.bytes) for a
	// request. Only one that brings records can be that long.
	maxProduceBytes = 100 << 20
	// maxRequestBytes is the limit for all others. kfake needs up to fifty times the
	// length of a request to answer it, and a list of ten thousand topics fits.
	maxRequestBytes = 1 << 20
	// maxUnread is how much of a long request is taken before it waits for its turn.
	maxUnread = 64 << 10
	// smallRequest is the length up to which a request never waits for its turn.
	smallRequest = 4 << 10
	// turnBytes is the budget of each of the three queues for a turn.
	turnBytes = 64 << 20
	// longRequestTime is how long a request of more than smallRequest may take to arrive.
	longRequestTime = 30 * time.Second
	// stalledTime is how long a client may leave an answer unread. Then its connection
	// is closed, since what it asked for takes memory.
	stalledTime = time.Minute

	// answerBytes is the budget for records on their way to readers: all fetches under
	// way share it. A single one gets at most maxFetchBytes, and at least minFetchBytes,
	// but always a whole batch, so that every reader goes on.
	answerBytes   = 32 << 20
	maxFetchBytes = 1 << 20
	minFetchBytes = 64 << 10
)

// limits are the budgets that all connections of a cluster share.
type limits struct {
	long    *semaphore.Weighted // requests of more than maxUnread
	writes  *semaphore.Weighted // shorter ones that bring records
	others  *semaphore.Weighted // shorter ones that don't
	fetches atomic.Int64        // how many fetches are under way
	unsent  atomic.Int64        // bytes of records that readers haven't taken yet
}

func newLimits() *limits {
	return &limits{
		long:   semaphore.NewWeighted(turnBytes),
		writes: semaphore.NewWeighted(turnBytes),
		others: semaphore.NewWeighted(turnBytes),
	}
}

// fetchBytes is how many bytes of records a fetch may ask for at the moment.
func (l *limits) fetchBytes() int32 {
	share := (answerBytes - l.unsent.Load()) / max(1, l.fetches.Load())
	return int32(min(maxFetchBytes, max(minFetchBytes, share)))
}

// weight is how much memory a request is reckoned to take until it is answered.
func weight(key int16, length int) int64 {
	factor := 32 // A list of short names takes many times its length.
	switch kmsg.Key(key) {
	case kmsg.Produce, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.PushTelemetry:
		factor = 2 // What these bring is mostly bytes that nobody takes apart.
	}
	return min(int64(length)*int64(factor), turnBytes)
}

// A request is one that the guard has read.
type request struct {
	correlation int32
	header      []byte       // as it came
	body        kmsg.Request // as kfake will read it
}

// A conn is a client's connection. kfake reads from it only requests that the
// guard lets pass, and what it writes goes through the guard too.
type conn struct {
	net.Conn
	of     *listener
	reader *bufio.Reader
	ctx    context.Context // ends with the connection
	end    context.CancelFunc

	// These belong to the goroutine that reads.
	unread []byte    // of the request that kfake is reading
	buffer []byte    // a frame of up to maxUnread lies here
	last   *exchange // the request that kfake was given last

	mu       sync.Mutex
	current  *exchange     // the request that kfake is answering
	answered chan struct{} // an answer was sent
}

// An exchange is a request that kfake is answering.
type exchange struct {
	silent  bool                 // kfake won't answer
	member  bool                 // a member of a group waits for the others, see lastAnswer
	fetch   bool                 // it asks for records
	mend    func(kmsg.Response)  // corrects kfake's answer; nil for none
	kind    func() kmsg.Response // an empty answer, for mend
	release func()               // gives back what it took of the budgets

	// kfake gets some requests in pieces, see pieces.go: these are still to come, and
	// this is what it answered so far.
	pieces [][]byte
	whole  *kmsg.ProduceResponse
}

func newConn(inner net.Conn, l *listener) *conn {
	ctx, end := context.WithCancel(context.Background())
	return &conn{
		Conn: inner, of: l, reader: bufio.NewReader(inner), ctx: ctx, end: end,
		answered: make(chan struct{}, 1),
	}
}

func (c *conn) Close() error {
	c.end()
	c.of.forget(c)
	c.finish(c.take())
	return c.Conn.Close()
}

// take returns the request that kfake is answering, which from then on it no
// longer is. It returns nil if there is none.
func (c *conn) take() *exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.current
	c.current = nil
	return e
}

// finish gives back what a request took of the budgets.
func (c *conn) finish(e *exchange) {
	if e == nil {
		return
	}
	if e.fetch {
		c.of.cluster.limits.fetches.Add(-1)
	}
	e.release()
}

// Read is called by kfake, which reads one request after the other.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.unread) == 0 {
		if err := c.next(); err != nil {
			return 0, err // kfake closes the connection.
		}
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

// next reads a request from the client. Either kfake is to answer it, then it is in
// c.unread, or it is answered already.
func (c *conn) next() error {
	if c.last != nil && len(c.last.pieces) > 0 {
		return c.nextPiece()
	}
	c.giveBack()
	var start [4]byte
	if _, err := io.ReadFull(c.reader, start[:]); err != nil {
		c.lastAnswer()
		return err
	}
	if err := c.waitForAnswer(); err != nil {
		return err
	}
	if c.greeting(start[:]) {
		return errForeign
	}
	frame, release, err := c.readFrame(start)
	if err != nil {
		return err
	}
	forward, err := c.of.cluster.guard(c, frame)
	if err != nil || forward == nil {
		release()
		return err
	}
	forward.exchange.release = release
	return c.forward(forward)
}

// waitForAnswer waits until kfake has answered the request before. That way a
// connection has one request in the process at a time.
func (c *conn) waitForAnswer() error {
	e := c.last
	c.last = nil
	if e == nil {
		return nil
	}
	if e.silent {
		c.finish(c.take())
		return nil
	}
	return c.waitForWrite()
}

// lastAnswer lets kfake answer a member that has gone while it waited for the others of
// its group. From that answer on, kfake waits for the next sign of life for the time of
// the member's session. Without the answer, the member would never count as dead, and
// keep its partitions.
func (c *conn) lastAnswer() {
	if c.last != nil && c.last.member {
		c.waitForWrite() // Its error would only say that the connection has ended.
	}
}

// waitForWrite waits until kfake has written once.
func (c *conn) waitForWrite() error {
	select {
	case <-c.answered:
		return nil
	case <-c.ctx.Done():
		return net.ErrClosed
	}
}

// errForeign ends the connection of somebody who doesn't speak Kafka's protocol.
var errForeign = errors.New("this is not Kafka's protocol")

// greeting recognises the first bytes of protocols that get here by mistake, and
// tells the person at the terminal.
func (c *conn) greeting(start []byte) bool {
	cluster, port := c.of.cluster, c.of.port
	switch string(start) {
	case "GET ", "HEAD", "POST", "PUT ", "DELE", "OPTI", "PATC", "CONN", "TRAC", "PRI ":
		board := "the cluster's board has an address of its own"
		if url := cluster.boardURL(); url != "" {
			board = "the board is at " + url
		}
		cluster.warn("port %d is a Kafka broker and no web server; %s", port, board)
		return true
	}
	if start[0] == 0x16 && start[1] == 3 {
		cluster.warn(
			"port %d was addressed with TLS; this cluster speaks Kafka's protocol without encryption (security.protocol=PLAINTEXT)", port)
		return true
	}
	return false
}

// buffered returns so many bytes, which the connection has until giveBack.
func (c *conn) buffered(n int) []byte {
	if cap(c.buffer) < n {
		c.buffer = frames.get(n)
	}
	return c.buffer[:n]
}

// giveBack gives the buffer of a long request to whoever needs one next: an idle
// connection keeps none.
func (c *conn) giveBack() {
	if cap(c.buffer) > smallRequest {
		frames.put(c.buffer)
		c.buffer = nil
	}
}

// frames are buffers for requests, used again and again.
var frames framePool

type framePool struct{ sync.Pool }

// mostPooled is the length up to which a buffer is kept: a writer's usual batch.
const mostPooled = 2 << 20

func (p *framePool) get(n int) []byte {
	if n > smallRequest && n <= mostPooled {
		if b, ok := p.Get().(*[]byte); ok && cap(*b) >= n {
			return *b
		}
		// The next one may be longer.
		return make([]byte, n, min(mostPooled, 2*n))
	}
	return make([]byte, n)
}

func (p *framePool) put(b []byte) {
	if cap(b) > smallRequest && cap(b) <= mostPooled {
		p.Put(&b)
	}
}

// readFrame reads the rest of a request whose length has come. It returns the whole
// frame, length included, and how to give back what it takes of the budgets.
func (c *conn) readFrame(start [4]byte) (frame []byte, release func(), err error) {
	length := int(int32(binary.BigEndian.Uint32(start[:])))
	if length < 8 || length > maxProduceBytes {
		return nil, nil, fmt.Errorf("a request of %d bytes", length)
	}
	first, err := c.reader.Peek(4)
	if err != nil {
		return nil, nil, err
	}
	key := int16(binary.BigEndian.Uint16(first))
	if key != int16(kmsg.Produce) && length > maxRequestBytes {
		return nil, nil, fmt.Errorf("a %s request of %d bytes", kmsg.NameForKey(key), length)
	}

	size := 4 + length
	arrived := min(size, maxUnread)
	frame = c.buffered(arrived)
	copy(frame, start[:])
	if length > smallRequest {
		// What has come of a request takes memory while the rest is awaited.
		c.Conn.SetReadDeadline(time.Now().Add(longRequestTime))
		defer c.Conn.SetReadDeadline(time.Time{})
	}
	if _, err := io.ReadFull(c.reader, frame[4:]); err != nil {
		return nil, nil, err
	}

	limits, w := c.of.cluster.limits, weight(key, length)
	queue := limits.others
	switch {
	case size > maxUnread:
		queue = limits.long
	case length <= smallRequest:
		return frame, func() {}, nil
	case key == int16(kmsg.Produce):
		queue = limits.writes
	}
	if err := queue.Acquire(c.ctx, w); err != nil {
		return nil, nil, err
	}
	release = func() { queue.Release(w) }
	if size > arrived {
		first := c.buffer
		c.buffer = nil
		whole := c.buffered(size)
		copy(whole, frame)
		c.buffer, frame = whole, whole
		frames.put(first)
		c.Conn.SetReadDeadline(time.Now().Add(longRequestTime))
		_, err = io.ReadFull(c.reader, frame[arrived:])
		if err != nil {
			release()
			return nil, nil, err
		}
	}
	return frame, release, nil
}

// forward hands a request to kfake.
func (c *conn) forward(f *forwarded) error {
	e := &f.exchange
	if e.fetch {
		c.of.cluster.limits.fetches.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil { // Close has been here, and won't see this request.
		c.finish(e)
		return net.ErrClosed
	}
	c.current, c.last, c.unread = e, e, f.frame
	return nil
}

// Write is called by kfake with an answer.
func (c *conn) Write(frame []byte) (int, error) {
	e := c.take()
	if e == nil {
		return 0, net.ErrClosed
	}
	if e.whole != nil {
		return c.writePiece(e, frame)
	}
	defer c.finish(e)
	if e.silent {
		// The client doesn't expect an answer. Apache Kafka closes its connection too,
		// when a write that asks for none went wrong.
		return 0, net.ErrClosed
	}
	answer := frame
	if e.mend != nil {
		mended, err := mend(frame, e.kind(), e.mend)
		if err != nil {
			return 0, err
		}
		answer = mended
	}
	if e.fetch {
		unsent := &c.of.cluster.limits.unsent
		unsent.Add(int64(len(answer)))
		defer unsent.Add(-int64(len(answer)))
	}
	if err := c.send(answer); err != nil {
		return 0, err
	}
	c.answered <- struct{}{}
	return len(frame), nil
}

// send writes an answer to the client, unless the client doesn't read it.
func (c *conn) send(answer []byte) error {
	const piece = 256 << 10
	for len(answer) > 0 {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(stalledTime)); err != nil {
			return err
		}
		n, err := c.Conn.Write(answer[:min(piece, len(answer))])
		if err != nil {
			return err
		}
		answer = answer[n:]
	}
	return nil
}

// respond answers a request that kfake doesn't see.
func (c *conn) respond(correlation int32, answer kmsg.Response) error {
	return c.send(appendAnswer(nil, correlation, answer))
}

// appendAnswer appends an answer as it goes over a connection.
func appendAnswer(dst []byte, correlation int32, answer kmsg.Response) []byte {
	start := len(dst)
	dst = kbin.AppendInt32(dst, 0) // the length, which isn't known yet
	dst = kbin.AppendInt32(dst, correlation)
	if answer.IsFlexible() && answer.Key() != int16(kmsg.ApiVersions) {
		dst = append(dst, 0) // no tags
	}
	dst = answer.AppendTo(dst)
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}

// mend returns an answer of kfake's, corrected.
func mend(frame []byte, answer kmsg.Response, correct func(kmsg.Response)) ([]byte, error) {
	correlation, err := readAnswer(frame[4:], answer)
	if err != nil {
		return nil, err
	}
	correct(answer)
	return appendAnswer(nil, correlation, answer), nil
}

// readAnswer reads an answer from a frame without its length.
func readAnswer(frame []byte, answer kmsg.Response) (correlation int32, err error) {
	reader := kbin.Reader{Src: frame}
	correlation = reader.Int32()
	if answer.IsFlexible() && answer.Key() != int16(kmsg.ApiVersions) {
		kmsg.SkipTags(&reader)
	}
	return correlation, errors.Join(reader.Complete(), answer.ReadFrom(reader.Src))
}

// forwarded is a request that kfake is to answer.
type forwarded struct {
	frame    []byte
	exchange exchange
}

// guard decides about a request. It returns what kfake is to see, or nil if it has
// answered the request itself. With an error the connection is closed, which is
// what Apache Kafka does with a request that it can't read.
func (cluster *Cluster) guard(c *conn, frame []byte) (*forwarded, error) {
	key := int16(binary.BigEndian.Uint16(frame[4:]))
	version := int16(binary.BigEndian.Uint16(frame[6:]))
	served, ok := cluster.versions[key]
	if !ok {
		return nil, fmt.Errorf("a request of the unknown kind %d", key)
	}
	if version < served.min || version > served.max {
		if key != int16(kmsg.ApiVersions) {
			return nil, fmt.Errorf("%s in the unsupported version %d", kmsg.NameForKey(key), version)
		}
		// A client that is newer than the cluster learns from this which version to use.
		correlation := int32(binary.BigEndian.Uint32(frame[8:]))
		return nil, c.respond(correlation, unsupportedVersion(served))
	}
	r, err := parse(frame, key, version)
	if err != nil {
		return nil, err
	}
	if len(frame) > maxString && key != int16(kmsg.Produce) && hasLongString(reflect.ValueOf(r.body)) {
		return nil, fmt.Errorf("%s with a text of over %d bytes", kmsg.NameForKey(key), maxString)
	}
	return cluster.decide(c, frame, r)
}

// parse reads a request. kmsg checks the lengths that it reads; should it panic on
// one after all, only this connection ends.
func parse(frame []byte, key, version int16) (r request, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading %s: %v", kmsg.NameForKey(key), p)
		}
	}()
	reader := kbin.Reader{Src: frame[8:]}
	r.correlation = reader.Int32()
	reader.NullableString() // the client's id
	r.body = kmsg.RequestForKey(key)
	r.body.SetVersion(version)
	if r.body.IsFlexible() {
		// kmsg.SkipTags believes the number of tags, and counts to it when there are none.
		for tags := reader.Uvarint(); tags > 0 && reader.Ok(); tags-- {
			reader.Uvarint() // the tag's number
			reader.Span(int(reader.Uvarint()))
		}
	}
	if err := reader.Complete(); err != nil {
		return request{}, fmt.Errorf("reading the header of %s: %w", kmsg.NameForKey(key), err)
	}
	r.header = frame[:len(frame)-len(reader.Src)]
	if err := r.body.ReadFrom(reader.Src); err != nil {
		return request{}, fmt.Errorf("reading %s: %w", kmsg.NameForKey(key), err)
	}
	return r, nil
}

// maxString is how long a text can be in Kafka's protocol, in bytes. kfake takes
// longer ones in newer versions, and can't write them in older ones.
const maxString = 1<<15 - 1

// hasLongString tells whether a request contains a text of more than maxString.
func hasLongString(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return v.Len() > maxString
	case reflect.Pointer:
		return !v.IsNil() && hasLongString(v.Elem())
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return false
		}
		for i := range v.Len() {
			if hasLongString(v.Index(i)) {
				return true
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if hasLongString(v.Field(i)) {
				return true
			}
		}
	}
	return false
}

// unsupportedVersion answers an ApiVersions request whose version isn't served. The
// answer is in the oldest version, and names the versions of this request only.
func unsupportedVersion(served versionRange) kmsg.Response {
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.ErrorCode = kerr.UnsupportedVersion.Code
	key := kmsg.NewApiVersionsResponseApiKey()
	key.ApiKey, key.MinVersion, key.MaxVersion = int16(kmsg.ApiVersions), served.min, served.max
	answer.ApiKeys = append(answer.ApiKeys, key)
	return answer
}

// decide says what happens to a request that could be read.
func (cluster *Cluster) decide(c *conn, frame []byte, r request) (*forwarded, error) {
	if answer := refuseGroup(r.body); answer != nil {
		return nil, c.respond(r.correlation, answer)
	}
	ctl := cluster.controller
	e := exchange{kind: r.body.ResponseKind}
	changed := false
	switch body := r.body.(type) {
	case *kmsg.MetadataRequest, *kmsg.DescribeClusterRequest, *kmsg.CreateTopicsRequest,
		*kmsg.DeleteTopicsRequest, *kmsg.CreatePartitionsRequest, *kmsg.AlterUserSCRAMCredentialsRequest:
		answer, err := ctl.answer(body)
		if err != nil {
			return nil, err
		}
		return nil, c.respond(r.correlation, answer)
	case *kmsg.ProduceRequest:
		e.silent = body.Acks == 0
		e.mend = cluster.checkRecords(body)
		changed = e.mend != nil
		if body.Version >= 13 && len(body.Topics) > 1 {
			return splitProduce(r, body, e), nil
		}
	case *kmsg.ConsumerGroupDescribeRequest, *kmsg.ShareGroupDescribeRequest:
		e.mend = ctl.nameTopics
	case *kmsg.DescribeTopicPartitionsRequest:
		e.mend = nameReplicas
	case *kmsg.JoinGroupRequest:
		e.member = true
		changed = nameProtocolsOnce(body)
	case *kmsg.SyncGroupRequest:
		e.member = true
	case *kmsg.FetchRequest:
		e.fetch = true
		if most := cluster.limits.fetchBytes(); body.MaxBytes > most {
			body.MaxBytes, changed = most, true
		}
	case *kmsg.ShareFetchRequest:
		e.fetch = true
		if most := cluster.limits.fetchBytes(); body.MaxBytes > most {
			body.MaxBytes, changed = most, true
		}
	case *kmsg.OffsetCommitRequest:
		e.mend = refuseCommits(body)
		changed = e.mend != nil
	case *kmsg.TxnOffsetCommitRequest:
		e.mend = refuseTxnCommits(body)
		changed = e.mend != nil
	case *kmsg.OffsetForLeaderEpochRequest:
		askForTheLastEpoch(body)
		changed = true
	case *kmsg.AlterConfigsRequest:
		e.mend = cluster.alterConfigs(body)
		changed = true
	case *kmsg.IncrementalAlterConfigsRequest:
		e.mend = cluster.incrementalAlterConfigs(body)
		changed = true
	}
	if changed {
		frame = r.again(r.body)
	}
	return &forwarded{frame, e}, nil
}

// again returns the frame of a changed request. Its header stays as it came, and with
// it the client's id.
func (r request) again(body kmsg.Request) []byte {
	frame := body.AppendTo(r.header[:len(r.header):len(r.header)])
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}

// nameProtocolsOnce takes a protocol of a group out of a request that names it before.
// kfake panics on one that is named twice.
func nameProtocolsOnce(join *kmsg.JoinGroupRequest) (changed bool) {
	seen := make(map[string]bool)
	var once []kmsg.JoinGroupRequestProtocol
	for _, p := range join.Protocols {
		if !seen[p.Name] {
			once = append(once, p)
		}
		seen[p.Name] = true
	}
	changed = len(once) < len(join.Protocols)
	join.Protocols = once
	return changed
}

// nameReplicas says that a partition has no replicas that are eligible as its leader
// beside those in sync. kfake says null, and Java's admin client fails on it.
func nameReplicas(answer kmsg.Response) {
	for _, t := range answer.(*kmsg.DescribeTopicPartitionsResponse).Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			if p.EligibleLeaderReplicas == nil {
				p.EligibleLeaderReplicas = []int32{}
			}
			if p.LastKnownELR == nil {
				p.LastKnownELR = []int32{}
			}
		}
	}
}
