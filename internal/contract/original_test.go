package contract

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

const original = "03-together/01-original"

// What the README says of the original listing's settings: on a new cluster it
// ends, since nobody creates the topic.
func TestOriginalNeedsATopic(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		process := testkit.Start(t, p.build(t, original))
		if status := process.Wait(); status != 1 {
			t.Errorf("exit status %d, want 1", status)
		}
		if !strings.Contains(process.Output(), "Unknown Topic Or Partition") {
			t.Error("it doesn't end with Unknown Topic Or Partition")
		}
	})
}

// With a topic, each write waits a second for a batch, and the keys go round
// robin. When the brokers are gone for a while, it ends.
func TestOriginal(t *testing.T) {
	alone(t)
	onEachCluster(t, func(t *testing.T, p place) {
		if _, err := kadm.NewClient(testkit.Client(t, p.Addrs())).CreateTopic(t.Context(), 3, 3, nil, p.topic); err != nil {
			t.Fatal(err)
		}
		process := testkit.Start(t, p.build(t, original)) // It sleeps 20 ms between two writes.
		process.UntilLine("writes: 5")
		var at []time.Time
		for _, l := range process.Lines() {
			if strings.HasPrefix(l.Text, "writes: ") {
				at = append(at, l.At)
			}
		}
		for i := 1; i < len(at); i++ {
			// A busy machine makes it longer, never shorter.
			if gap := at[i].Sub(at[i-1]); gap < 900*time.Millisecond {
				t.Errorf("write %d came %v after the one before, and not a second", i, gap)
			}
		}
		for place, r := range testkit.ReadLog(t, p.Addrs(), p.topic) {
			var number int32
			if _, err := fmt.Sscan(string(r.Key), &number); err != nil {
				t.Fatal(err)
			}
			if want := number % 3; place.Partition != want {
				t.Errorf("key %s lies in partition %d: round robin says %d", r.Key, place.Partition, want)
			}
		}

		// It may survive the loss of a broker, if the new leader is known in time. It
		// doesn't survive that nobody answers.
		for id := 1; id <= 3; id++ {
			p.stop(t, id)
		}
		if status := process.Wait(); status != 1 {
			t.Errorf("exit status %d, want 1", status)
		}
		process.UntilLine("error: could not ")
		for id := 1; id <= 3; id++ {
			p.start(t, id)
		}
	})
}
