package board

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// lively and idle are the times between two questions to the cluster: while
	// something changes, and while nothing does.
	lively, idle = 250 * time.Millisecond, time.Second
	// calmAfter is how long nothing may change until the board asks less often.
	calmAfter = 5 * time.Second
	// unseen is the time between two questions while no page is open. The board
	// goes on watching then, so that a page that is opened later tells what was.
	unseen = 2 * time.Second
	// patience is how long the board waits for an answer before it says that the
	// cluster doesn't answer.
	patience = 3 * time.Second
	// share is how many times as long as a question took the board rests before
	// it asks again. So it takes a small share of a processor, whatever it is told.
	share = 10
)

// However large a cluster is, or says it is, the board shows at most so much of it at once,
// and says how much more there is.
const (
	mostTopics  = 500 // in the list of topics
	mostBrokers = 48  // on the page
	mostLanes   = 48  // partitions of a topic on a page, which can turn to the next ones
	mostMembers = 40  // of a group
	// knownBrokers is how many brokers the board remembers, to tell when one goes or comes. Each of
	// them is asked for its groups, so from a larger cluster the board doesn't want to know them.
	knownBrokers = 1000
)

// These identify the two clusters of this repository.
const (
	embeddedCluster = "embedded-cluster"
	composeCluster  = "IqgpJVdqTvEzDAFV8T69FA"
)

// A collector asks the cluster what the pages show, and remembers it.
type collector struct {
	options    []kgo.Opt
	client     *kgo.Client
	adm        *kadm.Client
	brokersOf  Brokers
	addrs      []string
	programs   map[string]string
	first      string // the topic that is shown first
	ctx        context.Context
	cancel     context.CancelFunc
	background sync.WaitGroup
	poked      chan struct{} // the cluster is to be asked at once
	regroup    chan struct{} // the groups are to be asked for at once
	began      time.Time     // since when the board watches

	mu          sync.Mutex
	changed     chan struct{} // closed and replaced at each change
	generation  int           // counts the changes
	changedAt   time.Time
	pages       int
	asked       bool // the cluster was asked at least once
	reachable   bool
	cluster     string
	controller  int32
	brokers     map[int32]*broker
	moreBrokers int // brokers that the cluster has beyond those
	topics      map[string]*topicMeta
	tails       map[span]*tail
	groups      map[string]*group
	groupsAsked bool
	events      []event
	lastEvent   int64
	views       map[span]*view
	moved       []move // of leaders, not long ago
	stops       map[int32]time.Time
}

// A span is what a page shows: up to mostLanes partitions of a topic.
type span struct {
	topic string
	from  int // the first partition
}

// A broker is one that the cluster has, or had since the board looks.
type broker struct {
	ID   int32  `json:"id"`
	Addr string `json:"addr"`
	Up   bool   `json:"up"`
}

// topicMeta is what the metadata says of a topic.
type topicMeta struct {
	id         kadm.TopicID
	internal   bool
	partitions []kadm.PartitionDetail // by number
}

func newCollector(o Options) (*collector, error) {
	c := &collector{
		// A broker that is down is found out soon, and the next one asked.
		options: []kgo.Opt{
			kgo.SeedBrokers(o.Addrs...),
			kgo.ClientID("board"),
			kgo.DialTimeout(time.Second),
			kgo.RequestRetries(2),
			kgo.RetryTimeout(patience),
			kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
			kgo.MetadataMinAge(50 * time.Millisecond),
		},
		brokersOf: o.Brokers,
		addrs:     o.Addrs,
		programs:  o.Programs,
		first:     o.Topic,
		poked:     make(chan struct{}, 1),
		regroup:   make(chan struct{}, 1),
		began:     time.Now(),
		changed:   make(chan struct{}),
		brokers:   make(map[int32]*broker),
		topics:    make(map[string]*topicMeta),
		tails:     make(map[span]*tail),
		groups:    make(map[string]*group),
		views:     make(map[span]*view),
		stops:     make(map[int32]time.Time),
	}
	c.options = append(c.options, o.client...)
	var err error
	if c.client, err = kgo.NewClient(c.options...); err != nil {
		return nil, fmt.Errorf("making a client for the board: %w", err)
	}
	c.adm = kadm.NewClient(c.client)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.poke()
	c.background.Go(c.watchCluster)
	c.background.Go(c.watchGroups)
	return c, nil
}

