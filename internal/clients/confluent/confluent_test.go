package confluent

import (
	"maps"
	"slices"
	"testing"

	"kafka-with-go/internal/clients/adapter"
)

// What is set of librdkafka's configuration stands in the list of settings.
func TestListed(t *testing.T) {
	config := adapter.Config{Way: adapter.Matched, Tuning: adapter.Safe()}
	target := newTarget(config)
	changed := slices.AppendSeq(slices.Collect(maps.Keys(target.producer)), maps.Keys(target.consumer))
	needed := []string{"bootstrap.servers", "group.id", "log_level"}
	if unlisted := adapter.Unlisted(changed, needed, options(config).Settings()); unlisted != nil {
		t.Errorf("these are set and not listed: %v", unlisted)
	}
}
