package board

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"kafka-with-go/internal/cluster/groups"
)

// A view is what all pages that show one span have in common, as JSON, at one
// generation. Ten pages cost one view.
type view struct {
	generation      int
	cluster, groups json.RawMessage
}

type views struct {
	mu  sync.Mutex
	all map[span]*view
}

func (v *views) forget(s span) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.all, s)
}

// The JSON of a view.
type (
	clusterJSON struct {
		Kind       string      `json:"kind"` // embedded, compose or other
		Asked      bool        `json:"asked"`
		Reachable  bool        `json:"reachable"`
		Addrs      string      `json:"addrs"`
		Replicates bool        `json:"replicates"`
		Groups     bool        `json:"groups"`  // they are asked for
		Buttons    bool        `json:"buttons"` // brokers can be stopped from the page
		Controller int32       `json:"controller"`
		Brokers    []broker    `json:"brokers"`
		Up         int         `json:"up"`    // brokers that are up, also those that aren't shown
		Count      int         `json:"count"` // all brokers
		Since      int64       `json:"since"` // the board watches; milliseconds since 1970
		Topics     []topicJSON `json:"topics"`
		More       int         `json:"more"` // topics that aren't listed
		Topic      topicJSON   `json:"topic"`
		From       int         `json:"from"` // the first partition that is shown
		Most       int         `json:"most"` // how many are shown at once
	}
	topicJSON struct {
		Name       string `json:"name"`
		Shown      string `json:"shown"` // the name, made safe to look at
		Partitions int    `json:"partitions"`
		Internal   bool   `json:"internal,omitempty"`
	}
	laneJSON struct {
		Partition int32   `json:"p"`
		Leader    int32   `json:"leader"`
		Replicas  []int32 `json:"replicas,omitempty"`
		InSync    []int32 `json:"inSync,omitempty"`
		Start     int64   `json:"start"`
		End       int64   `json:"end"` // -1: not known yet
		Rate      float64 `json:"rate"`
		Sampled   bool    `json:"sampled,omitempty"`
	}
	groupJSON struct {
		Letter  string           `json:"letter"`
		Name    string           `json:"name"`
		Kind    string           `json:"kind"`     // classic, consumer or share
		Words   string           `json:"words"`    // the kind in words
		Explain string           `json:"explains"` // what such a group does
		State   string           `json:"state"`
		Stable  bool             `json:"stable"`
		Here    bool             `json:"here"`   // it reads the topic that is shown
		Others  int              `json:"others"` // how many other topics it has commits or partitions in
		Members []memberJSON     `json:"members"`
		Count   int              `json:"count"`   // all members
		Commits map[string]int64 `json:"commits"` // by partition of the topic; in a share group the start of its window
		Lags    map[string]int64 `json:"lags"`    // by partition: only where it isn't the end less the commit
		Beyond  map[string]bool  `json:"beyond"`  // by partition: the commit lies beyond the log's end
		Command string           `json:"command"` // starts one more member
	}
	memberJSON struct {
		Label  string  `json:"label"`
		Client string  `json:"client"`
		Host   string  `json:"host"`
		Has    []int32 `json:"has"`    // partitions of the topic that are shown
		Count  int     `json:"count"`  // partitions of the topic
		Others int     `json:"others"` // partitions of other topics
		Idle   string  `json:"idle,omitempty"`
	}
)

// view returns the view of a span at a generation, or at a newer one.
func (c *collector) view(s span, generation int) *view {
	c.views.mu.Lock()
	defer c.views.mu.Unlock()
	if old := c.views.all[s]; old != nil && old.generation >= generation {
		return old
	}
	v := &view{generation: generation, cluster: marshal(c.clusterJSON(s)), groups: marshal(c.groupsJSON(s))}
	c.views.all[s] = v
	return v
}

// marshal writes JSON. For the types of a view it can't fail.
func marshal(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return raw
}