func (c *collector) close() {
	c.cancel()
	c.background.Wait()
	c.client.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.tails {
		t.client.Close()
	}
}

// open notes that a page shows a span. The page calls release when it is gone.
func (c *collector) open(s span) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pages >= mostPages {
		return nil, fmt.Errorf("%d pages are open already: close some", mostPages)
	}
	t := c.tails[s]
	if t == nil {
		if t, err = c.newTail(s); err != nil {
			return nil, err
		}
		c.tails[s] = t
		t.adopt(c.topics[s.topic])
	}
	t.pages++
	c.pages++
	c.changedAt = time.Now() // A new page sees a lively board.
	poke(c.poked)
	poke(c.regroup)
	return func() { c.release(t) }, nil
}

func (c *collector) release(t *tail) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.pages--
	c.pages--
	if t.pages == 0 {
		t.cancel()
		delete(c.tails, t.span)
		delete(c.views, t.span)
		if c.ctx.Err() == nil {
			c.background.Go(t.client.Close) // It waits for a read that is under way.
		}
	}
}

// change tells the pages that there is something new. The caller has the lock.
func (c *collector) change() {
	c.generation++
	c.changedAt = time.Now()
	close(c.changed)
	c.changed = make(chan struct{})
}

// poke has a question asked at once.
func poke(asker chan<- struct{}) {
	select {
	case asker <- struct{}{}:
	default:
	}
}

// poke has the cluster asked at once.
func (c *collector) poke() { poke(c.poked) }

// rest waits until it is time to ask again, after a question that took so long.
// It returns false at the end.
func (c *collector) rest(poked <-chan struct{}, between, took time.Duration) bool {
	select {
	case <-time.After(max(between, share*took)):
	case <-poked:
		// However often somebody pokes, this isn't asked without a pause.
		select {
		case <-time.After(max(30*time.Millisecond, share/2*took)):
		case <-c.ctx.Done():
		}
	case <-c.ctx.Done():
	}
	return c.ctx.Err() == nil
}

// between is the time from one question about the cluster to the next.
func (c *collector) between() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.pages == 0:
		return unseen
	case time.Since(c.changedAt) < calmAfter, !c.reachable:
		return lively
	default:
		return idle
	}
}

// watchCluster keeps brokers and topics up to date.
func (c *collector) watchCluster() {
	for took := time.Duration(0); c.rest(c.poked, c.between(), took); {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		metadata, err := c.metadata(ctx)
		cancel()
		if c.ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		if err != nil {
			c.lost()
		} else {
			c.adopt(metadata)
		}
		c.rateLanes()
		c.mu.Unlock()
		took = time.Since(begin)
		if err != nil {
			took = 0 // That was waiting, and no work.
		}
	}
}

// metadata asks for brokers and topics, and for the real controller.
func (c *collector) metadata(ctx context.Context) (kadm.Metadata, error) {
	if c.brokersOf != nil && !c.anyRuns() {
		return kadm.Metadata{}, errors.New("all brokers are stopped")
	}
	metadata, err := c.adm.Metadata(ctx)
	if err != nil || metadata.Cluster == embeddedCluster {
		return metadata, err
	}
	// Apache Kafka names any broker as the controller, since clients need not know
	// it. The leader of the quorum that keeps the metadata is the controller.
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	quorum, err := request.RequestWith(ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(quorum.ErrorCode)
	}
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		metadata.Controller = c.controller // Without an answer nothing is known to have changed.
		return metadata, nil
	}
	for _, t := range quorum.Topics {
		for _, p := range t.Partitions {
			metadata.Controller = p.LeaderID
		}
	}
	return metadata, nil
}

// anyRuns tells whether a broker of the cluster in this process runs.
func (c *collector) anyRuns() bool {
	for i := range c.addrs {
		if c.brokersOf.Running(i + 1) {
			return true
		}
	}
	return false
}

// lost notes that the cluster doesn't answer. The caller has the lock.
func (c *collector) lost() {
	for _, b := range c.brokers {
		if b.Up && (c.brokersOf == nil || !c.brokersOf.Running(int(b.ID))) {
			b.Up = false
			if c.brokersOf != nil {
				c.stops[b.ID] = time.Now()
				c.say(warning, "Broker %d has stopped.", b.ID)
			}
			c.change()
		}
	}
	if c.reachable || !c.asked {
		c.asked, c.reachable = true, false
		c.say(warning, "The cluster doesn't answer. The board goes on asking.")
		c.change()
	}
}

