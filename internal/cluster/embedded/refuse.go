package embedded

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake takes any name, any setting and any number of partitions. What Apache Kafka
// refuses is refused here, with the same error code: a program that is written
// against this cluster meets no surprise on the other.

const (
	// maxNewPartitions is how many partitions one request may create, as in Apache Kafka.
	maxNewPartitions = 10_000
	// maxPartitions is how many partitions the cluster has room for. They are all in one
	// process here, where each takes memory also while it is empty.
	maxPartitions = 10_000
)

// A refusal is an error that a client gets, and what it says.
type refusal struct {
	code    int16
	message string
}

func refuse(err *kerr.Error, format string, args ...any) *refusal {
	return &refusal{err.Code, fmt.Sprintf(format, args...)}
}

// checkTopicName refuses a name that no topic may have.
func checkTopicName(name string) *refusal {
	wrong := func(format string, args ...any) *refusal {
		return refuse(kerr.InvalidTopicException, "Topic name is invalid: "+format, args...)
	}
	const longest = 249
	switch {
	case name == "":
		return wrong("the empty string is not allowed")
	case name == "." || name == "..":
		return wrong("'.' or '..' is not allowed")
	case len(name) > longest:
		return wrong("the length of '%s' is longer than the max allowed length %d", name, longest)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		default:
			return wrong("'%s' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name)
		}
	}
	return nil
}

// collisionName is the same for two topics whose metrics would have the same name.
func collisionName(topic string) string { return strings.ReplaceAll(topic, ".", "_") }

// metadata has the hidden broker answer which topics there are. Where somebody asks
// for a topic whose name is invalid, the answer says so.
func (ctl *controller) metadata(request *kmsg.MetadataRequest) (kmsg.Response, error) {
	answer, err := ctl.link.roundTrip(request)
	if err != nil {
		return nil, err
	}
	metadata := answer.(*kmsg.MetadataResponse)
	metadata.ControllerID = -1
	for _, b := range metadata.Brokers {
		metadata.ControllerID = lowest(metadata.ControllerID, b.NodeID)
	}
	for i := range metadata.Topics {
		t := &metadata.Topics[i]
		if t.ErrorCode != kerr.UnknownTopicOrPartition.Code {
			continue
		}
		name := ""
		if t.Topic != nil {
			name = *t.Topic
		}
		if r := checkTopicName(name); r != nil {
			t.ErrorCode, t.Topic = r.code, &name
		}
	}
	return metadata, nil
}

// createTopics creates those of the topics that may be created.
func (ctl *controller) createTopics(request *kmsg.CreateTopicsRequest) (kmsg.Response, error) {
	// One request after the other: each is checked against what those before it made.
	ctl.creating.Lock()
	defer ctl.creating.Unlock()
	existing, err := ctl.leaders()
	if err != nil {
		return nil, err
	}
	names, taken, partitions := make(map[string]int), make(map[string]string), 0
	for topic, p := range existing {
		taken[collisionName(topic)] = topic
		partitions += len(p)
	}
	for _, t := range request.Topics {
		names[t.Topic]++
	}

	refused := make(map[string]*refusal)
	var good []kmsg.CreateTopicsRequestTopic
	added := 0
	for _, t := range request.Topics {
		r := checkNewTopic(t, names, taken, existing)
		if r != nil {
			refused[t.Topic] = r
			continue
		}
		n := newPartitions(t)
		// Apache Kafka refuses the whole request.
		if added += n; added > maxNewPartitions {
			return refuseTopics(request, refuse(kerr.PolicyViolation,
				"Excessively large number of partitions per request.")), nil
		}
		if partitions+added > maxPartitions {
			added -= n
			refused[t.Topic] = tooManyPartitions()
			continue
		}
		taken[collisionName(t.Topic)] = t.Topic
		good = append(good, t)
	}

	whole := request.Topics
	request.Topics = good
	response, err := ctl.link.roundTrip(request)
	if err != nil {
		return nil, err
	}
	created := response.(*kmsg.CreateTopicsResponse)
	answers := make(map[string]kmsg.CreateTopicsResponseTopic)
	for _, t := range created.Topics {
		if t.Configs == nil {
			// kfake says null for no configurations, and Java's admin client fails on it.
			t.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
		}
		answers[t.Topic] = t
	}
	created.Topics = nil
	for _, t := range whole {
		if names[t.Topic] == 0 {
			continue // It is answered already.
		}
		names[t.Topic] = 0
		answer, ok := answers[t.Topic]
		if r := refused[t.Topic]; r != nil {
			answer = refusedTopic(t.Topic, r)
		} else if !ok {
			continue
		}
		created.Topics = append(created.Topics, answer)
	}
	return created, ctl.placeLeaders()
}

