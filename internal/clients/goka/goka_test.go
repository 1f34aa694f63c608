package goka

import (
	"testing"

	"github.com/lovoo/goka"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/testing/testkit"
)

// What is set of goka's configuration stands in the list of settings.
func TestListed(t *testing.T) {
	config := adapter.Config{Way: adapter.Matched, Tuning: adapter.Safe()}
	changed := testkit.Differences(goka.DefaultConfig(), newConfig(config))
	if unlisted := adapter.Unlisted(changed, []string{"MetricRegistry"}, options(config).Settings()); unlisted != nil {
		t.Errorf("these are set and not listed: %v", unlisted)
	}
}