// adopt takes over what the cluster said. The caller has the lock.
func (c *collector) adopt(m kadm.Metadata) {
	first := !c.asked
	if !c.reachable {
		c.reachable, c.asked = true, true
		if !first {
			c.say(good, "The cluster answers again.")
		}
		c.change()
		poke(c.regroup)
	}
	if c.cluster != m.Cluster {
		c.cluster = m.Cluster
		c.change()
	}
	c.adoptBrokers(m, first)
	c.adoptTopics(m, first)
	c.tellMoves()
	for s, t := range c.tails {
		t.adopt(c.topics[s.topic])
	}
}

func (c *collector) adoptBrokers(m kadm.Metadata, first bool) {
	if c.brokersOf != nil {
		// The brokers of this process are known, whether they run or not.
		for i, addr := range c.addrs {
			if id := int32(i + 1); c.brokers[id] == nil {
				c.brokers[id] = &broker{ID: id, Addr: name(addr)}
			}
		}
	}
	up := make(map[int32]bool)
	c.moreBrokers = 0
	for _, d := range m.Brokers {
		up[d.NodeID] = true
		b := c.brokers[d.NodeID]
		if b == nil && len(c.brokers) >= knownBrokers {
			c.moreBrokers++
			continue
		}
		if b == nil {
			b = &broker{ID: d.NodeID}
			c.brokers[d.NodeID] = b
			if !first {
				c.say(good, "Broker %d has joined the cluster.", d.NodeID)
				b.Up = true
			}
			c.change()
		}
		if addr := name(fmt.Sprintf("%s:%d", d.Host, d.Port)); b.Addr != addr {
			b.Addr = addr
			c.change()
		}
	}
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			for _, id := range p.Replicas {
				if c.brokers[id] == nil && id >= 0 && len(c.brokers) < knownBrokers {
					c.brokers[id] = &broker{ID: id} // It is down, and the topics still count on it.
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.brokers)) {
		b := c.brokers[id]
		if b.Up == up[id] {
			continue
		}
		b.Up = up[id]
		c.change()
		switch {
		case first:
		case b.Up:
			c.say(good, "Broker %d runs again.", id)
		default:
			c.stops[id] = time.Now()
			c.say(warning, "Broker %d has stopped.", id)
		}
	}
	if c.controller != m.Controller {
		c.controller = m.Controller
		c.change()
		if !first && m.Controller >= 0 {
			c.say(plain, "Broker %d is the controller now.", m.Controller)
		}
	}
}

func (c *collector) adoptTopics(m kadm.Metadata, first bool) {
	topics := make(map[string]*topicMeta)
	for _, d := range m.Topics {
		if d.Err != nil {
			if old := c.topics[d.Topic]; old != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
				topics[d.Topic] = old
			}
			continue
		}
		topics[d.Topic] = &topicMeta{d.ID, d.IsInternal, d.Partitions.Sorted()}
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		old, now := c.topics[topic], topics[topic]
		if old != nil && old.id == now.id && slices.EqualFunc(old.partitions, now.partitions, samePartition) {
			continue
		}
		c.change()
		if !first && !now.internal {
			c.tellTopic(topic, old, now)
		}
	}
	for topic, old := range c.topics {
		if topics[topic] == nil {
			c.change()
			if !old.internal {
				c.say(warning, "Topic %s is gone.", name(topic))
			}
		}
	}
	c.topics = topics
}

func samePartition(a, b kadm.PartitionDetail) bool {
	return a.Partition == b.Partition && a.Leader == b.Leader && slices.Equal(a.ISR, b.ISR) && slices.Equal(a.Replicas, b.Replicas)
}