func (c *collector) clusterJSON(s span) clusterJSON {
	topic, state := s.topic, c.cluster.now()
	j := clusterJSON{
		Kind: "other", Asked: state.asked, Reachable: state.reachable, Addrs: name(fmt.Sprint(c.addrs)),
		Replicates: state.cluster != embeddedCluster, Buttons: c.cluster.brokersOf != nil, Groups: state.moreBrokers == 0,
		Controller: state.controller, Brokers: []broker{}, Topics: []topicJSON{},
		Topic: topicJSON{Name: topic, Shown: name(topic)}, From: s.from, Most: mostLanes,
		Count: len(state.brokers) + state.moreBrokers, Up: state.moreBrokers, Since: c.began.UnixMilli(),
	}
	switch {
	case state.cluster == embeddedCluster || c.cluster.brokersOf != nil:
		j.Kind, j.Replicates = "embedded", false
	case state.cluster == composeCluster:
		j.Kind = "compose"
	}
	for _, id := range slices.Sorted(maps.Keys(state.brokers)) {
		if state.brokers[id].Up {
			j.Up++
		}
		if len(j.Brokers) < mostBrokers {
			j.Brokers = append(j.Brokers, state.brokers[id])
		}
	}
	if meta := state.topics[topic]; meta != nil {
		j.Topic.Partitions = len(meta.partitions)
	}
	for t, meta := range state.topics {
		j.Topics = append(j.Topics, topicJSON{t, name(t), len(meta.partitions), meta.internal})
	}
	slices.SortFunc(j.Topics, func(a, b topicJSON) int {
		return cmp.Or(-cmp.Compare(b2i(a.Name == c.first), b2i(b.Name == c.first)),
			cmp.Compare(b2i(a.Internal), b2i(b.Internal)), cmp.Compare(a.Name, b.Name))
	})
	if n := len(j.Topics); n > mostTopics {
		j.Topics, j.More = j.Topics[:mostTopics], n-mostTopics
	}
	return j
}

// lanesJSON returns the lanes of a tail as JSON. The caller has the lock of the tails.
func (t *tail) lanesJSON(state *clusterState) json.RawMessage {
	sampled := slices.ContainsFunc(t.lanes, func(l *lane) bool { return time.Since(l.sampled) < 3*time.Second })
	if t.drawn.json != nil && t.drawn.version == t.version && t.drawn.state == state && !sampled {
		return t.drawn.json
	}
	lanes := []laneJSON{}
	partitions := t.within(state.topics[t.topic])
	for i, l := range t.lanes {
		if i >= len(partitions) {
			break
		}
		p := partitions[i]
		j := laneJSON{
			Partition: l.partition, Leader: p.Leader, Start: l.start, End: l.end,
			Rate: significant(l.rate), Sampled: time.Since(l.sampled) < 2*time.Second,
		}
		if state.cluster != embeddedCluster {
			j.Replicas, j.InSync = p.Replicas, p.ISR
		}
		lanes = append(lanes, j)
	}
	t.drawn.version, t.drawn.state, t.drawn.json = t.version, state, marshal(lanes)
	return t.drawn.json
}

func (c *collector) groupsJSON(s span) []groupJSON {
	groups, topic := []groupJSON{}, s.topic
	c.groups.mu.Lock()
	defer c.groups.mu.Unlock()
	for _, g := range c.groups.groups {
		j := groupJSON{
			Letter: g.letter, Name: name(g.name), State: g.state, Stable: stable(g.state),
			Kind: string(g.kind), Words: g.kind.Words(), Explain: g.kind.Explanation(),
			Members: []memberJSON{}, Count: len(g.members), Command: c.programs[g.name],
			Commits: shownPlaces(s, g.commits[topic]), Lags: shownPlaces(s, g.lags[topic]), Beyond: shownPlaces(s, g.beyond[topic]),
		}
		others := make(map[string]bool)
		for t := range g.commits {
			if t == topic {
				j.Here = true
			} else {
				others[t] = true
			}
		}
		names := clientNames(g.members)
		for i, m := range g.members {
			jm := memberJSON{Label: m.label, Client: names[i], Host: name(m.Host), Has: []int32{}, Idle: c.groups.idle(g, m)}
			j.Here = j.Here || slices.Contains(m.Subscribed, topic)
			for t, ps := range m.Has {
				if t == topic {
					j.Here = true
					jm.Count = len(ps)
					for _, p := range ps {
						if s.holds(p) {
							jm.Has = append(jm.Has, p)
						}
					}
				} else {
					others[t] = true
					jm.Others += len(ps)
				}
			}
			if i < mostMembers || len(jm.Has) > 0 {
				j.Members = append(j.Members, jm)
			}
		}
		j.Others = len(others)
		groups = append(groups, j)
	}
	slices.SortFunc(groups, func(a, b groupJSON) int {
		return cmp.Or(cmp.Compare(len(a.Letter), len(b.Letter)), cmp.Compare(a.Letter, b.Letter))
	})
	return groups
}

