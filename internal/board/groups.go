package board

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// A group is what the board knows of a consumer group.
type group struct {
	name    string
	letter  string
	kind    string // classic or consumer: the old protocol and the new one
	state   string
	members []*member // in the order in which the board saw them
	counted int       // members so far, to number the next one
	commits map[string]map[int32]int64

	settled  map[string]string // by member, what it had before the rebalance that is under way
	began    time.Time         // of that rebalance; zero: none is under way
	askedAt  time.Time
	toldLag  map[string]int64 // by topic and partition
	lagSince map[string]time.Time
	idleTold map[string]bool
}

// A member is a consumer in a group.
type member struct {
	id, client, host string
	label            string // the group's letter and a number
	subscribed       []string
	has              map[string][]int32 // partitions by topic
}

// A described group is what the cluster says of a group.
type described struct {
	name, kind, state string
	members           []*member
	commits           map[string]map[int32]int64
}

// stable tells whether the group's members have their partitions.
func stable(state string) bool { return state == "Stable" || state == "Empty" || state == "Dead" }

// betweenGroups is the time from one question about groups to the next.
func (c *collector) betweenGroups() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pages == 0 {
		return unseen
	}
	for _, g := range c.groups {
		if !g.began.IsZero() && time.Since(g.began) < time.Minute {
			return rebalancing
		}
	}
	between := idle
	if time.Since(c.changedAt) < calmAfter {
		between = lively
	}
	if len(c.groups) > 30 {
		between *= 2
	}
	return between
}

// watchGroups keeps groups, members and commits up to date.
func (c *collector) watchGroups() {
	for took := time.Duration(0); c.rest(c.regroup, c.betweenGroups(), took); {
		c.mu.Lock()
		ask := c.reachable && c.moreBrokers == 0
		c.mu.Unlock()
		if !ask {
			continue
		}
		begin := time.Now()
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		groups, known, err := c.describeGroups(ctx)
		cancel()
		took = time.Since(begin)
		if err != nil || c.ctx.Err() != nil {
			took = 0
			continue // A coordinator may be moving. What is known stays until there is an answer.
		}
		c.mu.Lock()
		c.adoptGroups(groups, known, begin)
		c.mu.Unlock()
	}
}

// describeGroups asks for every group. A group that exists, and of which there
// is no answer at the moment, is only in known.
func (c *collector) describeGroups(ctx context.Context) (groups []described, known map[string]bool, err error) {
	request := kmsg.NewPtrListGroupsRequest()
	list, err := request.RequestWith(ctx, c.client)
	if err == nil {
		err = kerr.ErrorForCode(list.ErrorCode)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("asking for the groups: %w", err)
	}
	known = make(map[string]bool)
	var classic, modern, all []string
	slices.SortFunc(list.Groups, func(a, b kmsg.ListGroupsResponseGroup) int { return cmp.Compare(a.Group, b.Group) })
	for _, g := range list.Groups {
		switch {
		case len(known) == mostGroups || known[g.Group]:
			continue
		case strings.EqualFold(g.GroupType, "consumer"):
			modern = append(modern, g.Group)
		case g.ProtocolType == "consumer" || g.ProtocolType == "":
			classic = append(classic, g.Group)
		default:
			continue // Not a group of consumers that share partitions.
		}
		known[g.Group] = true
		all = append(all, g.Group)
	}
	if all == nil {
		return nil, known, nil
	}
	commits := c.adm.FetchManyOffsets(ctx, all...)
	add := func(d described) {
		answer, ok := commits[d.name]
		if !ok || answer.Err != nil {
			return
		}
		d.commits = make(map[string]map[int32]int64)
		answer.Fetched.Each(func(o kadm.OffsetResponse) {
			if o.Err != nil || o.At < 0 {
				return
			}
			if d.commits[o.Topic] == nil {
				d.commits[o.Topic] = make(map[int32]int64)
			}
			d.commits[o.Topic][o.Partition] = o.At
		})
		groups = append(groups, d)
	}
	if classic != nil {
		// An error of one coordinator leaves the answers of the others.
		answers, _ := c.adm.DescribeGroups(ctx, classic...)
		for _, g := range answers.Sorted() {
			if g.Err != nil {
				continue
			}
			d := described{name: g.Group, kind: "classic", state: g.State}
			for _, m := range g.Members {
				d.members = append(d.members, classicMember(m))
			}
			add(d)
		}
	}
	if modern != nil {
		answers, _ := c.adm.DescribeConsumerGroups(ctx, modern...)
		for _, name := range slices.Sorted(maps.Keys(answers)) {
			g := answers[name]
			if g.Err != nil {
				continue
			}
			d := described{name: g.Group, kind: "consumer", state: g.State}
			for _, m := range g.Members {
				d.members = append(d.members, modernMember(m))
			}
			add(d)
		}
	}
	return groups, known, nil
}

