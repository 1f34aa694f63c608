package contract

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/testing/testkit"
)

// A cluster is what a test needs of one.
type cluster interface {
	Addrs() []string
	StopBroker(id int) error // as kill -9 does
	StartBroker(id int) error
}

// A place is where a test runs: a cluster, and names of its own on it.
type place struct {
	cluster
	topic, group string
	apache       bool
}

var names atomic.Int64

// TestMain lets many tests run at once: they mostly wait, for records that come one after
// the other, for sessions to time out, and for their turn on Apache Kafka.
func TestMain(m *testing.M) { testkit.MainOf(m, 24, closeApache) }

// onEachCluster runs a test on a cluster of its own inside this process, side
// by side with others, and on Apache Kafka, one after the other.
func onEachCluster(t *testing.T, test func(t *testing.T, p place)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		c, err := embedded.Start(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		test(t, newPlace(c, false))
	})
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		test(t, newPlace(apacheCluster(t), true))
	})
}

func newPlace(c cluster, apache bool) place {
	n := names.Add(1)
	return place{cluster: c, topic: fmt.Sprintf("topic-%d", n), group: fmt.Sprintf("group-%d", n), apache: apache}
}

// count returns how many lines have a prefix.
func count(output, prefix string) int {
	n := 0
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}
