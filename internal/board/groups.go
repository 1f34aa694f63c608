package board

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"kafka-with-go/internal/cluster/groups"
)

const (
	// rebalancing is the time between two questions while a group rebalances.
	rebalancing = 100 * time.Millisecond
	// lagWorthTelling is the lag in one partition that the board mentions. It
	// mentions it again when it is ten times as large, and when it is gone.
	lagWorthTelling = 10
	// mostGroups is how many groups the board asks about.
	mostGroups = 200
)

// mostMeasured is how many partitions a topic may have for the board to ask where they end.
const mostMeasured = 1000

// A groupWatch asks for groups, members and commits, and tells what has become of them.
type groupWatch struct {
	*link
	*journal
	cluster *clusterWatch
	tails   *tails // where the partitions that are shown end
	poked   chan struct{}

	mu     sync.Mutex
	groups map[string]*group
	asked  bool // at least once
}

// A group is what the board knows of a group.
type group struct {
	name    string
	letter  string
	kind    groups.Kind
	state   string
	members []*member // in the order in which the board saw them
	counted int       // members so far, to number the next one

	// What the cluster says of partitions, by topic and partition.
	commits map[string]map[int32]int64 // in a share group, where its window starts
	lags    map[string]map[int32]int64 // only of a share group: of others the page sees it
	beyond  map[string]map[int32]bool  // the commits that lie beyond the log's end

	settled    map[string]string // by member, what it had before the rebalance that is under way
	began      time.Time         // of that rebalance; zero: none is under way
	askedAt    time.Time
	toldLag    map[string]int64 // by topic and partition
	lagSince   map[string]time.Time
	toldBeyond map[string]bool
	idleTold   map[string]bool
}

// A member is a consumer in a group.
type member struct {
	groups.Member
	label string // the group's letter and a number
}

// stable tells whether the group's members have their partitions.
func stable(state string) bool { return state == "Stable" || state == "Empty" || state == "Dead" }

