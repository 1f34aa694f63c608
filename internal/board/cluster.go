package board

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// These identify the two clusters of this repository.
const (
	embeddedCluster = "embedded-cluster"
	composeCluster  = "IqgpJVdqTvEzDAFV8T69FA"
)

// A clusterWatch asks for brokers and topics, and tells what has become of them.
// Only its own goroutine writes: others read the state that it has published.
type clusterWatch struct {
	*link
	*journal
	tails     *tails // which topics are looked at
	brokersOf Brokers
	addrs     []string
	first     string // the topic that is shown first
	poked     chan struct{}
	regroup   chan<- struct{} // has the groups asked for at once

	state atomic.Pointer[clusterState]
	next  *clusterState // the one that is being made
	moved []move        // of leaders, not long ago
	stops map[int32]time.Time

	changed bool // whether the next state differs from the last one
}

// A clusterState is what the cluster said last. It is never changed once it is published.
type clusterState struct {
	asked       bool // the cluster was asked at least once
	reachable   bool
	cluster     string
	controller  int32
	brokers     map[int32]broker
	moreBrokers int // brokers that the cluster has beyond those
	topics      map[string]*topicMeta
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

// now is what the cluster said last.
func (c *clusterWatch) now() *clusterState { return c.state.Load() }

func (c *clusterWatch) poke() { poke(c.poked) }

// watch keeps brokers and topics up to date.
func (c *clusterWatch) watch() {
	for took := time.Duration(0); c.rest(c.poked, c.pace(), took); {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		metadata, err := c.metadata(ctx)
		cancel()
		if c.ctx.Err() != nil {
			return
		}
		state := *c.now()
		state.brokers = maps.Clone(state.brokers)
		c.next, c.changed = &state, false
		if err != nil {
			c.lost()
		} else {
			c.adopt(metadata)
		}
		comes := c.next.reachable && !c.now().reachable
		c.state.Store(c.next)
		c.tails.adopt(c.next)
		// Only now, since a page that is told looks at once.
		if c.changed {
			c.audience.change()
		}
		if comes {
			poke(c.regroup)
		}
		took = time.Since(begin)
		if err != nil {
			took = 0 // That was waiting, and no work.
		}
	}
}

// pace is the time from one question about the cluster to the next.
func (c *clusterWatch) pace() time.Duration {
	pace := c.audience.pace()
	if pace == idle && !c.now().reachable {
		return lively
	}
	return pace
}

// metadata asks for brokers and topics, and for the real controller.
func (c *clusterWatch) metadata(ctx context.Context) (kadm.Metadata, error) {
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
		metadata.Controller = c.now().controller // Without an answer nothing is known to have changed.
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
func (c *clusterWatch) anyRuns() bool {
	for i := range c.addrs {
		if c.brokersOf.Running(i + 1) {
			return true
		}
	}
	return false
}

// lost notes that the cluster doesn't answer.
func (c *clusterWatch) lost() {
	for id, b := range c.next.brokers {
		if b.Up && (c.brokersOf == nil || !c.brokersOf.Running(int(id))) {
			b.Up = false
			c.next.brokers[id] = b
			if c.brokersOf != nil {
				c.stops[b.ID] = time.Now()
				c.say(warning, "Broker %d has stopped.", b.ID)
			}
			c.changed = true
		}
	}
	if c.next.reachable || !c.next.asked {
		c.next.asked, c.next.reachable = true, false
		c.say(warning, "The cluster doesn't answer. The board goes on asking.")
		c.changed = true
	}
}

// adopt takes over what the cluster said.
func (c *clusterWatch) adopt(m kadm.Metadata) {
	first := c.next.topics == nil // What there is already isn't news.
	if !c.next.reachable {
		if c.next.asked {
			c.say(good, "The cluster answers again.")
		}
		c.next.reachable, c.next.asked = true, true
		c.changed = true
	}
	if c.next.cluster != m.Cluster {
		c.next.cluster = m.Cluster
		c.changed = true
	}
	c.adoptBrokers(m, first)
	c.adoptTopics(m, first)
	c.tellMoves()
}

func (c *clusterWatch) adoptBrokers(m kadm.Metadata, first bool) {
	if c.brokersOf != nil {
		// The brokers of this process are known, whether they run or not.
		for i, addr := range c.addrs {
			id := int32(i + 1)
			if _, known := c.next.brokers[id]; !known {
				c.next.brokers[id] = broker{ID: id, Addr: name(addr)}
			}
		}
	}
	up := make(map[int32]bool)
	c.next.moreBrokers = 0
	for _, d := range m.Brokers {
		up[d.NodeID] = true
		b, known := c.next.brokers[d.NodeID]
		if !known && len(c.next.brokers) >= knownBrokers {
			c.next.moreBrokers++
			continue
		}
		if !known {
			b = broker{ID: d.NodeID}
			if !first {
				c.say(good, "Broker %d has joined the cluster.", d.NodeID)
				b.Up = true
			}
			c.changed = true
		}
		if addr := name(fmt.Sprintf("%s:%d", d.Host, d.Port)); b.Addr != addr {
			b.Addr = addr
			c.changed = true
		}
		c.next.brokers[d.NodeID] = b
	}
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			for _, id := range p.Replicas {
				_, known := c.next.brokers[id]
				if !known && id >= 0 && len(c.next.brokers) < knownBrokers {
					c.next.brokers[id] = broker{ID: id} // It is down, and the topics still count on it.
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.next.brokers)) {
		b := c.next.brokers[id]
		if b.Up == up[id] {
			continue
		}
		b.Up = up[id]
		c.next.brokers[id] = b
		c.changed = true
		switch {
		case first:
		case b.Up:
			c.say(good, "Broker %d runs again.", id)
		default:
			c.stops[id] = time.Now()
			c.say(warning, "Broker %d has stopped.", id)
		}
	}
	if c.next.controller != m.Controller {
		c.next.controller = m.Controller
		c.changed = true
		if !first && m.Controller >= 0 {
			c.say(plain, "Broker %d is the controller now.", m.Controller)
		}
	}
}

func (c *clusterWatch) adoptTopics(m kadm.Metadata, first bool) {
	topics := make(map[string]*topicMeta)
	for _, d := range m.Topics {
		if d.Err != nil {
			if old := c.next.topics[d.Topic]; old != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
				topics[d.Topic] = old
			}
			continue
		}
		topics[d.Topic] = &topicMeta{d.ID, d.IsInternal, d.Partitions.Sorted()}
	}
	for _, topic := range slices.Sorted(maps.Keys(topics)) {
		old, now := c.next.topics[topic], topics[topic]
		if old != nil && old.id == now.id && slices.EqualFunc(old.partitions, now.partitions, samePartition) {
			continue
		}
		c.changed = true
		if !first && !now.internal {
			c.tellTopic(topic, old, now)
		}
	}
	for topic, old := range c.next.topics {
		if topics[topic] == nil {
			c.changed = true
			if !old.internal {
				c.say(warning, "Topic %s is gone.", name(topic))
			}
		}
	}
	c.next.topics = topics
}

func samePartition(a, b kadm.PartitionDetail) bool {
	return a.Partition == b.Partition && a.Leader == b.Leader && slices.Equal(a.ISR, b.ISR) && slices.Equal(a.Replicas, b.Replicas)
}

// tellTopic says in plain words how a topic has changed.
func (c *clusterWatch) tellTopic(topic string, old, now *topicMeta) {
	if old == nil || old.id != now.id {
		c.say(good, "Topic %s was created, partitions: %d.", name(topic), len(now.partitions))
		return
	}
	if n := len(now.partitions); n > len(old.partitions) {
		text := fmt.Sprintf("Topic %s has %d partitions now, %d more.", name(topic), n, n-len(old.partitions))
		if keys, moved := c.tails.rehashed(topic, len(old.partitions), n); keys > 0 {
			text += fmt.Sprintf(" Of the %d keys on the board, %d belong to another partition from now on.", keys, moved)
		}
		c.say(warning, "%s", text)
	}
	if topic != c.first && !c.tails.shows(topic) {
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
		if c.next.cluster == embeddedCluster {
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

// of names a topic in a line of the events, if it may be unclear which one is meant.
func (c *clusterWatch) of(topic string) string {
	if topic == c.first && c.tails.count() <= 1 {
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
func (c *clusterWatch) tellMoves() {
	type reason struct {
		topic    string
		from, to int32
	}
	led := make(map[reason][]int32)
	var later []move
	for _, m := range c.moved {
		stopped := time.Since(c.stops[m.from]) < together
		waits := c.next.brokers[m.from].Up && time.Since(m.at) < idle
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
