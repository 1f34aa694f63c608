package embedded

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	// askedByTheCluster marks a request that the cluster sends to one of its own
	// brokers. It is the number of a tag, the protocol's place for optional fields;
	// whoever doesn't know a tag passes over it.
	askedByTheCluster = 1_000_000
	// ownBrokerPatience is how long one of the cluster's own brokers may take to answer.
	ownBrokerPatience = 5 * time.Second
)

// mendGroups has kfake answer for groups as Apache Kafka does.
func (c *Cluster) mendGroups() {
	c.fake.ControlKey(int16(kmsg.ConsumerGroupDescribe), c.describeConsumerGroups)
	c.fake.ControlKey(int16(kmsg.ListGroups), c.listGroups)
}

// listGroups is kfake's hook for the list of groups. Kafka's own tools ask for
// the types Classic and Consumer, which kfake knows as classic and consumer: so
// they would be told of none.
func (c *Cluster) listGroups(request kmsg.Request) (kmsg.Response, error, bool) {
	c.fake.KeepControl()
	list := request.(*kmsg.ListGroupsRequest)
	for i, name := range list.TypesFilter {
		list.TypesFilter[i] = strings.ToLower(name)
	}
	return nil, nil, false // kfake itself answers.
}

// describeConsumerGroups is kfake's hook for the description of groups of the
// new protocol (KIP-848). kfake names a member's topics by their ids alone, and
// clients, among them Kafka's own tools, read their names.
//
// A hook can't see kfake's answer. So it puts the same request to the same
// broker a second time, marked by a tag, over a connection of its own; kfake
// itself answers that one, and the hook fills in the names.
func (c *Cluster) describeConsumerGroups(request kmsg.Request) (kmsg.Response, error, bool) {
	c.fake.KeepControl()
	describe := request.(*kmsg.ConsumerGroupDescribeRequest)
	if isAskedByTheCluster(describe) {
		return nil, nil, false // kfake itself answers.
	}
	broker := int(c.fake.CurrentNode())
	var answer *kmsg.ConsumerGroupDescribeResponse
	var err error
	// While this request waits for the other one, kfake serves all the others.
	c.fake.SleepControl(func() {
		answer, err = c.askForConsumerGroups(broker, describe)
		if err == nil {
			c.nameTopics(answer)
		}
	})
	if err != nil {
		return nil, err, true // kfake closes the client's connection.
	}
	return answer, nil, true
}

func isAskedByTheCluster(request *kmsg.ConsumerGroupDescribeRequest) bool {
	marked := false
	request.UnknownTags.Each(func(number uint32, _ []byte) {
		marked = marked || number == askedByTheCluster
	})
	return marked
}

// askForConsumerGroups has a broker answer a request in the request's version.
func (c *Cluster) askForConsumerGroups(
	broker int, request *kmsg.ConsumerGroupDescribeRequest,
) (*kmsg.ConsumerGroupDescribeResponse, error) {
	if broker < 1 || broker > Brokers {
		return nil, fmt.Errorf("no client reaches broker %d", broker)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Addrs()[broker-1]),
		kgo.MaxVersions(versionsUpTo(request.GetVersion())),
		kgo.RequestRetries(0),
	)
	if err != nil {
		return nil, fmt.Errorf("describing groups: %w", err)
	}
	defer client.Close()

	marked := *request
	marked.UnknownTags = kmsg.Tags{}
	marked.UnknownTags.Set(askedByTheCluster, nil)
	ctx, cancel := context.WithTimeout(context.Background(), ownBrokerPatience)
	defer cancel()
	answer, err := client.SeedBrokers()[0].Request(ctx, &marked)
	if err != nil {
		return nil, fmt.Errorf("describing groups: %w", err)
	}
	return answer.(*kmsg.ConsumerGroupDescribeResponse), nil
}

// versionsUpTo are all versions of all requests, with one exception: groups are
// described in a certain version.
func versionsUpTo(version int16) *kversion.Versions {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.ConsumerGroupDescribe.Int16(), version)
	return versions
}

// nameTopics adds the topics' names to what members have and are to get. A
// topic that is deleted has no name any more, and is left out, as Apache Kafka does.
func (c *Cluster) nameTopics(answer *kmsg.ConsumerGroupDescribeResponse) {
	names := make(map[[16]byte]string)
	name := func(id [16]byte) string {
		known, ok := names[id]
		if ok {
			return known
		}
		if info := c.fake.TopicIDInfo(id); info != nil {
			names[id] = info.Topic
		}
		return names[id]
	}
	for i := range answer.Groups {
		members := answer.Groups[i].Members
		for j := range members {
			members[j].Assignment = named(members[j].Assignment, name)
			members[j].TargetAssignment = named(members[j].TargetAssignment, name)
		}
	}
}

func named(assignment kmsg.Assignment, name func(id [16]byte) string) kmsg.Assignment {
	var topics []kmsg.AssignmentTopicPartition
	for _, t := range assignment.TopicPartitions {
		t.Topic = name(t.TopicID)
		if t.Topic != "" {
			topics = append(topics, t)
		}
	}
	assignment.TopicPartitions = topics
	return assignment
}