// pace is the time from one question about groups to the next.
func (c *groupWatch) pace() time.Duration {
	pace := c.audience.pace()
	if pace == unseen {
		return unseen
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.groups {
		if !g.began.IsZero() && time.Since(g.began) < time.Minute {
			return rebalancing
		}
	}
	if len(c.groups) > 30 {
		pace *= 2
	}
	return pace
}

// watch keeps groups, members and commits up to date.
func (c *groupWatch) watch() {
	for took := time.Duration(0); c.rest(c.poked, c.pace(), took); {
		state := c.cluster.now()
		if !state.reachable || state.moreBrokers > 0 {
			continue
		}
		begin := time.Now()
		answers, err := c.askForGroups()
		took = time.Since(begin)
		if err != nil || c.ctx.Err() != nil {
			took = 0
			continue // A coordinator may be moving. What is known stays until there is an answer.
		}
		c.mu.Lock()
		changed := c.adoptGroups(answers, begin)
		c.mu.Unlock()
		// Only now, since a page that is told looks at once.
		if changed {
			c.audience.change()
		}
	}
}

// askForGroups asks for the groups, and where a commit seems to lie beyond the
// end of a log, for that end: what a page knows of it may be a moment old.
func (c *groupWatch) askForGroups() ([]groups.Group, error) {
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	answers, _, err := groups.Ask(ctx, c.client, mostGroups)
	if err != nil {
		return nil, err
	}
	err = groups.Measure(ctx, c.client, answers, c.seemBeyond(answers)...)
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// seemBeyond returns the topics that are shown, and in which a group has
// committed more than the board knows.
func (c *groupWatch) seemBeyond(answers []groups.Group) []string {
	topics, ends := c.cluster.now().topics, c.tails.ends()
	seem := make(map[string]bool)
	for _, g := range answers {
		for _, o := range g.Offsets {
			end, known := ends[spot{o.Topic, o.Partition}]
			meta := topics[o.Topic]
			if known && o.Committed > end && meta != nil && len(meta.partitions) <= mostMeasured {
				seem[o.Topic] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seem))
}

// adoptGroups takes over what the cluster said. The caller has the lock.
func (c *groupWatch) adoptGroups(answers []groups.Group, asked time.Time) (changed bool) {
	first := !c.asked
	c.asked, changed = true, first
	known := make(map[string]bool)
	for _, d := range answers {
		known[d.Name] = true
		if d.Err != nil {
			continue // What was known of it stays.
		}
		g := c.groups[d.Name]
		fresh := g == nil
		if fresh {
			g = &group{
				name:       d.Name,
				letter:     c.freeLetter(),
				toldLag:    make(map[string]int64),
				lagSince:   make(map[string]time.Time),
				toldBeyond: make(map[string]bool),
				idleTold:   make(map[string]bool),
			}
			c.groups[d.Name] = g
			changed = true
			if !first {
				c.say(good, "Group %s has appeared.", name(g.name))
			}
		}
		if c.adoptGroup(g, d, fresh && first, asked) {
			changed = true
		}
		c.tellLag(g)
		c.tellBeyond(g)
	}
	for _, groupName := range slices.Sorted(maps.Keys(c.groups)) {
		if !known[groupName] {
			delete(c.groups, groupName)
			changed = true
			c.say(plain, "Group %s is gone.", name(groupName))
		}
	}
	return changed
}

// freeLetter returns the first of A, B, …, Z, AA, … that no group has.
func (c *groupWatch) freeLetter() string {
	taken := make(map[string]bool)
	for _, g := range c.groups {
		taken[g.letter] = true
	}
	for i := 0; ; i++ {
		letter := string(rune('A' + i%26))
		if i >= 26 {
			letter = string(rune('A'+i/26-1)) + letter
		}
		if !taken[letter] {
			return letter
		}
	}
}

// adoptGroup takes over what the cluster said of one group, and says in plain
// words what that means.
func (c *groupWatch) adoptGroup(g *group, d groups.Group, silent bool, asked time.Time) (changed bool) {
	last := g.askedAt
	if last.IsZero() {
		last = asked.Add(-idle) // The group came since the last question.
	}
	g.askedAt = asked
	before := g.assignment()
	changed = g.state != d.State || g.kind != d.Kind
	g.state, g.kind = d.State, d.Kind
	if g.adoptOffsets(d) {
		changed = true
	}

	joined, left := g.adoptMembers(d.Members)
	if !silent {
		for _, m := range joined {
			c.say(good, "Member %s (%s) has joined %s.", m.label, clientName(m), name(g.name))
		}
		for _, m := range left {
			c.say(warning, "Member %s (%s) has left %s.", m.label, clientName(m), name(g.name))
		}
	}
	after := g.assignment()
	changed = changed || len(joined)+len(left) > 0 || !maps.Equal(before, after)
	if len(g.members) == 0 {
		g.counted = 0
	}

	switch {
	case !stable(g.state) && g.began.IsZero():
		g.began, g.settled = asked, before
		if !silent {
			c.say(plain, "%s rebalances: its members share the partitions anew.", name(g.name))
		}
	case stable(g.state) && !g.began.IsZero():
		took := asked.Sub(g.began)
		g.began = time.Time{}
		if !silent && len(g.members) > 0 {
			c.say(good, "%s rebalanced in %.1f s: %s.", name(g.name), max(took.Seconds(), 0.1), g.shares())
		}
	case stable(g.state) && !silent && len(g.members) > 0 && !maps.Equal(before, after):
		// It went too fast to be seen; it lies between two questions.
		c.say(good, "%s rebalanced in less than %.1f s: %s.", name(g.name), max(asked.Sub(last).Seconds(), 0.1), g.shares())
	}
	return c.tellIdle(g) || changed
}

// adoptOffsets takes over how far the group has come, and tells whether that is new.
func (g *group) adoptOffsets(d groups.Group) (changed bool) {
	commits := byPlace(d.Offsets, func(o groups.Offset) (int64, bool) {
		return o.Committed, o.Committed != groups.None
	})
	lags := byPlace(d.Offsets, func(o groups.Offset) (int64, bool) {
		return o.Lag, o.Lag != groups.None && d.Kind == groups.Share
	})
	beyond := byPlace(d.Offsets, func(o groups.Offset) (bool, bool) {
		return true, o.BeyondEnd()
	})
	changed = !samePlaces(g.commits, commits) || !samePlaces(g.lags, lags) || !samePlaces(g.beyond, beyond)
	g.commits, g.lags, g.beyond = commits, lags, beyond
	return changed
}

// byPlace sorts a value of each offset that has it by topic and partition.
func byPlace[V any](offsets []groups.Offset, value func(groups.Offset) (V, bool)) map[string]map[int32]V {
	values := make(map[string]map[int32]V)
	for _, o := range offsets {
		v, ok := value(o)
		if !ok {
			continue
		}
		if values[o.Topic] == nil {
			values[o.Topic] = make(map[int32]V)
		}
		values[o.Topic][o.Partition] = v
	}
	return values
}

func samePlaces[V comparable](a, b map[string]map[int32]V) bool {
	return maps.EqualFunc(a, b, func(x, y map[int32]V) bool { return maps.Equal(x, y) })
}

// adoptMembers takes over the members, and returns those that are new and those
// that are gone.
func (g *group) adoptMembers(now []groups.Member) (joined, left []*member) {
	byID := make(map[string]groups.Member)
	for _, m := range now {
		byID[m.ID] = m
	}
	var members []*member
	for _, m := range g.members {
		n, ok := byID[m.ID]
		if !ok {
			left = append(left, m)
			continue
		}
		members = append(members, &member{n, m.label})
		delete(byID, m.ID)
	}
	for _, m := range now {
		_, ok := byID[m.ID]
		if !ok {
			continue
		}
		g.counted++
		fresh := &member{m, fmt.Sprintf("%s%d", g.letter, g.counted)}
		members, joined = append(members, fresh), append(joined, fresh)
	}
	g.members = members
	return joined, left
}

// assignment is what each member has, by its id.
func (g *group) assignment() map[string]string {
	has := make(map[string]string)
	for _, m := range g.members {
		has[m.ID] = fmt.Sprint(m.Has) // fmt sorts maps.
	}
	return has
}

// shares says who has what, if that fits a line.
func (g *group) shares() string {
	var words []string
	for i, m := range g.members {
		if i == 4 && len(g.members) > 5 {
			words = append(words, fmt.Sprintf("and %d more members", len(g.members)-i))
			break
		}
		switch count := m.Count(); {
		case count == 0:
			words = append(words, m.label+" is idle")
		case len(m.Has) == 1 && count <= 8:
			for _, p := range m.Has {
				words = append(words, fmt.Sprintf("%s has %s", m.label, numbers(p)))
			}
		default:
			words = append(words, fmt.Sprintf("%s has %d partitions", m.label, count))
		}
	}
	return strings.Join(words, ", ")
}

// idle says why a member has no partition, or "" if it has one.
func (c *groupWatch) idle(g *group, m *member) string {
	topics := c.cluster.now().topics
	if m.Count() > 0 {
		return ""
	}
	if !stable(g.state) {
		return "waits for the rebalance to end"
	}
	available, there := 0, 0
	for _, t := range m.Subscribed {
		if meta := topics[t]; meta != nil {
			available += len(meta.partitions)
			there++
		}
	}
	switch {
	case len(m.Subscribed) > 0 && there == 0:
		return "the topic it wants doesn't exist"
	case g.kind != groups.Share && len(g.members) > available && available > 0:
		return fmt.Sprintf("%d members share %d partitions, and each partition has one owner", len(g.members), available)
	case g.kind == groups.Share:
		return "the cluster has given it no partition yet"
	default:
		return "the group gave it no partition"
	}
}

// tellIdle says once that a member has nothing to do.
func (c *groupWatch) tellIdle(g *group) (changed bool) {
	if g.kind == groups.Share {
		return false // There is a partition for everybody, since it can be shared: it comes in a moment.
	}
	here := make(map[string]bool)
	for _, m := range g.members {
		here[m.ID] = true
		reason := c.idle(g, m)
		if stable(g.state) && (reason != "") != g.idleTold[m.ID] {
			if g.idleTold[m.ID] = reason != ""; reason != "" {
				c.say(warning, "Member %s of %s is idle: %s.", m.label, name(g.name), reason)
			}
			changed = true
		}
	}
	for id := range g.idleTold {
		if !here[id] {
			delete(g.idleTold, id)
		}
	}
	return changed
}

// tellLag says when a group falls behind in a partition that is shown, and when
// it has caught up.
func (c *groupWatch) tellLag(g *group) {
	for at, end := range c.tails.ends() {
		key := fmt.Sprintf("%s/%d", at.topic, at.partition)
		lag, known := g.lagIn(at.topic, at.partition, end)
		if !known {
			continue
		}
		told := g.toldLag[key]
		if lag < lagWorthTelling || told > 0 && lag < 10*told {
			delete(g.lagSince, key)
		} else if g.lagSince[key].IsZero() {
			g.lagSince[key] = time.Now()
		} else if time.Since(g.lagSince[key]) > time.Second {
			// It lasts: a batch that is being worked on is not worth a line.
			delete(g.lagSince, key)
			g.toldLag[key] = lag
			c.say(warning, "Partition %d lags by %d: %s has that many records left to read.", at.partition, lag, name(g.name))
		}
		if lag == 0 && told > 0 {
			delete(g.toldLag, key)
			c.say(good, "%s has caught up in partition %d.", name(g.name), at.partition)
		}
	}
}

// lagIn is how many records a group has left in a partition, as far as it is known.
func (g *group) lagIn(topic string, partition int32, end int64) (lag int64, known bool) {
	lag, known = g.lags[topic][partition]
	if known {
		return lag, true
	}
	committed, known := g.commits[topic][partition]
	if !known {
		return 0, false
	}
	return max(end-committed, 0), true
}

// tellBeyond says once that a group stands beyond the end of a log that is shown.
func (c *groupWatch) tellBeyond(g *group) {
	for at := range c.tails.ends() {
		key := fmt.Sprintf("%s/%d", at.topic, at.partition)
		beyond := g.beyond[at.topic][at.partition]
		if !beyond {
			delete(g.toldBeyond, key)
		}
		if beyond && !g.toldBeyond[key] {
			g.toldBeyond[key] = true
			c.say(warning, "%s stands beyond the end of partition %d: it may skip the records that come before offset %d.",
				name(g.name), at.partition, g.commits[at.topic][at.partition])
		}
	}
}
