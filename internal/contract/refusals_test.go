package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/testing/testkit"
)

// An asker sends requests as they are, to a broker or to the controller.
type asker struct {
	t      *testing.T
	ctx    context.Context
	client *kgo.Client
}

func newAsker(t *testing.T, p place) asker {
	return asker{t, testkit.Deadline(t), testkit.Client(t, p.Addrs())}
}

// ask returns the answer to a request.
func ask[T kmsg.Response](a asker, request kmsg.Request) T {
	a.t.Helper()
	answer, err := a.client.Request(a.ctx, request)
	if err != nil {
		a.t.Fatalf("%s: %v", kmsg.NameForKey(request.Key()), err)
	}
	return answer.(T)
}

// name returns what an error code is called.
func name(code int16) string {
	if code == 0 {
		return "created"
	}
	if err, ok := kerr.ErrorForCode(code).(*kerr.Error); ok {
		return err.Message
	}
	return strconv.Itoa(int(code))
}

func newTopic(name string, partitions int32, replicas int16, settings ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
	for i := 0; i < len(settings); i += 2 {
		s := kmsg.NewCreateTopicsRequestTopicConfig()
		s.Name, s.Value = settings[i], &settings[i+1]
		t.Configs = append(t.Configs, s)
	}
	return t
}

// create asks for topics, and returns what became of each, in the order of the names.
func (a asker) create(validateOnly bool, topics ...kmsg.CreateTopicsRequestTopic) []string {
	a.t.Helper()
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis, request.ValidateOnly, request.Topics = 30_000, validateOnly, topics
	answer := ask[*kmsg.CreateTopicsResponse](a, request)
	became := make(map[string]string)
	for _, t := range answer.Topics {
		became[t.Topic] = name(t.ErrorCode)
	}
	var list []string
	for _, t := range topics {
		list = append(list, became[t.Topic])
	}
	return list
}