func classicMember(m kadm.DescribedGroupMember) *member {
	described := &member{id: m.MemberID, client: m.ClientID, host: m.ClientHost, has: make(map[string][]int32)}
	if joined, ok := m.Join.AsConsumer(); ok {
		described.subscribed = joined.Topics
	}
	if assigned, ok := m.Assigned.AsConsumer(); ok {
		for _, t := range assigned.Topics {
			if len(t.Partitions) > 0 {
				described.has[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
			}
		}
	}
	return described
}

func modernMember(m kadm.ConsumerGroupMember) *member {
	described := &member{id: m.MemberID, client: m.ClientID, host: m.ClientHost, subscribed: m.SubscribedTopics, has: make(map[string][]int32)}
	for _, t := range m.Assignment.Sorted() {
		if len(t.Partitions) > 0 {
			described.has[t.Topic] = slices.Sorted(slices.Values(t.Partitions))
		}
	}
	return described
}

// adoptGroups takes over what the cluster said. The caller has the lock.
func (c *collector) adoptGroups(answers []described, known map[string]bool, asked time.Time) {
	first := !c.groupsAsked
	if first {
		c.groupsAsked = true
		c.change()
	}
	for _, d := range answers {
		g := c.groups[d.name]
		fresh := g == nil
		if fresh {
			g = &group{
				name: d.name, letter: c.freeLetter(), toldLag: make(map[string]int64),
				lagSince: make(map[string]time.Time), idleTold: make(map[string]bool),
			}
			c.groups[d.name] = g
			c.change()
			if !first {
				c.say(good, "Group %s has appeared.", name(g.name))
			}
		}
		c.adoptGroup(g, d, fresh && first, asked)
		c.tellLag(g)
	}
	for _, groupName := range slices.Sorted(maps.Keys(c.groups)) {
		if !known[groupName] {
			delete(c.groups, groupName)
			c.say(plain, "Group %s is gone.", name(groupName))
		}
	}
}

// freeLetter returns the first of A, B, …, Z, AA, … that no group has.
func (c *collector) freeLetter() string {
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
func (c *collector) adoptGroup(g *group, d described, silent bool, asked time.Time) {
	last := g.askedAt
	if last.IsZero() {
		last = asked.Add(-idle) // The group came since the last question.
	}
	g.askedAt = asked
	before := g.assignment()
	if g.state != d.state || g.kind != d.kind || !sameCommits(g.commits, d.commits) {
		c.change()
	}
	g.state, g.kind, g.commits = d.state, d.kind, d.commits

	joined, left := g.adoptMembers(d.members)
	if !silent {
		for _, m := range joined {
			c.say(good, "Member %s (%s) has joined %s.", m.label, name(m.client), name(g.name))
		}
		for _, m := range left {
			c.say(warning, "Member %s (%s) has left %s.", m.label, name(m.client), name(g.name))
		}
	}
	after := g.assignment()
	if len(joined)+len(left) > 0 || !maps.Equal(before, after) {
		c.change()
	}
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
	c.tellIdle(g)
}

// adoptMembers takes over the members, and returns those that are new and those
// that are gone.
func (g *group) adoptMembers(now []*member) (joined, left []*member) {
	byID := make(map[string]*member)
	for _, m := range now {
		byID[m.id] = m
	}
	var members []*member
	for _, m := range g.members {
		if n := byID[m.id]; n != nil {
			n.label = m.label
			members = append(members, n)
			delete(byID, m.id)
		} else {
			left = append(left, m)
		}
	}
	for _, m := range now {
		if byID[m.id] != nil {
			g.counted++
			m.label = fmt.Sprintf("%s%d", g.letter, g.counted)
			members, joined = append(members, m), append(joined, m)
		}
	}
	g.members = members
	return joined, left
}

// assignment is what each member has, by its id.
func (g *group) assignment() map[string]string {
	has := make(map[string]string)
	for _, m := range g.members {
		has[m.id] = fmt.Sprint(m.has) // fmt sorts maps.
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
		switch count := m.count(); {
		case count == 0:
			words = append(words, m.label+" is idle")
		case len(m.has) == 1 && count <= 8:
			for _, p := range m.has {
				words = append(words, fmt.Sprintf("%s has %s", m.label, numbers(p)))
			}
		default:
			words = append(words, fmt.Sprintf("%s has %d partitions", m.label, count))
		}
	}
	return strings.Join(words, ", ")
}

// count is how many partitions a member has.
func (m *member) count() int {
	n := 0
	for _, p := range m.has {
		n += len(p)
	}
	return n
}

// idle says why a member has no partition, or "" if it has one.
func (c *collector) idle(g *group, m *member) string {
	if m.count() > 0 {
		return ""
	}
	if !stable(g.state) {
		return "waits for the rebalance to end"
	}
	available, topics := 0, 0
	for _, t := range m.subscribed {
		if meta := c.topics[t]; meta != nil {
			available += len(meta.partitions)
			topics++
		}
	}
	switch {
	case len(m.subscribed) > 0 && topics == 0:
		return "the topic it wants doesn't exist"
	case len(g.members) > available && available > 0:
		return fmt.Sprintf("%d members share %d partitions, and each partition has one owner", len(g.members), available)
	default:
		return "the group gave it no partition"
	}
}

// tellIdle says once that a member has nothing to do.
func (c *collector) tellIdle(g *group) {
	here := make(map[string]bool)
	for _, m := range g.members {
		here[m.id] = true
		reason := c.idle(g, m)
		if stable(g.state) && (reason != "") != g.idleTold[m.id] {
			if g.idleTold[m.id] = reason != ""; reason != "" {
				c.say(warning, "Member %s of %s is idle: %s.", m.label, name(g.name), reason)
			}
			c.change()
		}
	}
	for id := range g.idleTold {
		if !here[id] {
			delete(g.idleTold, id)
		}
	}
}

// tellLag says when a group falls behind in a partition that is shown, and when
// it has caught up.
func (c *collector) tellLag(g *group) {
	for s, t := range c.tails {
		for _, l := range t.lanes {
			key := fmt.Sprintf("%s/%d", s.topic, l.partition)
			committed, ok := g.commits[s.topic][l.partition]
			if !ok || l.end < 0 {
				continue
			}
			lag, told := max(l.end-committed, 0), g.toldLag[key]
			if lag < lagWorthTelling || told > 0 && lag < 10*told {
				delete(g.lagSince, key)
			} else if g.lagSince[key].IsZero() {
				g.lagSince[key] = time.Now()
			} else if time.Since(g.lagSince[key]) > time.Second {
				// It lasts: a batch that is being worked on is not worth a line.
				delete(g.lagSince, key)
				g.toldLag[key] = lag
				c.say(warning, "Partition %d lags by %d: %s has that many records left to read.", l.partition, lag, name(g.name))
			}
			if lag == 0 && told > 0 {
				delete(g.toldLag, key)
				c.say(good, "%s has caught up in partition %d.", name(g.name), l.partition)
			}
		}
	}
}

func sameCommits(a, b map[string]map[int32]int64) bool {
	return maps.EqualFunc(a, b, func(x, y map[int32]int64) bool { return maps.Equal(x, y) })
}
