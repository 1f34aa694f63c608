package groups

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

var kinds = []Kind{Classic, Consumer, Share}

// owners returns how many partitions of a topic the members have, by client id.
func owners(g Group, topic string) map[string]int {
	counts := make(map[string]int)
	for _, m := range g.Members {
		counts[m.ClientID] = len(m.Has[topic])
	}
	return counts
}

// lags returns the lag of each partition of a topic.
func lags(g Group, topic string) []int64 {
	var lags []int64
	for _, o := range g.Offsets {
		if o.Topic == topic {
			lags = append(lags, o.Lag)
		}
	}
	return lags
}

// A group of each kind has two members, reads everything, loses its members and
// falls behind: at each step the answer is right, and Kafka's own tools print the same.
func TestEachKind(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 3)
		p.write(t, topic, 4, 5, 6)
		members := make(map[Kind][]*consumer)
		for _, kind := range kinds {
			group := p.prefix + string(kind)
			if kind == Share {
				testkit.ShareFromStart(t, p.addrs, group)
			}
			for i := range 2 {
				members[kind] = append(members[kind], p.join(t, kind, group, topic, fmt.Sprintf("%s-%d", kind, i)))
			}
		}
		for _, kind := range kinds {
			group := p.prefix + string(kind)
			g := p.until(t, group, "two members that have read everything", func(g Group) bool {
				counts := owners(g, topic)
				shared := counts[string(kind)+"-0"]+counts[string(kind)+"-1"] >= 3 && len(counts) == 2
				return g.State == "Stable" && shared && slices.Equal(lags(g, topic), []int64{0, 0, 0})
			})
			if g.Kind != kind {
				t.Errorf("%s is said to be a %s", group, g.Kind.Words())
			}
			for _, m := range g.Members {
				if m.ID == "" || m.Host == "" || !slices.Equal(m.Subscribed, []string{topic}) {
					t.Errorf("%s has the member %+v, which reads %s", group, m, topic)
				}
			}
			for i, o := range g.Offsets {
				want := int64(4 + i)
				// In a share group Apache Kafka moves the window's start late.
				right := o.Committed == want || kind == Share && o.Committed >= 0 && o.Committed <= want
				if o.Partition != int32(i) || !right || o.End != want || o.Start != 0 || o.BeyondEnd() {
					t.Errorf("%s has %+v, want %d committed of %d", group, o, want, want)
				}
			}
		}
		p.agreesOnMembers(t, topic)

		for _, kind := range kinds {
			for _, m := range members[kind] {
				m.client.Close()
			}
		}
		p.write(t, topic, 1, 2, 3)
		for _, kind := range kinds {
			group := p.prefix + string(kind)
			p.until(t, group, "no members and its lag", func(g Group) bool {
				return g.State == "Empty" && len(g.Members) == 0 && slices.Equal(lags(g, topic), []int64{1, 2, 3})
			})
		}
		p.agreesOnLag(t, topic)
	})
}

// A share group's records are done one by one: those that one member holds are
// left over, those behind them are not.
func TestShareGroupCountsWhatIsLeft(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 1)
		group := p.prefix + "share"
		testkit.ShareFromStart(t, p.addrs, group)
		client := testkit.Client(t, p.addrs, append(options(Share, group, "holder"), kgo.ConsumeTopics(topic))...)
		p.write(t, topic, 10)
		var held []*kgo.Record
		for len(held) < 10 {
			fetches := client.PollFetches(testkit.Deadline(t))
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				held = append(held, r)
				status := kgo.AckAccept
				if r.Offset == 2 {
					status = kgo.AckRenew // It goes on working on this one.
				}
				client.MarkAcks(status, r)
			})
		}
		if err := client.FlushAcks(testkit.Deadline(t)); err != nil {
			t.Fatal(err)
		}
		g := p.until(t, group, "one record left", func(g Group) bool {
			return slices.Equal(lags(g, topic), []int64{1})
		})
		// Apache Kafka moves the window's start late, but never past what is left.
		if o := g.Offsets[0]; o.Committed < 0 || o.Committed > 2 || o.End != 10 {
			t.Errorf("the window begins at %d of %d, want at most 2 of 10", o.Committed, o.End)
		}
	})
}

