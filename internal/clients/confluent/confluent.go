// Package confluent drives confluentinc/confluent-kafka-go, which drives
// librdkafka, a library in C. Without cgo the package still builds, and its
// client says what is missing.
package confluent

import (
	"strings"

	"kafka-with-go/internal/clients/adapter"
)

// Client is confluent-kafka-go.
type Client struct{}

// Name implements adapter.Client.
func (Client) Name() string { return "confluent-kafka-go" }

// configMap is a configuration of librdkafka.
type configMap map[string]any

// base is what each configuration has. What librdkafka logs would go to the standard error
// of the tool.
func base(brokers []string) configMap {
	return configMap{"bootstrap.servers": strings.Join(brokers, ","), "log_level": 0}
}

// A target is what the options configure.
type target struct{ producer, consumer configMap }

func options(config adapter.Config) (o adapter.Options[target]) {
	add := func(m adapter.Meaning, name string, value any, to func(*target) configMap) {
		o.Add(m, name, value, func(t *target) { to(t)[name] = value })
	}
	producer := func(t *target) configMap { return t.producer }
	consumer := func(t *target) configMap { return t.consumer }
	if config.FromFirst || config.Way != adapter.Defaults {
		add(adapter.Starting, "auto.offset.reset", "earliest", consumer)
	}
	if config.Way == adapter.Defaults {
		return o
	}
	t := config.Tuning
	add(adapter.Partitioning, "partitioner", "murmur2_random", producer)
	add(adapter.Acknowledged, "acks", [...]int{adapter.All: -1, adapter.Leader: 1, adapter.None: 0}[t.Acks], producer)
	add(adapter.Idempotence, "enable.idempotence", t.Idempotent && t.Acks == adapter.All, producer)
	add(adapter.Lingering, "linger.ms", int(t.Linger.Milliseconds()), producer)
	add(adapter.BatchSize, "batch.size", t.BatchBytes, producer)
	add(adapter.BatchSize, "batch.num.messages", min(t.RecordsInBatch(), 1_000_000), producer)
	add(adapter.Unfinished, "queue.buffering.max.messages", t.InHand, producer)
	add(adapter.Compression, "compression.type", "none", producer)
	add(adapter.GivingUp, "delivery.timeout.ms", int(t.GiveUp.Milliseconds()), producer)
	o.AddOwn("a record's key and value come back from C with its report, and the other clients keep theirs",
		"go.delivery.report.fields", "none", func(t *target) { t.producer["go.delivery.report.fields"] = "none" })
	o.Add(adapter.AfterWork, "enable.auto.offset.store", false, func(t *target) { t.consumer["enable.auto.offset.store"] = false })
	add(adapter.Committing, "auto.commit.interval.ms", int(t.CommitInterval.Milliseconds()), consumer)
	add(adapter.FetchWaiting, "fetch.wait.max.ms", int(t.FetchWait.Milliseconds()), consumer)
	if t.FetchBackoff > 0 {
		add(adapter.Queueing, "fetch.queue.backoff.ms", int(t.FetchBackoff.Milliseconds()), consumer)
	} else {
		o.Add(adapter.Queueing, "queued.min.messages", "100,000 (the default)", nil)
	}
	add(adapter.Sessions, "session.timeout.ms", int(t.SessionTimeout.Milliseconds()), consumer)
	add(adapter.Heartbeats, "heartbeat.interval.ms", int(t.SessionTimeout.Milliseconds()/10), consumer)
	return o
}

func newTarget(config adapter.Config) target {
	t := target{producer: base(config.Brokers), consumer: base(config.Brokers)}
	t.consumer["group.id"] = config.Group
	options(config).Apply(&t)
	return t
}

// Settings implements adapter.Client.
func (Client) Settings(config adapter.Config) []adapter.Setting { return options(config).Settings() }