// tellTopic says in plain words how a topic has changed.
func (c *collector) tellTopic(topic string, old, now *topicMeta) {
	if old == nil || old.id != now.id {
		c.say(good, "Topic %s was created, partitions: %d.", name(topic), len(now.partitions))
		return
	}
	if n := len(now.partitions); n > len(old.partitions) {
		text := fmt.Sprintf("Topic %s has %d partitions now, %d more.", name(topic), n, n-len(old.partitions))
		if keys, moved := c.rehashed(topic, len(old.partitions), n); keys > 0 {
			text += fmt.Sprintf(" Of the %d keys on the board, %d belong to another partition from now on.", keys, moved)
		}
		c.say(warning, "%s", text)
	}
	if topic != c.first && !c.looked(topic) {
		return // Nobody looks at it: its leaders would only be noise.
	}
	// Partitions that have changed in the same way share a line.
	var without []int32
	fell, caughtUp := make(map[int32][]int32), make(map[int32][]int32)
	for i, p := range now.partitions {
		if i >= len(old.partitions) {
			break
		}
		was := old.partitions[i]
		if p.Leader != was.Leader {
			if p.Leader < 0 {
				without = append(without, p.Partition)
			} else {
				c.moved = append(c.moved, move{topic, p.Partition, was.Leader, p.Leader, time.Now()})
			}
		}
		if c.cluster == embeddedCluster {
			continue // It doesn't replicate.
		}
		for _, id := range p.Replicas {
			is, did := slices.Contains(p.ISR, id), slices.Contains(was.ISR, id)
			if is && !did {
				caughtUp[id] = append(caughtUp[id], p.Partition)
			}
			if did && !is {
				fell[id] = append(fell[id], p.Partition)
			}
		}
	}
	of := c.of(topic)
	for _, id := range slices.Sorted(maps.Keys(fell)) {
		c.say(warning, "Broker %d fell out of the in-sync replicas of %s%s.", id, partitions(fell[id]), of)
	}
	if without != nil {
		c.say(warning, "%s%s %s without a leader: nobody can write there or read.", capital(partitions(without)), of, isAre(len(without)))
	}
	for _, id := range slices.Sorted(maps.Keys(caughtUp)) {
		c.say(good, "Broker %d is in sync again in %s%s.", id, partitions(caughtUp[id]), of)
	}
}

// looked tells whether a page shows a topic.
func (c *collector) looked(topic string) bool {
	for s := range c.tails {
		if s.topic == topic {
			return true
		}
	}
	return false
}

// of names a topic in a line of the events, if it may be unclear which one is meant.
func (c *collector) of(topic string) string {
	if topic == c.first && len(c.tails) <= 1 {
		return ""
	}
	return " of " + name(topic)
}

// A move is that of a partition's leader from one broker to another.
type move struct {
	topic     string
	partition int32
	from, to  int32
	at        time.Time
}

const (
	// together is how long the end of a broker and the moves of its leaders may lie
	// apart and still be told as one. A cluster may tell of either first.
	together = 10 * time.Second
	// mostMoves is how many moves are kept for that.
	mostMoves = 10_000
)

// tellMoves says which brokers lead from now on, and because of which broker's end.
func (c *collector) tellMoves() {
	type reason struct {
		topic    string
		from, to int32
	}
	led := make(map[reason][]int32)
	var later []move
	for _, m := range c.moved {
		stopped := time.Since(c.stops[m.from]) < together
		waits := c.brokers[m.from] != nil && c.brokers[m.from].Up && time.Since(m.at) < idle
		switch {
		case stopped:
			led[reason{m.topic, m.from, m.to}] = append(led[reason{m.topic, m.from, m.to}], m.partition)
		case waits: // Whether its old leader has stopped is known the next time.
			later = append(later, m)
		default:
			led[reason{m.topic, -1, m.to}] = append(led[reason{m.topic, -1, m.to}], m.partition)
		}
	}
	c.moved = later[:min(len(later), mostMoves)]
	for _, r := range slices.SortedFunc(maps.Keys(led), func(a, b reason) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	}) {
		ids := led[r]
		text := fmt.Sprintf("%s%s %s now led by broker %d", capital(partitions(ids)), c.of(r.topic), isAre(len(ids)), r.to)
		if r.from >= 0 {
			text += fmt.Sprintf(", because broker %d has stopped", r.from)
		}
		c.headline(warning, "%s.", text)
	}
}

// rehashed counts the different keys that are shown, and those of them that belong
// to another partition after partitions were added.
func (c *collector) rehashed(topic string, before, after int) (keys, moved int) {
	seen := make(map[uint32]bool)
	for s, t := range c.tails {
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

// rateLanes brings the rates up to date. The caller has the lock.
func (c *collector) rateLanes() {
	now := time.Now()
	for _, t := range c.tails {
		for _, l := range t.lanes {
			before := l.rate
			if l.rateNow(now); l.rate != before {
				// No call of change: a rate that fades away doesn't keep the board lively.
				c.generation++
				close(c.changed)
				c.changed = make(chan struct{})
			}
		}
	}
}
