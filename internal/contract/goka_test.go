package contract

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// A processor of goka doesn't start while any topic of the cluster has a partition without a
// leader. The flow says which one, and goes on when the leader is back. On the embedded cluster
// each partition always has a leader, while a broker runs.
func TestGokaWantsEveryLeader(t *testing.T) {
	alone(t)
	p := apachePlace(t)
	path := p.build(t, "04-comparison/goka")
	first := testkit.Start(t, path)
	first.UntilMore(5, "received: ")
	p.checkCtrlC(t, first)

	ctx := testkit.Deadline(t)
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	other := p.topic + "-of-another"
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, other); err != nil {
		t.Fatal(err)
	}
	var leader int32 = -1
	for leader < 1 { // A broker may not have heard of the topic yet.
		topics, err := admin.ListTopics(ctx, other)
		if err != nil {
			t.Fatal(err)
		}
		if partitions := topics[other].Partitions; len(partitions) == 1 {
			leader = partitions[0].Leader
		}
	}
	p.stop(t, int(leader))
	again := testkit.Start(t, path)
	again.UntilLine("error refreshing metadata " + other)
	p.start(t, int(leader))
	again.UntilMore(5, "received: ")
	p.checkCtrlC(t, again)
}