func tooManyPartitions() *refusal {
	return refuse(kerr.PolicyViolation,
		"this cluster, which runs in one process, has room for %d partitions", maxPartitions)
}

// checkNewTopic refuses a topic that can't be created beside those that there are.
func checkNewTopic(
	t kmsg.CreateTopicsRequestTopic, names map[string]int, taken map[string]string, existing map[string]map[int32]int32,
) *refusal {
	if names[t.Topic] > 1 {
		return refuse(kerr.InvalidRequest, "Duplicate topic name.")
	}
	if r := checkTopicName(t.Topic); r != nil {
		return r
	}
	if existing[t.Topic] != nil {
		return refuse(kerr.TopicAlreadyExists, "Topic '%s' already exists.", t.Topic)
	}
	if other, ok := taken[collisionName(t.Topic)]; ok {
		return refuse(kerr.InvalidTopicException,
			"Topic '%s' collides with existing topic: %s", t.Topic, other)
	}
	settings := make(map[string]*string)
	for _, s := range t.Configs {
		settings[s.Name] = s.Value
	}
	if r := checkTopicSettings(settings); r != nil {
		return r
	}
	if len(t.ReplicaAssignment) > 0 {
		return checkAssignment(t)
	}
	if t.ReplicationFactor < -1 || t.ReplicationFactor == 0 {
		return refuse(kerr.InvalidReplicationFactor,
			"Replication factor must be larger than 0, or -1 to use the default value.")
	}
	if t.NumPartitions < -1 || t.NumPartitions == 0 {
		return refuse(kerr.InvalidPartitions,
			"Number of partitions was set to an invalid non-positive value.")
	}
	return nil
}

// checkAssignment refuses replicas on brokers that the cluster doesn't have.
func checkAssignment(t kmsg.CreateTopicsRequestTopic) *refusal {
	if t.NumPartitions != -1 || t.ReplicationFactor != -1 {
		return refuse(kerr.InvalidRequest,
			"A manual partition assignment was specified, but the number of partitions or replicas was not set to -1.")
	}
	replicas := len(t.ReplicaAssignment[0].Replicas)
	for _, p := range t.ReplicaAssignment {
		if r := checkReplicas(p.Replicas, replicas); r != nil {
			return r
		}
	}
	return nil
}