// What Apache Kafka refuses to create is refused by both clusters, with the same error.
func TestTopicsThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		a := newAsker(t, p)
		unique := func(name string) string { return p.topic + name }
		if got := a.create(false, newTopic(unique("-some.name"), 3, 3)); got[0] != "created" {
			t.Fatalf("the topic is %s", got[0])
		}
		assigned := func(name string, replicas ...[]int32) kmsg.CreateTopicsRequestTopic {
			topic := newTopic(name, -1, -1)
			for i, ids := range replicas {
				r := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
				r.Partition, r.Replicas = int32(i), ids
				topic.ReplicaAssignment = append(topic.ReplicaAssignment, r)
			}
			return topic
		}
		const (
			invalidName     = "INVALID_TOPIC_EXCEPTION"
			invalidSetting  = "INVALID_CONFIG"
			invalidCount    = "INVALID_PARTITIONS"
			invalidReplicas = "INVALID_REPLICATION_FACTOR"
			invalidPlaces   = "INVALID_REPLICA_ASSIGNMENT"
		)
		setting := func(name, value string) kmsg.CreateTopicsRequestTopic {
			return newTopic(unique("-"+name), 3, 3, name, value)
		}
		for _, test := range []struct {
			topics []kmsg.CreateTopicsRequestTopic
			want   []string
		}{
			{[]kmsg.CreateTopicsRequestTopic{newTopic("my topic", 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic("my/topic", 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic("", 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(".", 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic("..", 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic("größe", 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic("a\x00b", 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(strings.Repeat("a", 250), 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-some_name"), 3, 3)}, []string{invalidName}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-some.name"), 3, 3)}, []string{"TOPIC_ALREADY_EXISTS"}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-c"), 0, 3)}, []string{invalidCount}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-c"), -2, 3)}, []string{invalidCount}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-c"), 3, 0)}, []string{invalidReplicas}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-c"), 3, -2)}, []string{invalidReplicas}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-c"), 3, 4)}, []string{invalidReplicas}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-c"), 2_147_483_647, 3)}, []string{"POLICY_VIOLATION"}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-c"), 10_001, 3)}, []string{"POLICY_VIOLATION"}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-c"), 6_000, 3), newTopic(unique("-d"), 6_000, 3)},
				[]string{"POLICY_VIOLATION", "POLICY_VIOLATION"}},
			{[]kmsg.CreateTopicsRequestTopic{assigned(unique("-c"), []int32{7, 8, 9})}, []string{invalidPlaces}},
			{[]kmsg.CreateTopicsRequestTopic{assigned(unique("-c"), []int32{1, 1, 2})}, []string{invalidPlaces}},
			{[]kmsg.CreateTopicsRequestTopic{assigned(unique("-c"), []int32{})}, []string{invalidPlaces}},
			{[]kmsg.CreateTopicsRequestTopic{assigned(unique("-c"), []int32{1, 2}, []int32{1})}, []string{invalidPlaces}},
			{[]kmsg.CreateTopicsRequestTopic{setting("retention.mss", "1000")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("retention.ms", "many")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("retention.ms", "-2")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("retention.ms", "1.5")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("retention.ms", "9223372036854775808")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("cleanup.policy", "compacted")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("cleanup.policy", "compact,delete")}, []string{"created"}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-kept"), 3, 3, "cleanup.policy", "")}, []string{"created"}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-zip"), 3, 3, "compression.type", " gzip ")}, []string{"created"}},
			{[]kmsg.CreateTopicsRequestTopic{setting("compression.type", "brotli")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("max.message.bytes", "-1")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("min.insync.replicas", "0")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("segment.bytes", "100")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("min.cleanable.dirty.ratio", "2")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("preallocate", "maybe")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("remote.storage.enable", "true")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("leader.replication.throttled.replicas", "a")}, []string{invalidSetting}},
			{[]kmsg.CreateTopicsRequestTopic{setting("message.format.version", "2.8")}, []string{invalidSetting}},
			// Good and bad ones in one request.
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-good"), 1, 1), newTopic("bad name", 1, 1), newTopic(unique("-good2"), -1, -1)},
				[]string{"created", invalidName, "created"}},
			{[]kmsg.CreateTopicsRequestTopic{newTopic(unique("-twice"), 1, 1), newTopic(unique("-twice"), 1, 1), newTopic(unique("-once"), 1, 1)},
				[]string{"INVALID_REQUEST", "INVALID_REQUEST", "created"}},
		} {
			for _, validateOnly := range []bool{true, false} {
				got := a.create(validateOnly, test.topics...)
				if !slices.Equal(got, test.want) {
					t.Errorf("%s (validate only: %v) and so on are %v, want %v", short(test.topics[0].Topic), validateOnly, got, test.want)
				}
			}
		}
		// Two names that collide in one request: Apache Kafka doesn't see it, and the
		// embedded cluster does.
		collide := []string{"created", invalidName}
		if p.apache {
			collide[1] = "created"
		}
		if got := a.create(false, newTopic(unique("-e.e"), 1, 1), newTopic(unique("-e_e"), 1, 1)); !slices.Equal(got, collide) {
			t.Errorf("two names that collide are %v, want %v", got, collide)
		}

		topics, err := kadm.NewClient(a.client).ListTopics(a.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{"my topic", "", "..", "bad name", unique("-c"), unique("-twice"), unique("-some_name")} {
			if _, ok := topics[topic]; ok {
				t.Errorf("the topic %q was refused, and is there", topic)
			}
		}
	})
}

// short shortens a long name.
func short(name string) string { return fmt.Sprintf("%q", name[:min(40, len(name))]) }

// Partitions can be added only up to a larger number.
func TestPartitionsThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		a := newAsker(t, p)
		if got := a.create(false, newTopic(p.topic, 3, 3)); got[0] != "created" {
			t.Fatalf("the topic is %s", got[0])
		}
		for _, test := range []struct {
			topic string
			count int32
			want  string
		}{
			{p.topic, 3, "INVALID_PARTITIONS"},
			{p.topic, 2, "INVALID_PARTITIONS"},
			{p.topic, 0, "INVALID_PARTITIONS"},
			{p.topic, -1, "INVALID_PARTITIONS"},
			{p.topic + "-missing", 4, "UNKNOWN_TOPIC_OR_PARTITION"},
			{"no name", 4, "UNKNOWN_TOPIC_OR_PARTITION"},
			{p.topic, 4, "created"},
		} {
			request := kmsg.NewPtrCreatePartitionsRequest()
			topic := kmsg.NewCreatePartitionsRequestTopic()
			topic.Topic, topic.Count = test.topic, test.count
			request.TimeoutMillis, request.Topics = 30_000, append(request.Topics, topic)
			answer := ask[*kmsg.CreatePartitionsResponse](a, request)
			if got := name(answer.Topics[0].ErrorCode); got != test.want {
				t.Errorf("%s up to %d: %s, want %s", test.topic, test.count, got, test.want)
			}
		}
	})
}

