package groups

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errNoAnswer is the reason for a group of which a broker says nothing.
var errNoAnswer = errors.New("its coordinator doesn't answer for it")

// Ask asks the cluster for its groups, at most so many, in the order of their
// names. It also tells how many more there are. What the logs' ends and the lag
// are, Measure adds.
//
// The number of requests doesn't grow with the number of groups: each
// coordinator is asked for all of its groups of one kind at once.
func Ask(ctx context.Context, client *kgo.Client, most int) (groups []Group, more int, err error) {
	groups, more, err = list(ctx, client, most)
	if err != nil {
		return nil, 0, fmt.Errorf("asking for the groups: %w", err)
	}
	q := question{adm: kadm.NewClient(client), groups: make(map[string]*Group)}
	for i := range groups {
		q.groups[groups[i].Name] = &groups[i]
	}
	q.describeClassic(ctx)
	q.describeConsumer(ctx)
	q.describeShare(ctx)
	q.fetchCommits(ctx)
	q.fetchShareOffsets(ctx)
	for i := range groups {
		groups[i].addAssigned()
		groups[i].sort()
	}
	return groups, more, nil
}

// list returns the groups with nothing but their names and kinds. Every broker
// has to answer: otherwise some of the groups would seem to be gone.
func list(ctx context.Context, client *kgo.Client, most int) (groups []Group, more int, err error) {
	// kadm's own call leaves out the kind of a group.
	answer, err := kmsg.NewPtrListGroupsRequest().RequestWith(ctx, client)
	if err != nil {
		return nil, 0, err
	}
	err = kerr.ErrorForCode(answer.ErrorCode)
	if err != nil {
		return nil, 0, err
	}
	for _, g := range answer.Groups {
		kind, ok := kindOf(g)
		if ok {
			groups = append(groups, Group{Name: g.Group, Kind: kind})
		}
	}
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	if len(groups) > most {
		more = len(groups) - most
		groups = groups[:most]
	}
	return groups, more, nil
}

// kindOf returns the kind of a group. It isn't ok if its members don't share
// partitions: Kafka Connect and Kafka Streams use groups for other things.
func kindOf(g kmsg.ListGroupsResponseGroup) (kind Kind, ok bool) {
	switch {
	case strings.EqualFold(g.GroupType, string(Share)):
		return Share, true
	case strings.EqualFold(g.GroupType, string(Consumer)):
		return Consumer, true
	case g.ProtocolType == "consumer":
		return Classic, true
	case g.ProtocolType == "":
		return Classic, true // Somebody has committed offsets for it; it never had a member.
	default:
		return "", false
	}
}

// A question is what Ask has in hand: the groups that it asks for, by name.
type question struct {
	adm    *kadm.Client
	groups map[string]*Group
}

