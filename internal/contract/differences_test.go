package contract

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"kafka-with-go/internal/testing/testkit"
)

// Where the two clusters differ, the README says so. While a broker is away,
// the embedded cluster creates no topic with three replicas; Apache Kafka does,
// since it counts the brokers that it knows.
func TestTopicWhileABrokerIsAway(t *testing.T) {
	alone(t)
	onEachCluster(t, func(t *testing.T, p place) {
		p.stop(t, 3)
		ctx := testkit.Deadline(t)
		var err error
		for ctx.Err() == nil {
			_, err = kadm.NewClient(testkit.Client(t, p.Addrs()[:2])).CreateTopic(ctx, 3, 3, nil, p.topic)
			if err == nil || errors.As(err, new(*kerr.Error)) && !kerr.IsRetriable(err) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if refused := errors.Is(err, kerr.InvalidReplicationFactor); refused == p.apache {
			t.Errorf("creating a topic with three replicas: %v", err)
		}
		p.start(t, 3)
	})
}

// A program that hangs, because every broker does, ends at a second Ctrl-C. Only
// Apache Kafka can show it: its brokers can be halted.
func TestSecondCtrlC(t *testing.T) {
	alone(t)
	for _, folder := range programs {
		t.Run(strings.ReplaceAll(folder, "/", "-"), func(t *testing.T) {
			join(t)
			t.Parallel()
			p := apachePlace(t)
			k := p.cluster.(apacheKafka)
			process := testkit.Start(t, p.build(t, folder))
			process.UntilMore(10, "received: ")
			for id := 1; id <= 3; id++ {
				if err := k.Pause(id); err != nil {
					t.Skip(err) // Windows halts no processes.
				}
				defer k.Resume(id)
			}
			process.Interrupt()
			time.Sleep(time.Second) // Between two Ctrl-Cs of an impatient learner.
			if process.Exited() {
				t.Log("the program had nothing in hand, and ended at the first Ctrl-C")
				return
			}
			process.Interrupt()
			if status := process.Wait(); status == 0 {
				t.Error("the program ended in good order while every broker hung")
			}
		})
	}
}
