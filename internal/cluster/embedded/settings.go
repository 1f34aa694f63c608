package embedded

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A rule says which values a setting may have. It returns what is wrong with one, or "".
type rule func(value string) string

// whole is the rule of a whole number of so many bits between two bounds.
func whole(bits int, least, most int64) rule {
	return func(value string) string {
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, bits)
		switch {
		case err != nil:
			return "Not a number of type " + map[int]string{32: "INT", 64: "LONG"}[bits]
		case n < least:
			return fmt.Sprintf("Value must be at least %d", least)
		case n > most:
			return fmt.Sprintf("Value must be no more than %d", most)
		}
		return ""
	}
}

func short(least int64) rule { return whole(32, least, math.MaxInt32) }
func long(least int64) rule  { return whole(64, least, math.MaxInt64) }

// fraction is the rule of a number from 0 to 1.
func fraction(value string) string {
	n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		return "Not a number of type DOUBLE"
	}
	if !(n >= 0 && n <= 1) {
		return "Value must be between 0 and 1"
	}
	return ""
}

// boolean is the rule of true and false.
func boolean(value string) string {
	switch strings.ToLower(strings.TrimSpace(value)) {
	case "true", "false":
		return ""
	}
	return "Expected value to be either true or false"
}

// one is the rule of a value that is one of these.
func one(of ...string) rule {
	return func(value string) string {
		if slices.Contains(of, strings.TrimSpace(value)) {
			return ""
		}
		return "String must be one of: " + strings.Join(of, ", ")
	}
}

// list is the rule of a list of these, which may be empty.
func list(of ...string) rule {
	return func(value string) string {
		if strings.TrimSpace(value) == "" {
			return ""
		}
		for part := range strings.SplitSeq(value, ",") {
			if message := one(of...)(strings.TrimSpace(part)); message != "" {
				return message
			}
		}
		return ""
	}
}

// replicas is the rule of the replicas whose traffic is throttled.
func replicas(value string) string {
	value = strings.TrimSpace(value)
	if value == "" || value == "*" {
		return ""
	}
	for part := range strings.SplitSeq(value, ",") {
		partition, broker, ok := strings.Cut(strings.TrimSpace(part), ":")
		_, err := strconv.ParseUint(partition, 10, 31)
		_, err2 := strconv.ParseUint(broker, 10, 31)
		if !ok || err != nil || err2 != nil {
			return "must be the literal '*' or a list of replicas in the form [partitionId]:[brokerId],..."
		}
	}
	return ""
}