// holds tells whether a span has room for a partition.
func (s span) holds(partition int32) bool {
	return int(partition) >= s.from && int(partition) < s.from+mostLanes
}

// shownPlaces are the values of the partitions that a span holds.
func shownPlaces[V any](s span, values map[int32]V) map[string]V {
	held := make(map[string]V)
	for p, value := range values {
		if s.holds(p) {
			held[strconv.Itoa(int(p))] = value
		}
	}
	return held
}

// clientNames are the members' names, by which one can tell them apart.
func clientNames(members []*member) []string {
	var plainly []groups.Member
	for _, m := range members {
		plainly = append(plainly, m.Member)
	}
	names := groups.Names(plainly)
	for i := range names {
		names[i] = name(names[i])
	}
	return names
}

// clientName is the name of one member by itself.
func clientName(m *member) string { return clientNames([]*member{m})[0] }

// significant rounds a rate, so that a page isn't told of what nobody sees.
func significant(x float64) float64 {
	if x <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Round(math.Round(x/unit)*unit*100) / 100
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A page is what was sent to one open page: the next message holds only what
// is new since then. So however slow a page is, nothing waits for it in memory.
type page struct {
	span
	generation             int
	cluster, groups, lanes string
	incarnation            int
	seen                   map[int32]int64 // the newest record by partition
	event                  int64
}

// A message is what goes to a page at once. What is absent hasn't changed.
type message struct {
	Boot    string                       `json:"boot,omitempty"`  // of the board's process
	Reset   bool                         `json:"reset,omitempty"` // forget all records
	Cluster json.RawMessage              `json:"cluster,omitempty"`
	Groups  json.RawMessage              `json:"groups,omitempty"`
	Lanes   json.RawMessage              `json:"lanes,omitempty"`
	Records map[string][]json.RawMessage `json:"records,omitempty"` // by partition, oldest first
	Events  []event                      `json:"events,omitempty"`
}

// next returns what is new for a page, and what to wait for before asking
// again. The message is nil if nothing is new.
func (c *collector) next(p *page) (m *message, changed <-chan struct{}) {
	// The generation comes first: what changes from here on makes another one.
	generation, changed := c.audience.now()
	if p.generation == generation && p.seen != nil {
		return nil, changed
	}
	m = new(message)
	v := c.view(p.span, generation)
	lanes := c.tails.next(p, m)
	for _, part := range []struct {
		now  json.RawMessage
		sent *string
		to   *json.RawMessage
	}{{v.cluster, &p.cluster, &m.Cluster}, {v.groups, &p.groups, &m.Groups}, {lanes, &p.lanes, &m.Lanes}} {
		if now := string(part.now); now != *part.sent {
			*part.to, *part.sent = part.now, now
		}
	}
	m.Events, p.event = c.journal.since(p.event)
	p.generation = generation
	return m, changed
}

// next adds to a message the records that are new for a page. It returns the
// lanes that belong to them.
func (ts *tails) next(p *page, m *message) (lanes json.RawMessage) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.all[p.span]
	if t == nil {
		return json.RawMessage("[]")
	}
	if p.seen == nil || p.incarnation != t.incarnation {
		p.seen, p.incarnation, m.Reset = make(map[int32]int64), t.incarnation, true
	}
	m.Records = make(map[string][]json.RawMessage)
	for _, l := range t.lanes {
		from, _ := slices.BinarySearchFunc(l.records, p.seen[l.partition]+1, func(r record, seq int64) int { return cmp.Compare(r.seq, seq) })
		for _, r := range l.records[from:] {
			key := strconv.Itoa(int(l.partition))
			m.Records[key] = append(m.Records[key], r.json)
		}
		p.seen[l.partition] = l.seq
	}
	return t.lanesJSON(ts.cluster.now())
}