// checkReplicas refuses replicas of a partition that are not so many different brokers.
func checkReplicas(ids []int32, want int) *refusal {
	wrong := func(format string, args ...any) *refusal {
		return refuse(kerr.InvalidReplicaAssignment, format, args...)
	}
	if len(ids) == 0 {
		return wrong("The manual partition assignment includes an empty replica list.")
	}
	if len(ids) != want {
		return wrong("The manual partition assignment includes partitions with different numbers of replicas.")
	}
	seen := make(map[int32]bool)
	for _, id := range ids {
		if id < 1 || id > Brokers {
			return wrong("The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
		if seen[id] {
			return wrong("The manual partition assignment includes the broker %d more than once.", id)
		}
		seen[id] = true
	}
	return nil
}

// newPartitions is how many partitions a topic to be created will have.
func newPartitions(t kmsg.CreateTopicsRequestTopic) int {
	if len(t.ReplicaAssignment) > 0 {
		return len(t.ReplicaAssignment)
	}
	if t.NumPartitions < 0 {
		return Brokers
	}
	return int(t.NumPartitions)
}

// refusedTopic answers that a topic is not created.
func refusedTopic(name string, r *refusal) kmsg.CreateTopicsResponseTopic {
	t := kmsg.NewCreateTopicsResponseTopic()
	t.Topic, t.ErrorCode, t.ErrorMessage = name, r.code, &r.message
	t.NumPartitions, t.ReplicationFactor = -1, -1
	t.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	return t
}

// refuseTopics answers that none of the topics is created.
func refuseTopics(request *kmsg.CreateTopicsRequest, r *refusal) kmsg.Response {
	answer := request.ResponseKind().(*kmsg.CreateTopicsResponse)
	for _, t := range request.Topics {
		answer.Topics = append(answer.Topics, refusedTopic(t.Topic, r))
	}
	return answer
}

// createPartitions adds partitions to those of the topics that may have more.
func (ctl *controller) createPartitions(request *kmsg.CreatePartitionsRequest) (kmsg.Response, error) {
	ctl.creating.Lock()
	defer ctl.creating.Unlock()
	existing, err := ctl.leaders()
	if err != nil {
		return nil, err
	}
	partitions, names := 0, make(map[string]int)
	for _, p := range existing {
		partitions += len(p)
	}
	for _, t := range request.Topics {
		names[t.Topic]++
	}
	var good []kmsg.CreatePartitionsRequestTopic
	var refused []kmsg.CreatePartitionsResponseTopic
	added := 0
	for _, t := range request.Topics {
		r := checkNewPartitions(t, names, existing)
		if n := int(t.Count) - len(existing[t.Topic]); r == nil {
			if added += n; added > maxNewPartitions || partitions+added > maxPartitions {
				added -= n
				r = tooManyPartitions()
			}
		}
		if r == nil {
			good = append(good, t)
			continue
		}
		if names[t.Topic] == 0 {
			continue // It is answered already.
		}
		if names[t.Topic] > 1 {
			names[t.Topic] = 0
		}
		answer := kmsg.NewCreatePartitionsResponseTopic()
		answer.Topic, answer.ErrorCode, answer.ErrorMessage = t.Topic, r.code, &r.message
		refused = append(refused, answer)
	}
	request.Topics = good
	response, err := ctl.link.roundTrip(request)
	if err != nil {
		return nil, err
	}
	answer := response.(*kmsg.CreatePartitionsResponse)
	answer.Topics = append(answer.Topics, refused...)
	return answer, ctl.placeLeaders()
}

// checkNewPartitions refuses a number of partitions that isn't more than before.
func checkNewPartitions(
	t kmsg.CreatePartitionsRequestTopic, names map[string]int, existing map[string]map[int32]int32,
) *refusal {
	present := len(existing[t.Topic])
	switch {
	case names[t.Topic] != 1:
		return refuse(kerr.InvalidRequest, "Duplicate topic name.")
	case present == 0:
		return refuse(kerr.UnknownTopicOrPartition,
			"This server does not host this topic-partition.")
	case int(t.Count) == present:
		return refuse(kerr.InvalidPartitions, "Topic already has %d partition(s).", present)
	case int(t.Count) < present:
		return refuse(kerr.InvalidPartitions,
			"The topic %s currently has %d partition(s); %d would not be an increase.", t.Topic, present, t.Count)
	case t.Assignment != nil && len(t.Assignment) != int(t.Count)-present:
		return refuse(kerr.InvalidReplicaAssignment,
			"Attempted to add %d additional partition(s), but only %d assignment(s) were specified.", int(t.Count)-present, len(t.Assignment))
	}
	for _, a := range t.Assignment {
		if r := checkReplicas(a.Replicas, len(t.Assignment[0].Replicas)); r != nil {
			return r
		}
	}
	return nil
}

// refuseGroup answers a request of a member whose group has no name. It returns nil if
// there is nothing to refuse, or kfake refuses it alike.
func refuseGroup(request kmsg.Request) kmsg.Response {
	const message = "GroupId can't be empty."
	switch request := request.(type) {
	case *kmsg.SyncGroupRequest:
		if request.Group == "" {
			answer := request.ResponseKind().(*kmsg.SyncGroupResponse)
			answer.ErrorCode = kerr.InvalidGroupID.Code
			return answer
		}
	case *kmsg.HeartbeatRequest:
		if request.Group == "" {
			answer := request.ResponseKind().(*kmsg.HeartbeatResponse)
			answer.ErrorCode = kerr.InvalidGroupID.Code
			return answer
		}
	case *kmsg.LeaveGroupRequest:
		if request.Group == "" {
			answer := request.ResponseKind().(*kmsg.LeaveGroupResponse)
			answer.ErrorCode = kerr.InvalidGroupID.Code
			return answer
		}
	case *kmsg.ConsumerGroupHeartbeatRequest:
		if request.Group == "" {
			answer := request.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
			answer.ErrorCode, answer.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr(message)
			return answer
		}
	case *kmsg.ShareGroupHeartbeatRequest:
		if request.GroupID == "" {
			answer := request.ResponseKind().(*kmsg.ShareGroupHeartbeatResponse)
			answer.ErrorCode, answer.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr(message)
			return answer
		}
	}
	return nil
}

// maxCommitMetadata is how long the text beside a committed offset may be:
// offset.metadata.max.bytes of Apache Kafka. kfake keeps any in memory.
const maxCommitMetadata = 4096

func tooLong(metadata *string) bool { return metadata != nil && len(*metadata) > maxCommitMetadata }

// refuseCommits takes the offsets with too long a text out of a request. It returns what
// tells so in the answer, or nil if there is none.
func refuseCommits(request *kmsg.OffsetCommitRequest) (mend func(kmsg.Response)) {
	refused := make(map[int][]kmsg.OffsetCommitResponseTopicPartition) // by the topic's index
	for i := range request.Topics {
		t := &request.Topics[i]
		t.Partitions = slices.DeleteFunc(t.Partitions, func(p kmsg.OffsetCommitRequestTopicPartition) bool {
			if !tooLong(p.Metadata) {
				return false
			}
			r := kmsg.NewOffsetCommitResponseTopicPartition()
			r.Partition, r.ErrorCode = p.Partition, kerr.OffsetMetadataTooLarge.Code
			refused[i] = append(refused[i], r)
			return true
		})
	}
	if len(refused) == 0 {
		return nil
	}
	return func(answer kmsg.Response) {
		committed := answer.(*kmsg.OffsetCommitResponse)
		for i, partitions := range refused {
			asked := request.Topics[i]
			at := slices.IndexFunc(committed.Topics, func(t kmsg.OffsetCommitResponseTopic) bool {
				return t.Topic == asked.Topic && t.TopicID == asked.TopicID
			})
			if at < 0 {
				t := kmsg.NewOffsetCommitResponseTopic()
				t.Topic, t.TopicID = asked.Topic, asked.TopicID
				at, committed.Topics = len(committed.Topics), append(committed.Topics, t)
			}
			t := &committed.Topics[at]
			t.Partitions = append(t.Partitions, partitions...)
		}
	}
}

// refuseTxnCommits is refuseCommits for offsets that are part of a transaction.
func refuseTxnCommits(request *kmsg.TxnOffsetCommitRequest) (mend func(kmsg.Response)) {
	refused := make(map[int][]kmsg.TxnOffsetCommitResponseTopicPartition) // by the topic's index
	for i := range request.Topics {
		t := &request.Topics[i]
		t.Partitions = slices.DeleteFunc(t.Partitions, func(p kmsg.TxnOffsetCommitRequestTopicPartition) bool {
			if !tooLong(p.Metadata) {
				return false
			}
			r := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			r.Partition, r.ErrorCode = p.Partition, kerr.OffsetMetadataTooLarge.Code
			refused[i] = append(refused[i], r)
			return true
		})
	}
	if len(refused) == 0 {
		return nil
	}
	return func(answer kmsg.Response) {
		committed := answer.(*kmsg.TxnOffsetCommitResponse)
		for i, partitions := range refused {
			asked := request.Topics[i]
			at := slices.IndexFunc(committed.Topics, func(t kmsg.TxnOffsetCommitResponseTopic) bool {
				return t.Topic == asked.Topic
			})
			if at < 0 {
				t := kmsg.NewTxnOffsetCommitResponseTopic()
				t.Topic = asked.Topic
				at, committed.Topics = len(committed.Topics), append(committed.Topics, t)
			}
			t := &committed.Topics[at]
			t.Partitions = append(t.Partitions, partitions...)
		}
	}
}