// topicSettings are the settings of a topic in Apache Kafka 4.3. Most of them have no
// effect here: no record is ever on another broker, or on a remote disk.
var topicSettings = map[string]rule{
	"cleanup.policy":                          list("compact", "delete"),
	"compression.gzip.level":                  gzipLevel,
	"compression.lz4.level":                   whole(32, 1, 17),
	"compression.type":                        one("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
	"compression.zstd.level":                  whole(32, -131072, 22),
	"delete.retention.ms":                     long(0),
	"file.delete.delay.ms":                    long(0),
	"flush.messages":                          long(1),
	"flush.ms":                                long(0),
	"follower.replication.throttled.replicas": replicas,
	"index.interval.bytes":                    short(0),
	"leader.replication.throttled.replicas":   replicas,
	"local.retention.bytes":                   long(-2),
	"local.retention.ms":                      long(-2),
	"max.compaction.lag.ms":                   long(1),
	"max.message.bytes":                       short(0),
	"message.timestamp.after.max.ms":          long(0),
	"message.timestamp.before.max.ms":         long(0),
	"message.timestamp.type":                  one("CreateTime", "LogAppendTime"),
	"min.cleanable.dirty.ratio":               fraction,
	"min.compaction.lag.ms":                   long(0),
	"min.insync.replicas":                     short(1),
	"preallocate":                             boolean,
	"remote.log.copy.disable":                 boolean,
	"remote.log.delete.on.disable":            boolean,
	"remote.storage.enable":                   boolean,
	"retention.bytes":                         long(math.MinInt64),
	"retention.ms":                            long(-1),
	"segment.bytes":                           short(1 << 20),
	"segment.index.bytes":                     short(4),
	"segment.jitter.ms":                       long(0),
	"segment.ms":                              long(1),
	"unclean.leader.election.enable":          boolean,
}

// gzipLevel is the rule of gzip's levels, of which -1 is the default one.
func gzipLevel(value string) string {
	if strings.TrimSpace(value) == "-1" {
		return ""
	}
	return whole(32, 1, 9)(value)
}

// checkTopicSettings refuses settings that a topic can't have.
func checkTopicSettings(settings map[string]*string) *refusal {
	for name, value := range settings {
		rule, ok := topicSettings[name]
		if !ok {
			return refuse(kerr.InvalidConfig, "Unknown topic config name: %s", name)
		}
		if value == nil {
			return refuse(kerr.InvalidConfig,
				"Null value not supported for topic configs: %s", name)
		}
		if message := rule(*value); message != "" {
			return refuse(kerr.InvalidConfig,
				"Invalid value %s for configuration %s: %s", *value, name, message)
		}
	}
	number := func(name string, fallback int64) int64 {
		if value := settings[name]; value != nil {
			n, err := strconv.ParseInt(strings.TrimSpace(*value), 10, 64)
			if err == nil {
				return n
			}
		}
		return fallback
	}
	if number("min.compaction.lag.ms", 0) > number("max.compaction.lag.ms", math.MaxInt64) {
		return refuse(kerr.InvalidConfig,
			"conflict topic config setting min.compaction.lag.ms > max.compaction.lag.ms")
	}
	if value := settings["remote.storage.enable"]; value != nil && strings.EqualFold(strings.TrimSpace(*value), "true") {
		return refuse(kerr.InvalidConfig,
			"Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.")
	}
	return nil
}

// groupSettings are the settings of a group that kfake serves, with the bounds that
// Apache Kafka's brokers set by default.
var groupSettings = map[string]rule{
	"consumer.heartbeat.interval.ms":   whole(32, 5000, 15000),
	"consumer.session.timeout.ms":      whole(32, 45000, 60000),
	"share.auto.offset.reset":          offsetReset,
	"share.delivery.count.limit":       whole(32, 2, 10),
	"share.heartbeat.interval.ms":      whole(32, 5000, 15000),
	"share.isolation.level":            one("read_committed", "read_uncommitted"),
	"share.partition.max.record.locks": whole(32, 100, 4000),
	"share.record.lock.duration.ms":    whole(32, 15000, 60000),
	"share.session.timeout.ms":         whole(32, 45000, 60000),
}

// offsetReset is the rule of where a share group begins.
func offsetReset(value string) string {
	if value == "latest" || value == "earliest" || strings.HasPrefix(value, "by_duration:P") {
		return ""
	}
	return "Invalid value: it must be latest, earliest or by_duration:<duration>"
}

// brokerSettings are the settings of a broker that may be changed while it runs, among
// those that have an effect here. kfake would take any, and panic on some of them.
var brokerSettings = map[string]rule{
	"compression.type":           topicSettings["compression.type"],
	"log.cleaner.backoff.ms":     whole(64, 1, 1_000_000_000),
	"log.message.timestamp.type": topicSettings["message.timestamp.type"],
	"log.retention.bytes":        long(math.MinInt64),
	"log.retention.ms":           long(-1),
	"log.roll.ms":                long(1),
	"log.segment.bytes":          short(1 << 20),
	"message.max.bytes":          short(0),
	"min.insync.replicas":        short(1),
}

// checkAlter refuses one change of one setting, given as Apache Kafka's operations:
// 0 sets, 1 deletes, 2 appends to and 3 takes from a list.
func checkAlter(
	kind kmsg.ConfigResourceType, name string, value *string, operation kmsg.IncrementalAlterConfigOp,
) *refusal {
	var rules map[string]rule
	unknown := kerr.InvalidConfig
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		rules = topicSettings
	case kmsg.ConfigResourceTypeGroupConfig:
		rules = groupSettings
	case kmsg.ConfigResourceTypeBroker:
		rules, unknown = brokerSettings, kerr.InvalidRequest
	default:
		return nil
	}
	rule, ok := rules[name]
	if !ok {
		return refuse(unknown, "The setting %s is unknown, or can't be changed while the cluster runs.", name)
	}
	switch operation {
	case kmsg.IncrementalAlterConfigOpDelete:
		return nil
	case kmsg.IncrementalAlterConfigOpAppend, kmsg.IncrementalAlterConfigOpSubtract:
		if !strings.HasSuffix(name, ".replicas") && name != "cleanup.policy" {
			return refuse(kerr.InvalidConfig,
				"Can't %s to key %s because its type is not LIST.", operation, name)
		}
	}
	if value == nil {
		return refuse(kerr.InvalidRequest, "Null value not supported for %s.", name)
	}
	if message := rule(*value); message != "" {
		return refuse(kerr.InvalidConfig,
			"Invalid value %s for configuration %s: %s", *value, name, message)
	}
	return nil
}

