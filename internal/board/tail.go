package board

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// kept is how many of the newest records of a partition the board holds.
	kept = 64
	// skipBeyond is how many unread records make the board jump to the newest.
	skipBeyond = 4 * kept
	// pace is the shortest time between two reads while records come in slowly,
	// and calmPace while they come so fast that only a sample is read.
	pace, calmPace = 40 * time.Millisecond, 300 * time.Millisecond
	// waitForRecords is how long a broker may keep a read waiting for records.
	waitForRecords = 500 * time.Millisecond
	// Each read asks for so much at most, whatever the records' size. A broker
	// returns one whole batch all the same, so that big ones aren't stuck.
	readBytes, readPartitionBytes = 1 << 20, 32 << 10
	// shownOfKey and shownOfValue are how many characters of a record go to the
	// page before it is asked for in full.
	shownOfKey, shownOfValue = 40, 60
)

// The tails read what the open pages show.
type tails struct {
	*link
	audience *audience
	cluster  *clusterWatch

	mu  sync.Mutex // also of all that is in a tail
	all map[span]*tail
}

// A tail reads the newest records of one span while a page shows it.
type tail struct {
	span
	*tails
	client *kgo.Client // of its own: a read that waits would hold up other requests
	ctx    context.Context
	cancel context.CancelFunc

	// All below is guarded by the lock of the tails.
	pages       int
	id          kadm.TopicID
	incarnation int // counted up when what was shown no longer belongs to the topic
	lanes       []*lane
	reading     map[int32]bool // the brokers that a goroutine reads from
	looked      time.Time      // when the client heard of the brokers last
	version     int            // counts the changes
	drawn       struct {       // the lanes as JSON, as long as nothing changes
		version int
		state   *clusterState
		json    json.RawMessage
	}
}

// A lane is what the board knows of one partition.
type lane struct {
	partition  int32
	next       int64 // the offset to read next; -1 asks for the newest
	start, end int64 // the log: from the oldest record to where the next one goes; end -1 is unknown
	seq        int64 // of the newest record, counted from 1
	records    []record
	sampled    time.Time // when records were last passed over

	rate     float64 // records a second
	ratedEnd int64
	ratedAt  time.Time
}

// A record is what a page gets of a record at first, as JSON.
type record struct {
	seq    int64
	offset int64
	key    string
	hash   uint32
	keyed  bool
	json   json.RawMessage
}

// cell is the JSON of a record.
type cell struct {
	Offset  int64   `json:"o"`
	Key     *string `json:"k"`           // nil: no key
	Hash    uint32  `json:"h,omitempty"` // of the key
	Value   string  `json:"v"`
	Gap     bool    `json:"g,omitempty"` // offsets before it are not in the log
	Control bool    `json:"c,omitempty"` // a marker of a transaction, not a record
}

// open has a span read for one more page. The page calls leave when it is gone,
// and is told whether it was the last one.
func (ts *tails) open(s span) (leave func() (last bool), err error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.all[s]
	if t == nil {
		client, err := kgo.NewClient(ts.options...)
		if err != nil {
			return nil, fmt.Errorf("reading topic %s: %w", s.topic, err)
		}
		t = &tail{span: s, tails: ts, client: client, reading: make(map[int32]bool)}
		t.ctx, t.cancel = context.WithCancel(ts.link.ctx)
		ts.all[s] = t
		t.adopt(ts.cluster.now().topics[s.topic])
	}
	t.pages++
	return func() bool { return ts.leave(t) }, nil
}

func (ts *tails) leave(t *tail) (last bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.pages--
	if t.pages > 0 {
		return false
	}
	t.cancel()
	delete(ts.all, t.span)
	if ts.link.ctx.Err() == nil {
		ts.background.Go(t.client.Close) // It waits for a read that is under way.
	}
	return true
}

func (ts *tails) close() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.all {
		t.client.Close()
	}
}

