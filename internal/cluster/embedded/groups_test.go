package embedded

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// joinConsumerGroup starts a member of a group of the new protocol, which reads
// topics until the test's end.
func joinConsumerGroup(t *testing.T, c *Cluster, group string, topics ...string) {
	t.Helper()
	member := client(t, c, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...),
		kgo.Balancers(kgo.StickyBalancer()), kgo.ServerSideBalancer())
	go func() {
		for !member.PollFetches(context.Background()).IsClientClosed() {
		}
	}()
}

// describe asks a group's coordinator for its only member's partitions, in a
// version of the request. It returns their number by topic.
func describe(ctx context.Context, cl *kgo.Client, group string, version int16) (map[string]int, error) {
	request := kmsg.NewPtrConsumerGroupDescribeRequest()
	request.Groups = []string{group}
	answer, err := request.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	if answer.Version != version {
		return nil, fmt.Errorf("the answer is in version %d, want %d", answer.Version, version)
	}
	if len(answer.Groups) != 1 {
		return nil, fmt.Errorf("there are answers for %d groups, not for %s alone", len(answer.Groups), group)
	}
	g := answer.Groups[0]
	err = kerr.ErrorForCode(g.ErrorCode)
	if err != nil {
		return nil, err
	}
	if len(g.Members) != 1 {
		return nil, fmt.Errorf("%s has %d members", group, len(g.Members))
	}
	counts := make(map[string]int)
	for _, t := range g.Members[0].Assignment.TopicPartitions {
		counts[t.Topic] += len(t.Partitions)
	}
	return counts, nil
}

// untilAssigned waits until the only member of a group has so many partitions by topic.
func untilAssigned(ctx context.Context, t *testing.T, cl *kgo.Client, group string, version int16, want map[string]int) {
	t.Helper()
	for {
		got, err := describe(ctx, cl, group, version)
		if err == nil && maps.Equal(got, want) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the member of %s has %v (%v), want %v", group, got, err, want)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// versioned is a client that speaks at most a version of the description of groups.
func versioned(t *testing.T, c *Cluster, version int16) *kgo.Client {
	t.Helper()
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.ConsumerGroupDescribe.Int16(), version)
	return client(t, c, kgo.MaxVersions(versions))
}

// The topics of a group of the new protocol have names, in each version of the
// request, and whichever broker is the group's coordinator.
func TestConsumerGroupsNameTheirTopics(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	c := start(t, Options{Topic: topic})
	adm := kadm.NewClient(client(t, c))
	_, err := adm.CreateTopic(ctx, 2, -1, nil, "other")
	if err != nil {
		t.Fatal(err)
	}
	joinConsumerGroup(t, c, "group", topic, "other")
	clients := []*kgo.Client{versioned(t, c, 0), versioned(t, c, 1)}
	both := map[string]int{topic: 3, "other": 2}
	check := func(want map[string]int) {
		t.Helper()
		for version, cl := range clients {
			untilAssigned(ctx, t, cl, "group", int16(version), want)
		}
	}
	check(both)
	for id := 1; id <= Brokers; id++ {
		if err := c.StopBroker(id); err != nil {
			t.Fatal(err)
		}
		check(both)
		if err := c.StartBroker(id); err != nil {
			t.Fatal(err)
		}
		check(both)
	}

	// A topic that is deleted has no name; it is left out.
	_, err = adm.DeleteTopic(ctx, "other")
	if err != nil {
		t.Fatal(err)
	}
	check(map[string]int{topic: 3})
}

// Several clients ask at once.
func TestConsumerGroupsForMany(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	c := start(t, Options{Topic: topic})
	joinConsumerGroup(t, c, "group", topic)
	untilAssigned(ctx, t, client(t, c), "group", 1, map[string]int{topic: 3})
	var clients sync.WaitGroup
	for range 8 {
		cl := client(t, c)
		clients.Go(func() {
			for range 10 {
				got, err := describe(ctx, cl, "group", 1)
				if err != nil || got[topic] != 3 {
					t.Errorf("the member has %v; %v", got, err)
				}
			}
		})
	}
	clients.Wait()
}

// Groups are listed by type however a client writes the type: Kafka's own tools
// begin it with a capital letter.
func TestGroupsByType(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	c := start(t, Options{Topic: topic})
	joinConsumerGroup(t, c, "new", topic)
	cl := client(t, c)
	untilAssigned(ctx, t, cl, "new", 1, map[string]int{topic: 3})
	adm := kadm.NewClient(cl)
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, 0, -1)
	if err := adm.CommitAllOffsets(ctx, "old", offsets); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{"Consumer": "new", "consumer": "new", "Classic": "old", "classic": "old"} {
		listed, err := adm.ListGroupsByType(ctx, []string{kind})
		names := listed.Groups()
		if err != nil || len(names) != 1 || names[0] != want {
			t.Errorf("the groups of type %s are %v (%v), want %s", kind, names, err, want)
		}
	}
}