// of returns the names of the groups of some kinds that have been answered for so far.
func (q question) of(kinds ...Kind) []string {
	var names []string
	for name, g := range q.groups {
		if g.Err == nil && slices.Contains(kinds, g.Kind) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// fail notes that there is no answer for a group. Of two reasons the first stays.
func (q question) fail(name string, answered bool, reasons ...error) {
	g := q.groups[name]
	for _, reason := range reasons {
		if reason != nil && g.Err == nil {
			g.Err = reason
		}
	}
	if !answered && g.Err == nil {
		g.Err = errNoAnswer
	}
}

func (q question) describeClassic(ctx context.Context) {
	names := q.of(Classic)
	if names == nil {
		return
	}
	// An error of one coordinator leaves the answers of the others.
	answers, err := q.adm.DescribeGroups(ctx, names...)
	for _, name := range names {
		answer, ok := answers[name]
		if !ok || answer.Err != nil {
			q.fail(name, ok, answer.Err, err)
			continue
		}
		g := q.groups[name]
		g.State = answer.State
		for _, m := range answer.Members {
			g.Members = append(g.Members, classicMember(m))
		}
	}
}

func classicMember(m kadm.DescribedGroupMember) Member {
	member := newMember(m.MemberID, m.ClientID, m.InstanceID, m.ClientHost)
	joined, ok := m.Join.AsConsumer()
	if ok {
		member.Subscribed = joined.Topics
	}
	assigned, ok := m.Assigned.AsConsumer()
	if ok {
		for _, t := range assigned.Topics {
			member.add(t.Topic, t.Partitions)
		}
	}
	return member
}

func (q question) describeConsumer(ctx context.Context) {
	names := q.of(Consumer)
	if names == nil {
		return
	}
	answers, err := q.adm.DescribeConsumerGroups(ctx, names...)
	for _, name := range names {
		answer, ok := answers[name]
		if !ok || answer.Err != nil {
			q.fail(name, ok, answer.Err, err)
			continue
		}
		g := q.groups[name]
		g.State = answer.State
		for _, m := range answer.Members {
			member := newMember(m.MemberID, m.ClientID, m.InstanceID, m.ClientHost)
			member.Subscribed = m.SubscribedTopics
			member.addAll(m.Assignment)
			g.Members = append(g.Members, member)
		}
	}
}

func (q question) describeShare(ctx context.Context) {
	names := q.of(Share)
	if names == nil {
		return
	}
	answers, err := q.adm.DescribeShareGroups(ctx, names...)
	for _, name := range names {
		answer, ok := answers[name]
		if !ok || answer.Err != nil {
			q.fail(name, ok, answer.Err, err)
			continue
		}
		g := q.groups[name]
		g.State = answer.GroupState
		for _, m := range answer.Members {
			member := newMember(m.MemberID, m.ClientID, nil, m.ClientHost)
			member.Subscribed = m.SubscribedTopicNames
			member.addAll(m.Assignment)
			g.Members = append(g.Members, member)
		}
	}
}

// fetchCommits asks how far the groups of consumers have come.
func (q question) fetchCommits(ctx context.Context) {
	names := q.of(Classic, Consumer)
	if names == nil {
		return
	}
	answers := q.adm.FetchManyOffsets(ctx, names...)
	for _, name := range names {
		answer, ok := answers[name]
		if !ok || answer.Err != nil {
			q.fail(name, ok, answer.Err)
			continue
		}
		g := q.groups[name]
		answer.Fetched.Each(func(o kadm.OffsetResponse) {
			if o.Err != nil || o.At < 0 {
				return
			}
			offset := unknown(o.Topic, o.Partition)
			offset.Committed = o.At
			g.Offsets = append(g.Offsets, offset)
		})
	}
}

// fetchShareOffsets asks how far the share groups have come. The broker counts
// the lag itself, since records after the start of the window may be done too;
// Apache Kafka moves that start only now and then.
func (q question) fetchShareOffsets(ctx context.Context) {
	names := q.of(Share)
	if names == nil {
		return
	}
	answers, err := q.adm.DescribeShareGroupOffsets(ctx, names...)
	for _, name := range names {
		answer, ok := answers[name]
		if !ok || answer.Err != nil {
			q.fail(name, ok, answer.Err, err)
			continue
		}
		g := q.groups[name]
		answer.Offsets.Each(func(o kadm.ShareOffset) {
			if o.Err != nil || o.StartOffset < 0 {
				return
			}
			offset := unknown(o.Topic, o.Partition)
			offset.Committed = o.StartOffset
			offset.Lag = max(o.Lag, None)
			g.Offsets = append(g.Offsets, offset)
		})
	}
}

func newMember(id, clientID string, instanceID *string, host string) Member {
	m := Member{ID: id, ClientID: clientID, Host: machine(host), Has: make(map[string][]int32)}
	if instanceID != nil {
		m.InstanceID = *instanceID
	}
	return m
}

// machine is a member's address without what doesn't tell its machine: Apache
// Kafka puts a slash before it, and the embedded cluster a port behind it.
func machine(host string) string {
	host = strings.TrimPrefix(host, "/")
	address, _, err := net.SplitHostPort(host)
	if err != nil {
		return host // It has no port.
	}
	return address
}

// add notes that the member has partitions of a topic.
func (m *Member) add(topic string, partitions []int32) {
	if len(partitions) > 0 {
		m.Has[topic] = slices.Sorted(slices.Values(partitions))
	}
}

func (m *Member) addAll(assignment kadm.TopicsSet) {
	for topic, partitions := range assignment {
		for p := range partitions {
			m.Has[topic] = append(m.Has[topic], p)
		}
		slices.Sort(m.Has[topic])
	}
}

// Measure adds the starts and ends of the logs, and the lag, in the topics
// named. The ends are asked for after the commits, so a commit beyond an end is
// really there: it isn't a commit of records that came in between.
func Measure(ctx context.Context, client *kgo.Client, groups []Group, topics ...string) error {
	if len(topics) == 0 {
		return nil // kadm would take that for all topics.
	}
	adm := kadm.NewClient(client)
	// Where a leader doesn't answer, the other partitions are told all the same.
	var partly *kadm.ShardErrors
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err != nil && !errors.As(err, &partly) {
		return fmt.Errorf("asking for the starts of the logs: %w", err)
	}
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err != nil && !errors.As(err, &partly) {
		return fmt.Errorf("asking for the ends of the logs: %w", err)
	}
	for _, g := range groups {
		for i := range g.Offsets {
			o := &g.Offsets[i]
			start, ok := starts.Lookup(o.Topic, o.Partition)
			if ok && start.Err == nil {
				o.Start = start.Offset
			}
			end, ok := ends.Lookup(o.Topic, o.Partition)
			if ok && end.Err == nil {
				o.End = end.Offset
			}
			o.Lag = lag(g.Kind, *o)
		}
	}
	return nil
}

// lag is how many records are left, or None.
func lag(kind Kind, o Offset) int64 {
	switch {
	case kind == Share && o.Lag != None:
		return o.Lag // The broker has counted it.
	case o.End == None:
		return None
	case o.Committed == None && o.Start == o.End:
		return 0 // Wherever a member begins, there is nothing.
	case o.Committed == None:
		return None
	default:
		return max(o.End-o.Committed, 0)
	}
}