// Of two members that share one partition, one has nothing. Its name tells them
// apart, although their client ids are the same.
func TestIdleMember(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 1)
		for _, kind := range []Kind{Classic, Consumer} {
			group := p.prefix + string(kind)
			p.join(t, kind, group, topic, "reader")
			p.join(t, kind, group, topic, "reader")
			g := p.until(t, group, "an owner and an idle member", func(g Group) bool {
				return len(g.Members) == 2 && g.Members[0].Count()+g.Members[1].Count() == 1
			})
			names := Names(g.Members)
			if names[0] == names[1] {
				t.Errorf("both members of %s are called %q", group, names[0])
			}
		}
	})
}

// A member whose machine died stays until its session times out, then the
// others have its partitions.
func TestMemberDies(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 2)
		group := p.prefix + "classic"
		victim := p.join(t, Classic, group, topic, "victim")
		p.join(t, Classic, group, topic, "survivor")
		p.until(t, group, "two members", func(g Group) bool {
			return maps.Equal(owners(g, topic), map[string]int{"victim": 1, "survivor": 1})
		})
		victim.die(t)
		g := p.ask(t, group)
		if _, there := owners(*g, topic)["victim"]; !there {
			t.Error("the member that just died is gone before its session has timed out")
		}
		p.until(t, group, "only the survivor", func(g Group) bool {
			return maps.Equal(owners(g, topic), map[string]int{"survivor": 2})
		})
	})
}

// A static member is told by its instance id.
func TestStaticMember(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 1)
		for _, kind := range []Kind{Classic, Consumer} {
			group := p.prefix + string(kind)
			p.join(t, kind, group, topic, "reader", kgo.InstanceID("seat-1"))
			g := p.until(t, group, "its member", func(g Group) bool {
				return len(g.Members) == 1 && g.Members[0].Count() == 1
			})
			if got := g.Members[0].InstanceID; got != "seat-1" {
				t.Errorf("the instance id of the member of %s is %q", group, got)
			}
		}
	})
}

// A group stands beyond the log's end, for example since the topic was made
// anew under a client that goes on from where it was.
func TestBeyondTheEnd(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 3)
		group := p.prefix + "group"
		p.write(t, topic, 5, 6, 7)
		p.commit(t, group, topic, 5, 5, 5)
		before := p.ask(t, group)
		for _, o := range before.Offsets {
			if o.BeyondEnd() {
				t.Errorf("%+v is said to be beyond the end", o)
			}
		}
		if got := lags(*before, topic); !slices.Equal(got, []int64{0, 1, 2}) {
			t.Errorf("the lag is %v", got)
		}

		_, err := p.adm.DeleteTopic(testkit.Deadline(t), topic)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(long); ; time.Sleep(100 * time.Millisecond) {
			_, err = p.adm.CreateTopic(testkit.Deadline(t), 3, -1, nil, topic)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		p.write(t, topic, 2)
		p.commit(t, group, topic, 5, 5, 0)
		after := p.until(t, group, "offsets in the new topic", func(g Group) bool {
			return len(g.Offsets) == 3 && g.Offsets[0].End == 2 && g.Offsets[1].End == 0
		})
		for i, want := range []bool{true, true, false} {
			if o := after.Offsets[i]; o.BeyondEnd() != want || o.Lag != 0 {
				t.Errorf("%+v: beyond the end is %v, want %v", o, o.BeyondEnd(), want)
			}
		}
	})
}

// Records that were removed before the group had read them are told.
func TestRemovedUnread(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 1)
		group := p.prefix + "group"
		p.write(t, topic, 20)
		p.commit(t, group, topic, 3)
		p.removeBefore(t, topic, 15)
		g := p.until(t, group, "the log's new start", func(g Group) bool { return g.Offsets[0].Start == 15 })
		if o := g.Offsets[0]; o.Lag != 17 || o.Missed() != 12 || o.BeyondEnd() {
			t.Errorf("%+v has missed %d", o, o.Missed())
		}
	})
}