// alterConfigs takes the refused resources out of a request, and returns what adds
// them to the answer. The request replaces all settings of a resource. For kfake that
// includes the ones that the brokers were started with, so a broker keeps those here.
func (cluster *Cluster) alterConfigs(request *kmsg.AlterConfigsRequest) (mend func(kmsg.Response)) {
	var good []kmsg.AlterConfigsRequestResource
	var refused []kmsg.AlterConfigsResponseResource
	for _, resource := range request.Resources {
		var r *refusal
		for _, s := range resource.Configs {
			if r == nil {
				r = checkAlter(resource.ResourceType, s.Name, s.Value, kmsg.IncrementalAlterConfigOpSet)
			}
		}
		if r == nil {
			if resource.ResourceType == kmsg.ConfigResourceTypeBroker {
				resource.Configs = append(cluster.startSettings(), resource.Configs...)
			}
			good = append(good, resource)
			continue
		}
		answer := kmsg.NewAlterConfigsResponseResource()
		answer.ResourceType, answer.ResourceName = resource.ResourceType, resource.ResourceName
		answer.ErrorCode, answer.ErrorMessage = r.code, &r.message
		refused = append(refused, answer)
	}
	request.Resources = good
	return func(answer kmsg.Response) {
		altered := answer.(*kmsg.AlterConfigsResponse)
		altered.Resources = append(altered.Resources, refused...)
	}
}

// startSettings are the settings that the brokers were started with, as a request.
func (cluster *Cluster) startSettings() []kmsg.AlterConfigsRequestResourceConfig {
	var settings []kmsg.AlterConfigsRequestResourceConfig
	for name, value := range cluster.settings {
		s := kmsg.NewAlterConfigsRequestResourceConfig()
		s.Name, s.Value = name, &value
		settings = append(settings, s)
	}
	return settings
}

// incrementalAlterConfigs is alterConfigs for the newer request. A broker's setting
// that is deleted becomes what it was at the start again.
func (cluster *Cluster) incrementalAlterConfigs(request *kmsg.IncrementalAlterConfigsRequest) (mend func(kmsg.Response)) {
	var good []kmsg.IncrementalAlterConfigsRequestResource
	var refused []kmsg.IncrementalAlterConfigsResponseResource
	for _, resource := range request.Resources {
		var r *refusal
		for i := range resource.Configs {
			s := &resource.Configs[i]
			if r == nil {
				r = checkAlter(resource.ResourceType, s.Name, s.Value, s.Op)
			}
			value, ok := cluster.settings[s.Name]
			if ok && resource.ResourceType == kmsg.ConfigResourceTypeBroker && s.Op == kmsg.IncrementalAlterConfigOpDelete {
				s.Op, s.Value = kmsg.IncrementalAlterConfigOpSet, &value
			}
		}
		if r == nil {
			good = append(good, resource)
			continue
		}
		answer := kmsg.NewIncrementalAlterConfigsResponseResource()
		answer.ResourceType, answer.ResourceName = resource.ResourceType, resource.ResourceName
		answer.ErrorCode, answer.ErrorMessage = r.code, &r.message
		refused = append(refused, answer)
	}
	request.Resources = good
	return func(answer kmsg.Response) {
		altered := answer.(*kmsg.IncrementalAlterConfigsResponse)
		altered.Resources = append(altered.Resources, refused...)
	}
}
