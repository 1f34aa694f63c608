package sarama

import (
	"testing"

	"github.com/IBM/sarama"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/testing/testkit"
)

// What is set of sarama's configuration stands in the list of settings.
func TestListed(t *testing.T) {
	config := adapter.Config{Way: adapter.Matched, Tuning: adapter.Safe()}
	changed := testkit.Differences(sarama.NewConfig(), newConfig(config))
	// Its channels of metrics and its registry are made anew for each configuration.
	if unlisted := adapter.Unlisted(changed, []string{"MetricRegistry"}, Options(config).Settings()); unlisted != nil {
		t.Errorf("these are set and not listed: %v", unlisted)
	}
}
