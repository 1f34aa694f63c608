package contract

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

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
func TestMain(m *testing.M) {
	testkit.KnowErrors()
	testkit.MainOf(m, 24, closeApache)
}

// onEachCluster runs a test on a cluster of its own inside this process, side
// by side with others, and on Apache Kafka.
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
		test(t, apachePlace(t))
	})
}

func newPlace(c cluster, apache bool) place {
	n := names.Add(1)
	return place{cluster: c, topic: fmt.Sprintf("topic-%d", n), group: fmt.Sprintf("group-%d", n), apache: apache}
}

// deleteTopics deletes what a test has made on the cluster that it shares with others. Where a
// topic has one replica, a partition has no leader while a broker of another test is away, and
// goka starts no processor then, whatever topic that is.
func (p place) deleteTopics(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	// A broker that the test killed and started again refuses connections for some seconds.
	for {
		err := p.deleteTopicsOnce(ctx, admin)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Error(err)
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (p place) deleteTopicsOnce(ctx context.Context, admin *kadm.Client) error {
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return err
	}
	ours := slices.DeleteFunc(topics.Names(), func(name string) bool {
		return !strings.HasPrefix(name+"-", p.topic+"-") && !strings.HasPrefix(name, p.group+"-")
	})
	if len(ours) == 0 {
		return nil
	}
	answers, err := admin.DeleteTopics(ctx, ours...)
	if err != nil {
		return err
	}
	return answers.Error()
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