// A setting that a topic, a group or a broker can't have is refused, however it is set.
func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		a := newAsker(t, p)
		if got := a.create(false, newTopic(p.topic, 3, 3)); got[0] != "created" {
			t.Fatalf("the topic is %s", got[0])
		}
		const topic, broker, group = kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeGroupConfig
		for _, test := range []struct {
			kind           kmsg.ConfigResourceType
			resource, name string
			value          string
			operation      kmsg.IncrementalAlterConfigOp
			want           string
		}{
			{topic, p.topic, "retention.ms", "1000000", 0, "created"},
			{topic, p.topic, "retention.mss", "1000000", 0, "INVALID_CONFIG"},
			{topic, p.topic, "retention.ms", "many", 0, "INVALID_CONFIG"},
			{topic, p.topic, "min.insync.replicas", "0", 0, "INVALID_CONFIG"},
			{topic, p.topic, "cleanup.policy", "compact", 2, "created"},
			{topic, p.topic, "retention.ms", "1", 2, "INVALID_CONFIG"},
			{topic, p.topic + "-missing", "retention.ms", "1000000", 0, "UNKNOWN_TOPIC_OR_PARTITION"},
			{group, p.group, "consumer.session.timeout.ms", "50000", 0, "created"},
			{group, p.group, "consumer.session.timeout.ms", "long", 0, "INVALID_CONFIG"},
			{group, p.group, "consumer.session.timeout.ms", "1", 0, "INVALID_CONFIG"},
			{group, p.group, "share.auto.offset.reset", "earliest", 0, "created"},
			{group, p.group, "share.auto.offset.reset", "now", 0, "INVALID_CONFIG"},
			{group, p.group, "no.such.setting", "1", 0, "INVALID_CONFIG"},
			{broker, "1", "log.cleaner.backoff.ms", "many", 0, ""},
		} {
			request := kmsg.NewPtrIncrementalAlterConfigsRequest()
			resource := kmsg.NewIncrementalAlterConfigsRequestResource()
			resource.ResourceType, resource.ResourceName = test.kind, test.resource
			s := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			s.Name, s.Value, s.Op = test.name, &test.value, test.operation
			resource.Configs = append(resource.Configs, s)
			request.Resources = append(request.Resources, resource)
			answer := ask[*kmsg.IncrementalAlterConfigsResponse](a, request)
			got := name(answer.Resources[0].ErrorCode)
			if test.want == "" && got == "created" || test.want != "" && got != test.want {
				t.Errorf("%s=%s (operation %d) of %s: %s, want %s", test.name, test.value, test.operation, test.resource, got, test.want)
			}
			if test.kind != topic || test.operation != 0 {
				continue
			}
			older := kmsg.NewPtrAlterConfigsRequest()
			r := kmsg.NewAlterConfigsRequestResource()
			r.ResourceType, r.ResourceName = test.kind, test.resource
			c := kmsg.NewAlterConfigsRequestResourceConfig()
			c.Name, c.Value = test.name, &test.value
			r.Configs = append(r.Configs, c)
			older.Resources = append(older.Resources, r)
			if got := name(ask[*kmsg.AlterConfigsResponse](a, older).Resources[0].ErrorCode); got != test.want {
				t.Errorf("AlterConfigs: %s=%s of %s: %s, want %s", test.name, test.value, test.resource, got, test.want)
			}
		}

		described, err := kadm.NewClient(a.client).DescribeTopicConfigs(a.ctx, p.topic)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, c := range described[0].Configs {
			if c.Key == "min.insync.replicas" {
				seen++
				if c.MaybeValue() != "2" {
					t.Errorf("min.insync.replicas is %s, where docker-compose.yml sets 2", c.MaybeValue())
				}
			}
		}
		if seen != 1 {
			t.Errorf("min.insync.replicas is described %d times", seen)
		}
	})
}

