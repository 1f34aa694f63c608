package contract

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// runExperiment runs an experiment to its end, which must be a good one, and returns what it printed.
func (p place) runExperiment(t *testing.T, folder string) string {
	t.Helper()
	process := testkit.Start(t, p.build(t, folder))
	if status := process.Wait(); status != 0 {
		t.Fatalf("%s ends with status %d:\n%s", folder, status, process.Output())
	}
	return process.Output()
}

// leavesNothing fails if a topic or a group of this test is still there.
func (p place) leavesNothing(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	for {
		left, err := p.left(ctx, admin)
		if err == nil && left == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("the experiment leaves %q (%v)", left, err)
			return
		case <-time.After(200 * time.Millisecond): // A broker hears a little later what was deleted.
		}
	}
}

// left returns the topics and groups of this test that are there. Others use Apache Kafka at
// the same time; the embedded cluster is the test's own.
func (p place) left(ctx context.Context, admin *kadm.Client) (left []string, err error) {
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics.Names() {
		if strings.HasPrefix(topic+"-", p.topic+"-") {
			left = append(left, "the topic "+topic)
		}
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	for _, group := range groups.Groups() {
		if !p.apache || strings.HasPrefix(group+"-", p.group+"-") {
			left = append(left, "the group "+group)
		}
	}
	return left, nil
}
