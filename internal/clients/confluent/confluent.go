// Package confluent drives confluentinc/confluent-kafka-go, which drives
// librdkafka, a library in C. Without cgo the package still builds, and its
// client says what is missing.
package confluent

import (
	"fmt"
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

func producerConfig(config adapter.Config) configMap {
	c := base(config.Brokers)
	if config.Way == adapter.Defaults {
		return c
	}
	t := config.Tuning
	c["partitioner"] = "murmur2_random"
	c["acks"] = [...]int{adapter.All: -1, adapter.Leader: 1, adapter.None: 0}[t.Acks]
	c["enable.idempotence"] = t.Idempotent && t.Acks == adapter.All
	c["linger.ms"] = int(t.Linger.Milliseconds())
	c["batch.size"] = t.BatchBytes
	c["batch.num.messages"] = min(t.RecordsInBatch(), 1_000_000)
	c["queue.buffering.max.messages"] = t.InHand
	c["compression.type"] = "none"
	c["delivery.timeout.ms"] = int(t.GiveUp.Milliseconds())
	// The report of a record has its key and value copied from C, unless it is told not to.
	c["go.delivery.report.fields"] = "none"
	return c
}

func consumerConfig(config adapter.Config) configMap {
	c := base(config.Brokers)
	c["group.id"] = config.Group
	if config.FromFirst || config.Way == adapter.Matched {
		c["auto.offset.reset"] = "earliest"
	}
	if config.Way == adapter.Defaults {
		return c
	}
	t := config.Tuning
	c["enable.auto.offset.store"] = false
	c["auto.commit.interval.ms"] = int(t.CommitInterval.Milliseconds())
	c["fetch.wait.max.ms"] = int(t.FetchWait.Milliseconds())
	c["session.timeout.ms"] = int(t.SessionTimeout.Milliseconds())
	c["heartbeat.interval.ms"] = int(t.SessionTimeout.Milliseconds() / 10)
	return c
}

// Settings implements adapter.Client.
func (Client) Settings(config adapter.Config) []adapter.Setting {
	var settings []adapter.Setting
	producer, consumer := producerConfig(config), consumerConfig(config)
	for _, name := range []string{
		"partitioner", "acks", "enable.idempotence", "linger.ms", "batch.size", "batch.num.messages",
		"queue.buffering.max.messages", "compression.type", "delivery.timeout.ms", "go.delivery.report.fields",
		"auto.offset.reset", "enable.auto.offset.store", "auto.commit.interval.ms", "fetch.wait.max.ms",
		"session.timeout.ms", "heartbeat.interval.ms",
	} {
		for _, c := range []configMap{producer, consumer} {
			if value, ok := c[name]; ok {
				settings = append(settings, adapter.Setting{Name: name, Value: fmt.Sprint(value)})
			}
		}
	}
	return settings
}