// adopt takes over what the cluster says of the topics, and brings the rates up to date.
func (ts *tails) adopt(state *clusterState) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	faded := false
	now := time.Now()
	for s, t := range ts.all {
		t.adopt(state.topics[s.topic])
		for _, l := range t.lanes {
			before := l.rate
			if l.rateNow(now); l.rate != before {
				t.version++
				faded = true
			}
		}
	}
	if faded {
		ts.audience.fade()
	}
}

// shows tells whether a page shows a topic.
func (ts *tails) shows(topic string) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for s := range ts.all {
		if s.topic == topic {
			return true
		}
	}
	return false
}

// count is how many spans are shown.
func (ts *tails) count() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.all)
}

// A spot is a partition of a topic.
type spot struct {
	topic     string
	partition int32
}

// ends returns where the partitions that are shown end, as far as that is known.
func (ts *tails) ends() map[spot]int64 {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ends := make(map[spot]int64)
	for s, t := range ts.all {
		for _, l := range t.lanes {
			if l.end >= 0 {
				ends[spot{s.topic, l.partition}] = l.end
			}
		}
	}
	return ends
}

// rehashed counts the different keys that are shown, and those of them that belong
// to another partition after partitions were added.
func (ts *tails) rehashed(topic string, before, after int) (keys, moved int) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	seen := make(map[uint32]bool)
	for s, t := range ts.all {
		if s.topic != topic {
			continue
		}
		for _, l := range t.lanes {
			for _, r := range l.records {
				if !r.keyed || seen[r.hash] {
					continue
				}
				seen[r.hash] = true
				if r.hash%uint32(before) != r.hash%uint32(after) {
					moved++
				}
			}
		}
	}
	return len(seen), moved
}

// within returns what the metadata says of the span's partitions.
func (s span) within(meta *topicMeta) []kadm.PartitionDetail {
	if meta == nil || s.from >= len(meta.partitions) {
		return nil
	}
	return meta.partitions[s.from:min(s.from+mostLanes, len(meta.partitions))]
}

// adopt takes over what the metadata says about the topic, and makes sure that
// each leader is read from. The caller has the lock.
func (t *tail) adopt(meta *topicMeta) {
	if meta == nil {
		if len(t.lanes) > 0 {
			t.lanes, t.id = nil, kadm.TopicID{}
			t.incarnation++
			t.change()
		}
		return
	}
	partitions := t.within(meta)
	if meta.id != t.id || len(partitions) < len(t.lanes) {
		// The topic is another one of the same name.
		t.lanes, t.id = nil, meta.id
		t.incarnation++
		t.change()
	}
	for i := len(t.lanes); i < len(partitions); i++ {
		t.lanes = append(t.lanes, &lane{partition: int32(t.from + i), next: -1, end: -1})
		t.change()
	}
	for _, p := range partitions {
		if p.Leader >= 0 && !t.reading[p.Leader] {
			t.reading[p.Leader] = true
			leader := p.Leader
			t.background.Go(func() { t.readFrom(leader) })
		}
	}
}

// readFrom reads the partitions that a broker leads, as long as it leads any.
func (t *tail) readFrom(broker int32) {
	failed := time.Duration(0)
	for t.ctx.Err() == nil {
		read, ok := t.plan(broker)
		if !ok {
			return
		}
		rest, err := t.read(broker, read)
		if err != nil {
			// The leader may have moved, or gone: the metadata will tell.
			if failed++; failed < 10 {
				t.cluster.poke()
			}
			rest = min(failed, 10) * 200 * time.Millisecond
		} else {
			failed = 0
		}
		select {
		case <-time.After(rest):
		case <-t.ctx.Done():
		}
	}
}

// A plan is what to read from a broker: the next offset by partition.
type plan struct {
	id   kadm.TopicID
	next map[int32]int64
}

// plan says what to read from a broker. If there is nothing, the caller ends.
func (t *tail) plan(broker int32) (plan, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	read := plan{t.id, make(map[int32]int64)}
	for i, p := range t.within(t.cluster.now().topics[t.topic]) {
		if p.Leader == broker && i < len(t.lanes) {
			read.next[t.lanes[i].partition] = t.lanes[i].next
		}
	}
	if len(read.next) == 0 {
		delete(t.reading, broker)
		return read, false
	}
	return read, true
}

