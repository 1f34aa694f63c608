package contract

import (
	"slices"
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
	ctx := testkit.Deadline(t)
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	// A broker of Apache Kafka hears a little later than another that a topic is gone.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		topics, err := admin.ListTopics(ctx)
		if err != nil {
			t.Fatal(err)
		}
		groups, err := admin.ListGroups(ctx)
		if err != nil {
			t.Fatal(err)
		}
		left := slices.DeleteFunc(slices.Concat(topics.Names(), groups.Groups()), func(name string) bool {
			return !strings.HasPrefix(name+"-", p.topic+"-") && !strings.HasPrefix(name+"-", p.group+"-")
		})
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the experiment leaves %q", left)
		}
	}
}