// Every setting that a topic of Apache Kafka has can be set on both clusters.
func TestSettingsThatAreAccepted(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		settings := []string{
			"cleanup.policy", "compact", "compression.gzip.level", "-1", "compression.lz4.level", "17",
			"compression.type", "uncompressed", "compression.zstd.level", "-5", "delete.retention.ms", "0",
			"file.delete.delay.ms", "0", "flush.messages", "1", "flush.ms", "0",
			"follower.replication.throttled.replicas", "0:1,1:2", "index.interval.bytes", "0",
			"leader.replication.throttled.replicas", "*", "local.retention.bytes", "-2", "local.retention.ms", "-2",
			"max.compaction.lag.ms", "1", "max.message.bytes", "1000", "message.timestamp.after.max.ms", "0",
			"message.timestamp.before.max.ms", "0", "message.timestamp.type", "LogAppendTime",
			"min.cleanable.dirty.ratio", "0.5", "min.compaction.lag.ms", "0", "min.insync.replicas", "1",
			"preallocate", "FALSE", "remote.log.copy.disable", "false", "remote.log.delete.on.disable", "false",
			"remote.storage.enable", "false", "retention.bytes", " -1 ", "retention.ms", "-1",
			"segment.bytes", "1048576", "segment.index.bytes", "4", "segment.jitter.ms", "0", "segment.ms", "1",
			"unclean.leader.election.enable", "true",
		}
		a := newAsker(t, p)
		for i := 0; i < len(settings); i += 2 {
			// Each alone, since all are refused for one.
			if got := a.create(true, newTopic(p.topic, 1, 1, settings[i:i+2]...)); got[0] != "created" {
				t.Errorf("a topic with %s=%s: %s", settings[i], settings[i+1], got[0])
			}
		}
		makeTopic(t, p)
		described, err := kadm.NewClient(a.client).DescribeTopicConfigs(a.ctx, p.topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range described[0].Configs {
			if p.apache && !slices.Contains(settings, c.Key) {
				t.Errorf("topics of Apache Kafka have the setting %s, which this test doesn't know", c.Key)
			}
		}
	})
}

// Asking for a topic with an invalid name says that it is invalid.
func TestNamesThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		a := newAsker(t, p)
		for name_, want := range map[string]string{
			"my topic": "INVALID_TOPIC_EXCEPTION", "..": "INVALID_TOPIC_EXCEPTION", "": "INVALID_TOPIC_EXCEPTION",
			strings.Repeat("a", 250): "INVALID_TOPIC_EXCEPTION", p.topic + "-missing": "UNKNOWN_TOPIC_OR_PARTITION",
		} {
			for _, auto := range []bool{true, false} {
				request := kmsg.NewPtrMetadataRequest()
				topic := kmsg.NewMetadataRequestTopic()
				topic.Topic = &name_
				request.Topics, request.AllowAutoTopicCreation = append(request.Topics, topic), auto
				answer := ask[*kmsg.MetadataResponse](a, request)
				got := ""
				for _, t := range answer.Topics {
					got = name(t.ErrorCode)
				}
				if got != want {
					t.Errorf("metadata of %s (may be created: %v): %s, want %s", short(name_), auto, got, want)
				}
			}
		}
	})
}

// A group needs a name, and so does a transaction.
func TestGroupsThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		a := newAsker(t, p)
		broker := a.client.Broker(1)
		one := func(request kmsg.Request) kmsg.Response {
			answer, err := broker.Request(a.ctx, request)
			if err != nil {
				t.Fatalf("%s: %v", kmsg.NameForKey(request.Key()), err)
			}
			return answer
		}

		join := kmsg.NewPtrJoinGroupRequest()
		join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = 10_000, 10_000, "consumer"
		protocol := kmsg.NewJoinGroupRequestProtocol()
		protocol.Name = "range"
		join.Protocols = append(join.Protocols, protocol)
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.MemberID, sync.ProtocolType, sync.Protocol = "member", kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
		heartbeat := kmsg.NewPtrHeartbeatRequest()
		heartbeat.MemberID = "member"
		leave := kmsg.NewPtrLeaveGroupRequest()
		leaving := kmsg.NewLeaveGroupRequestMember()
		leaving.MemberID = "member"
		leave.Members = append(leave.Members, leaving)
		consumer := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		consumer.MemberID, consumer.RebalanceTimeoutMillis = "member", 10_000
		consumer.SubscribedTopicNames, consumer.Topics = []string{p.topic}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		share := kmsg.NewPtrShareGroupHeartbeatRequest()
		share.MemberID, share.SubscribedTopicNames = "member", []string{p.topic}
		transaction := kmsg.NewPtrInitProducerIDRequest()
		transaction.TransactionalID, transaction.TransactionTimeoutMillis = kmsg.StringPtr(""), 10_000

		for what, test := range map[string]struct {
			code int16
			want string
		}{
			"JoinGroup":              {one(join).(*kmsg.JoinGroupResponse).ErrorCode, "INVALID_GROUP_ID"},
			"SyncGroup":              {one(sync).(*kmsg.SyncGroupResponse).ErrorCode, "INVALID_GROUP_ID"},
			"Heartbeat":              {one(heartbeat).(*kmsg.HeartbeatResponse).ErrorCode, "INVALID_GROUP_ID"},
			"LeaveGroup":             {one(leave).(*kmsg.LeaveGroupResponse).ErrorCode, "INVALID_GROUP_ID"},
			"ConsumerGroupHeartbeat": {one(consumer).(*kmsg.ConsumerGroupHeartbeatResponse).ErrorCode, "INVALID_REQUEST"},
			"ShareGroupHeartbeat":    {one(share).(*kmsg.ShareGroupHeartbeatResponse).ErrorCode, "INVALID_REQUEST"},
			"InitProducerID":         {one(transaction).(*kmsg.InitProducerIDResponse).ErrorCode, "INVALID_REQUEST"},
		} {
			if got := name(test.code); got != test.want {
				t.Errorf("%s for a group or a transaction without a name: %s, want %s", what, got, test.want)
			}
		}
	})
}

