// Package groups asks a cluster for its groups: classic consumer groups, those
// of the new protocol (KIP-848) and share groups (KIP-932). The answer is in one
// form for all of them: who the members are, what they have, how far the group
// has come, and how much is left to read.
package groups

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// A Kind is the protocol that the members of a group speak.
type Kind string

// These are the kinds of groups whose members share the partitions of topics.
const (
	Classic  Kind = "classic"
	Consumer Kind = "consumer" // the new protocol
	Share    Kind = "share"
)

// Words names the kind to a person.
func (k Kind) Words() string {
	switch k {
	case Consumer:
		return "consumer group, new protocol (KIP-848)"
	case Share:
		return "share group"
	default:
		return "consumer group, classic protocol"
	}
}

// Explanation says in a sentence or two how the members of such a group share the work.
func (k Kind) Explanation() string {
	switch k {
	case Consumer:
		return "A broker, the group's coordinator, gives each partition to one member. " +
			"When a member comes or goes, only the partitions that move are interrupted."
	case Share:
		return "A partition may be given to several members, which take turns with its records as with a queue. " +
			"Each record is acknowledged by itself, so there is no order."
	default:
		return "One of the members gives each partition to one member. " +
			"When a member comes or goes, all of them join the group again."
	}
}

// None is what an offset or a lag is while it isn't known.
const None int64 = -1

// A Group is a group of consumers.
type Group struct {
	Name    string
	Kind    Kind
	State   string   // Kafka's own word: Stable, Empty, PreparingRebalance, …
	Members []Member // by client id, then by member id
	Offsets []Offset // by topic and partition: all that a member has or that the group has offsets for

	// Err says why the cluster told nothing of the group but its name and its
	// kind. It passes, if a coordinator is moving.
	Err error
}

// A Member is a consumer in a group.
type Member struct {
	ID         string // given by the cluster or, in the newer kinds, chosen at random by the client
	ClientID   string // chosen by the program
	InstanceID string // of a static member, whose place waits for it while it restarts; "" for others
	Host       string
	Subscribed []string           // the topics that it wants
	Has        map[string][]int32 // the partitions that it has, in order, by topic
}

// Count is how many partitions the member has.
func (m Member) Count() int {
	n := 0
	for _, partitions := range m.Has {
		n += len(partitions)
	}
	return n
}

// An Offset says how far a group has come in a partition.
type Offset struct {
	Topic     string
	Partition int32

	// Committed is where the group goes on after a restart. In a share group it is
	// the start of the window in which records are given out: all before it is
	// done, and what is done behind it is only left out of the lag.
	Committed int64

	// Start and End are the log's: its oldest record, and where its next one goes.
	Start, End int64

	// Lag is how many records are left. It isn't known where nothing is
	// committed, since then the members themselves choose where to begin.
	Lag int64
}

// BeyondEnd tells whether the group stands at an offset that the log hasn't
// reached. Then it may skip the records that come until the log gets there.
func (o Offset) BeyondEnd() bool { return o.End != None && o.Committed > o.End }

// Missed is how many of the records that are left to read are no longer there.
func (o Offset) Missed() int64 {
	if o.Committed == None || o.Start == None {
		return 0
	}
	return max(o.Start-o.Committed, 0)
}

// Lag is the sum of what is left in all partitions, and the number of
// partitions in which it isn't known.
func (g Group) Lag() (total int64, unknown int) {
	for _, o := range g.Offsets {
		if o.Lag == None {
			unknown++
			continue
		}
		total += o.Lag
	}
	return total, unknown
}

// Names returns a name for each member, in the order of members. It is the
// client id, by which somebody finds the program that runs; where several have
// the same one, the instance id or the end of the member's id tells them apart.
func Names(members []Member) []string {
	same := make(map[string]int)
	for _, m := range members {
		same[m.name()]++
	}
	var names []string
	for _, m := range members {
		name := m.name()
		if same[name] > 1 {
			name += " …" + m.mark()
		}
		names = append(names, name)
	}
	return names
}

// name is the client id without the library that kafka-go names in parentheses.
func (m Member) name() string {
	program, _, _ := strings.Cut(m.ClientID, " (")
	if program == "" {
		return "no client id"
	}
	return program
}

// mark is what tells the member from others with the same client id.
func (m Member) mark() string {
	if m.InstanceID != "" {
		return m.InstanceID
	}
	const enough = 4
	id := []rune(strings.TrimRight(m.ID, "=")) // franz-go's ids are in base64.
	return string(id[max(0, len(id)-enough):])
}

// sort puts members and offsets into their order.
func (g *Group) sort() {
	slices.SortFunc(g.Members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.ClientID, b.ClientID), cmp.Compare(a.InstanceID, b.InstanceID), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(g.Offsets, func(a, b Offset) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}

// addAssigned adds the partitions that members have and the group has no offset for.
func (g *Group) addAssigned() {
	type place struct {
		topic     string
		partition int32
	}
	there := make(map[place]bool)
	for _, o := range g.Offsets {
		there[place{o.Topic, o.Partition}] = true
	}
	for _, m := range g.Members {
		for topic, partitions := range m.Has {
			for _, p := range partitions {
				if there[place{topic, p}] {
					continue
				}
				there[place{topic, p}] = true
				g.Offsets = append(g.Offsets, unknown(topic, p))
			}
		}
	}
}

// unknown is the offset of a partition of which nothing is known yet.
func unknown(topic string, partition int32) Offset {
	return Offset{Topic: topic, Partition: partition, Committed: None, Start: None, End: None, Lag: None}
}

// Topics are the topics in which a group has partitions or offsets, in order.
func Topics(groups []Group) []string {
	topics := make(map[string]bool)
	for _, g := range groups {
		for _, o := range g.Offsets {
			topics[o.Topic] = true
		}
	}
	return slices.Sorted(maps.Keys(topics))
}
