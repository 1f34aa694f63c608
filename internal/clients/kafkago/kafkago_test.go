package kafkago

import (
	"testing"

	"github.com/segmentio/kafka-go"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/testing/testkit"
)

// What is set of the writer and the reader stands in the list of settings.
func TestListed(t *testing.T) {
	config := adapter.Config{Topic: "t", Group: "g", Brokers: []string{"b"}, Way: adapter.Matched, Tuning: adapter.Safe()}
	changed := append(
		testkit.Differences(new(kafka.Writer), newWriter(config, new(kafka.Transport), func([]kafka.Message, error) {})),
		testkit.Differences(kafka.ReaderConfig{}, readerConfig(config))...)
	needed := []string{"Addr", "Topic", "Transport", "Completion", "Brokers", "GroupID"}
	if unlisted := adapter.Unlisted(changed, needed, options(config).Settings()); unlisted != nil {
		t.Errorf("these are set and not listed: %v", unlisted)
	}
}