// read reads once, and says how long to rest then.
func (t *tail) read(broker int32, read plan) (time.Duration, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.ctx, waitForRecords+3*time.Second)
	defer cancel()
	if err := t.locate(ctx, broker, read); err != nil {
		return 0, errors.Join(err, t.lookAround(ctx))
	}
	response, err := fetch(ctx, t.client, broker, t.topic, read, waitForRecords)
	if err != nil {
		return 0, errors.Join(err, t.lookAround(ctx))
	}
	rest := pace - time.Since(begin)
	for i := range response.Topics {
		for j := range response.Topics[i].Partitions {
			p := &response.Topics[i].Partitions[j]
			skipped, e := t.take(read, p)
			err = errors.Join(err, e)
			if skipped {
				rest = calmPace - time.Since(begin)
			}
		}
	}
	return max(rest, 0), err
}

// locate finds where to begin, for the partitions of which nothing was read yet.
func (t *tail) locate(ctx context.Context, broker int32, read plan) error {
	var unknown []int32
	for p, next := range read.next {
		if next < 0 {
			unknown = append(unknown, p)
		}
	}
	if unknown == nil {
		return nil
	}
	starts, err := t.offsets(ctx, broker, unknown, oldest)
	if err != nil {
		return err
	}
	ends, err := t.offsets(ctx, broker, unknown, newest)
	if err != nil {
		return err
	}
	for _, p := range unknown {
		start, began := starts[p]
		end, ended := ends[p]
		if began && ended {
			read.next[p] = max(start, end-kept)
		} else {
			delete(read.next, p)
		}
	}
	return nil
}

// These stand for times: that of the oldest record, and that of the next one.
const (
	oldest = -2
	newest = -1
)

// offsets asks the leader of partitions for an offset of each. One of which it
// can't tell is left out.
func (t *tail) offsets(ctx context.Context, broker int32, partitions []int32, at int64) (map[int32]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = t.topic
	for _, p := range partitions {
		partition := kmsg.NewListOffsetsRequestTopicPartition()
		partition.Partition, partition.Timestamp = p, at
		asked.Partitions = append(asked.Partitions, partition)
	}
	request.Topics = append(request.Topics, asked)
	response, err := request.RequestWith(ctx, t.client.Broker(int(broker)))
	if err != nil {
		return nil, err
	}
	offsets := make(map[int32]int64)
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			if p.ErrorCode == 0 {
				offsets[p.Partition] = p.Offset
			}
		}
	}
	return offsets, nil
}

// lookAround has the client hear of the brokers again, after one didn't answer:
// perhaps it has come since then. Whether it has shows at the next question.
func (t *tail) lookAround(ctx context.Context) error {
	t.mu.Lock()
	soon := time.Since(t.looked) < 500*time.Millisecond
	if !soon {
		t.looked = time.Now()
	}
	t.mu.Unlock()
	if soon {
		return nil // Whoever reads from another broker has just done it.
	}
	_, err := kadm.NewClient(t.client).BrokerMetadata(ctx)
	return err
}

// fetch asks a broker for records, without a group.
func fetch(ctx context.Context, client *kgo.Client, broker int32, topic string, read plan, wait time.Duration) (*kmsg.FetchResponse, error) {
	request := kmsg.NewPtrFetchRequest()
	request.MaxWaitMillis = int32(wait.Milliseconds())
	request.MinBytes = 1
	request.MaxBytes = readBytes
	asked := kmsg.NewFetchRequestTopic()
	asked.Topic, asked.TopicID = topic, read.id
	for p, next := range read.next {
		partition := kmsg.NewFetchRequestTopicPartition()
		partition.Partition, partition.FetchOffset, partition.PartitionMaxBytes = p, next, readPartitionBytes
		asked.Partitions = append(asked.Partitions, partition)
	}
	request.Topics = append(request.Topics, asked)
	response, err := request.RequestWith(ctx, client.Broker(int(broker)))
	if err != nil {
		return nil, err
	}
	return response, kerr.ErrorForCode(response.ErrorCode)
}