// Bytes that no broker can answer cost their sender the connection, and nobody else
// anything. A request in a version that isn't served is answered only where it asks
// for the versions.
func TestFramesThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		a := newAsker(t, p)
		for what, test := range map[string]struct {
			frame    []byte
			answered bool
		}{
			"an unknown kind of request":             {[]byte("\x00\x00\x00\x0a\x7f\xff\x00\x00\x00\x00\x00\x01\xff\xff"), false},
			"a negative kind of request":             {[]byte("\x00\x00\x00\x0a\xff\xff\x00\x00\x00\x00\x00\x01\xff\xff"), false},
			"Metadata in version 99":                 {[]byte("\x00\x00\x00\x0f\x00\x03\x00\x63\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00\x00"), false},
			"Metadata in version -1":                 {[]byte("\x00\x00\x00\x0f\x00\x03\xff\xff\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00\x00"), false},
			"Metadata in version 13":                 {[]byte("\x00\x00\x00\x0f\x00\x03\x00\x0d\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00\x00"), true},
			"CreateTopics in version 99":             {[]byte("\x00\x00\x00\x0f\x00\x13\x00\x63\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00\x00"), false},
			"ApiVersions in version 99":              {[]byte("\x00\x00\x00\x0b\x00\x12\x00\x63\x00\x00\x00\x01\xff\xff\x00"), true},
			"a negative length":                      {[]byte("\xff\xff\xff\xff\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff"), false},
			"a length of two gigabytes":              {[]byte("\x7f\xff\xff\xff\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff"), false},
			"a list that is longer than the request": {[]byte("\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff\x7f\xff\xff\xff"), false},
			"a browser":                              {[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), false},
			"a name of 33,000 bytes":                 {longName(), false},
			"TLS":                                    {bytes.Repeat([]byte("\x16\x03\x01\x02"), 100), false},
		} {
			conn, err := net.Dial("tcp", p.Addrs()[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(test.frame); err != nil {
				t.Fatal(err)
			}
			n, err := io.ReadFull(conn, make([]byte, 4))
			var timeout net.Error
			switch {
			case test.answered && err != nil:
				t.Errorf("%s: %v, want an answer", what, err)
			case !test.answered && n > 0:
				t.Errorf("%s is answered", what)
			case !test.answered && errors.As(err, &timeout) && timeout.Timeout():
				t.Errorf("%s: the connection isn't closed", what)
			}
			conn.Close()
		}
		if _, err := kadm.NewClient(a.client).ListTopics(a.ctx); err != nil {
			t.Errorf("afterwards nobody else is answered: %v", err)
		}
		if got := a.create(false, newTopic(p.topic, 1, 1)); got[0] != "created" {
			t.Errorf("afterwards a topic is %s", got[0])
		}
	})
}

// longName is the frame of a request to create a topic whose name is longer than a
// name can be in Kafka's protocol.
func longName() []byte {
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Version, request.TimeoutMillis = 7, 10_000
	request.Topics = append(request.Topics, newTopic(strings.Repeat("a", 33_000), 3, 3))
	return kmsg.NewRequestFormatter().AppendRequest(nil, request, 1)
}

// A commit with too long a text beside its offset is refused; the others beside it are taken.
func TestCommitsThatAreRefused(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		makeTopic(t, p)
		a := newAsker(t, p)
		offsets := make(kadm.Offsets)
		for partition, length := range []int{4096, 4097} {
			offsets.Add(kadm.Offset{
				Topic: p.topic, Partition: int32(partition), At: 1, LeaderEpoch: -1,
				Metadata: strings.Repeat("m", length),
			})
		}
		answers, err := kadm.NewClient(a.client).CommitOffsets(a.ctx, p.group, offsets)
		if err != nil {
			t.Fatal(err)
		}
		for partition, want := range []error{nil, kerr.OffsetMetadataTooLarge} {
			if got := answers[p.topic][int32(partition)].Err; !errors.Is(got, want) {
				t.Errorf("the commit of partition %d: %v, want %v", partition, got, want)
			}
		}
	})
}