// Where nothing is committed, the lag isn't known, unless there is nothing to read.
func TestNothingCommitted(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 2)
		group := p.prefix + "group"
		p.write(t, topic, 20)
		p.join(t, Classic, group, topic, "reader", kgo.DisableAutoCommit())
		g := p.until(t, group, "its member", func(g Group) bool { return len(g.Offsets) == 2 })
		if got := lags(g, topic); !slices.Equal(got, []int64{None, 0}) {
			t.Errorf("the lag is %v", got)
		}
		total, unknown := g.Lag()
		if total != 0 || unknown != 1 {
			t.Errorf("the lag is %d and unknown in %d partitions", total, unknown)
		}
	})
}

// Names that a terminal would obey come as they are: whoever shows them cleans them.
func TestHostileNames(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 1)
		group := p.prefix + "\x1b[31mred\r\n"
		p.join(t, Classic, group, topic, "\x1b]0;title\a")
		g := p.until(t, group, "its member", func(g Group) bool { return len(g.Members) == 1 })
		if got := g.Members[0].ClientID; got != "\x1b]0;title\a" {
			t.Errorf("the client id is %q", got)
		}
	})
}

// counter counts the requests that a client writes.
type counter struct{ requests atomic.Int64 }

func (c *counter) OnBrokerWrite(kgo.BrokerMetadata, int16, int, time.Duration, time.Duration, error) {
	c.requests.Add(1)
}

// A hundred groups take as many requests as a few.
func TestHundredGroups(t *testing.T) {
	onEachCluster(t, func(t *testing.T, p *place) {
		topic := p.create(t, "log", 3)
		p.write(t, topic, 9, 9, 9)
		groups := 0
		add := func(n int) {
			for range n {
				groups++
				p.commit(t, fmt.Sprintf("%sgroup-%03d", p.prefix, groups), topic, 1, 2, 3)
			}
		}
		count := func() int64 {
			c := new(counter)
			client := testkit.Client(t, p.addrs, kgo.WithHooks(c))
			asked, more, err := Ask(testkit.Deadline(t), client, most)
			if err == nil {
				err = Measure(testkit.Deadline(t), client, asked, topic)
			}
			if err != nil || more != 0 {
				t.Fatalf("%v; %d more", err, more)
			}
			here := 0
			for _, g := range asked {
				if !slices.Equal(lags(g, topic), []int64{8, 7, 6}) {
					continue
				}
				here++
			}
			if here != groups {
				t.Errorf("%d groups have their lag, want %d", here, groups)
			}
			return c.requests.Load()
		}
		add(10)
		few := count()
		add(90)
		hundred := count()
		t.Logf("requests: %d for 10 groups, %d for 100", few, hundred)
		// The ten groups need not have a coordinator on each of the three brokers.
		if hundred > few+6 {
			t.Errorf("a hundred groups take %d requests, ten take %d", hundred, few)
		}

		asked, more, err := Ask(testkit.Deadline(t), p.client, 7)
		if err != nil || len(asked) != 7 || more < 93 {
			t.Errorf("asked for 7 groups: %d, and %d more; %v", len(asked), more, err)
		}
	})
}

// Names are client ids, and told apart where that isn't enough.
func TestNames(t *testing.T) {
	t.Parallel()
	const library = "02-consumer@laptop (github.com/segmentio/kafka-go)"
	got := Names([]Member{
		{ClientID: "one", ID: "one-1"},
		{ClientID: library, ID: "02-consumer@laptop-1111-aaaa"},
		{ClientID: library, ID: "02-consumer@laptop-2222-bbbb"},
		{ClientID: library, ID: "anything", InstanceID: "seat-1"},
		{ClientID: "", ID: "x"},
	})
	want := []string{
		"one", "02-consumer@laptop …aaaa", "02-consumer@laptop …bbbb", "02-consumer@laptop …seat-1", "no client id",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the names are %q, want %q", got, want)
	}
}

func TestKindsExplainThemselves(t *testing.T) {
	t.Parallel()
	words, explanations := make(map[string]bool), make(map[string]bool)
	for _, kind := range kinds {
		words[kind.Words()], explanations[kind.Explanation()] = true, true
	}
	if len(words) != len(kinds) || len(explanations) != len(kinds) {
		t.Errorf("%d kinds have %d names and %d explanations", len(kinds), len(words), len(explanations))
	}
}