// take keeps the newest of the records that were read from a partition. It
// tells whether records were passed over because there are too many.
func (t *tail) take(read plan, p *kmsg.FetchResponseTopicPartition) (skipped bool, err error) {
	from := read.next[p.Partition]
	fetched, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		KeepControlRecords: true, Offset: from, Topic: t.topic, Partition: p.Partition,
	}, p, kgo.DefaultDecompressor(), nil)

	t.mu.Lock()
	defer t.mu.Unlock()
	at := int(p.Partition) - t.from
	if t.id != read.id || at < 0 || at >= len(t.lanes) {
		return false, nil // The topic became another one in the meantime.
	}
	l := t.lanes[at]
	if errors.Is(fetched.Err, kerr.OffsetOutOfRange) {
		// Retention was faster, or the log is shorter than it was: look again. What
		// is shown stays, as far as it is still in the log.
		l.next = -1
		t.change()
		return false, nil
	}
	records := fetched.Records
	if fetched.Err != nil && len(records) == 0 {
		return false, fetched.Err
	}
	before := from
	if n := len(records); n > kept {
		before = records[n-kept-1].Offset + 1
		records = records[n-kept:]
	}
	if l.next < 0 {
		l.next = from
		l.forget(from, p.HighWatermark)
	}
	for _, r := range records {
		if r.Offset < l.next {
			continue
		}
		l.seq++
		l.records = append(l.records, newRecord(l.seq, r, r.Offset > before && len(l.records) > 0))
		before = r.Offset + 1
		l.next = before
	}
	if n := len(l.records); n > kept {
		l.records = slices.Clone(l.records[n-kept:])
	}
	if p.HighWatermark != l.end || p.LogStartOffset != l.start || len(records) > 0 {
		l.end, l.start = p.HighWatermark, p.LogStartOffset
		l.forget(l.start, l.end)
		t.change()
	}
	if l.end-l.next > skipBeyond {
		l.next = l.end - kept
		l.sampled = time.Now()
		return true, nil
	}
	return false, nil
}

// change tells the pages of what was read. The caller has the lock.
func (t *tail) change() {
	t.version++
	t.audience.change()
}

// forget drops the records that are outside the log.
func (l *lane) forget(start, end int64) {
	l.records = slices.DeleteFunc(l.records, func(r record) bool { return r.offset < start || r.offset >= end })
}

// rateNow brings the number of records a second up to date.
func (l *lane) rateNow(now time.Time) {
	elapsed := now.Sub(l.ratedAt).Seconds()
	if l.end < 0 || elapsed < 0.9 {
		return
	}
	fresh := float64(max(l.end-l.ratedEnd, 0)) / elapsed
	if l.ratedAt.IsZero() {
		fresh = 0
	}
	l.rate = (l.rate + 2*fresh) / 3
	if l.rate < 0.05 {
		l.rate = 0
	}
	l.ratedEnd, l.ratedAt = l.end, now
}

// shownKey is a key as the cells of the page have it.
func shownKey(raw []byte) string {
	key, cut := clean(raw, shownOfKey)
	if cut {
		key += "…"
	}
	return key
}

func newRecord(seq int64, r *kgo.Record, gap bool) record {
	c := cell{Offset: r.Offset, Gap: gap, Control: r.Attrs.IsControl()}
	kept := record{seq: seq, offset: r.Offset}
	if r.Key != nil && !c.Control {
		key := shownKey(r.Key)
		c.Key, c.Hash = &key, murmur2(r.Key)
		kept.key, kept.hash, kept.keyed = key, c.Hash, true
	}
	if !c.Control {
		var cut bool
		if c.Value, cut = clean(r.Value, shownOfValue); cut {
			c.Value += "…"
		}
	}
	var err error
	if kept.json, err = json.Marshal(c); err != nil {
		kept.json = fmt.Appendf(nil, `{"o":%d,"k":null,"v":"(can't be shown)"}`, r.Offset)
	}
	return kept
}
