package contract

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// A record that fails and isn't committed is gone as soon as a later one is; one that is tried
// for ever holds up the others; one that is set aside first is lost in no way, and the order
// per key survives unless others go on meanwhile. From outside, a test reads the commits and
// the dead letters.
func TestExperimentFailedRecord(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		stopCommits, stopLetters := p.watchCommits(t), p.watchTopic(t, p.topic+"-dead")
		output := p.runExperiment(t, "02-consumer/03-failed-record")
		seen, letters := stopCommits(), stopLetters()
		p.leavesNothing(t)
		p.checkFailedRecords(t, output)

		// The two failed records are not among what was done, and yet all six count as done.
		if highest := seen.highest(t, "-skip"); highest != 6 {
			t.Errorf("the group that doesn't commit what fails has committed %d, want 6", highest)
		}
		if highest := seen.highest(t, "-wait"); highest != 2 {
			t.Errorf("the group that tries for ever has committed %d, want 2", highest)
		}
		if len(letters) == 0 {
			t.Error("nobody saw a dead letter")
		}
		for _, letter := range letters {
			headers := make(map[string]string)
			for _, h := range letter.Headers {
				headers[h.Key] = string(h.Value)
			}
			partition := testkit.Murmur2(letter.Key, 3)
			if string(letter.Key) != "a" || string(letter.Value) != "a2" || headers["reason"] == "" ||
				!strings.HasPrefix(string(letter.Headers[0].Value), fmt.Sprintf("%s, partition %d, ", p.topic, partition)) {
				t.Errorf("the dead letter is %s=%s with %v", letter.Key, letter.Value, headers)
			}
		}
	})
}

// After a run that was killed, the next one shows the same.
func TestExperimentFailedRecordAfterAKill(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		killed := testkit.Start(t, p.build(t, "02-consumer/03-failed-record"))
		killed.UntilLine("4. Written to a retry topic")
		killed.Kill()
		killed.Wait()
		p.checkFailedRecords(t, p.runExperiment(t, "02-consumer/03-failed-record"))
	})
}

// checkFailedRecords fails the test unless the table says what is true.
func (p place) checkFailedRecords(t *testing.T, output string) {
	t.Helper()
	printed := strings.Join(strings.Fields(output), " ")
	for _, row := range []string{
		"not committed a1 c1 a3 c3 none a2 c2 0 kept",
		"tried for ever a1 c1 none a2 c2 a3 c3 4 kept",
		"dead-letter topic a1 c1 c2 a3 c3 a2 none 0 kept",
		"retry topic a1 c1 a3 c3 c2 a2 none 0 c3 before c2",
	} {
		if !strings.Contains(printed, row) {
			t.Errorf("there is no row %q in\n%s", row, output)
		}
	}
}

// watchTopic reads a topic, which may not be there yet, until stop is called.
func (p place) watchTopic(t *testing.T, topic string) (stop func() []*kgo.Record) {
	ctx, cancel := context.WithCancel(testkit.Deadline(t))
	client := testkit.Client(t, p.Addrs(), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var records []*kgo.Record
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			records = append(records, client.PollFetches(ctx).Records()...)
		}
	})
	return func() []*kgo.Record {
		cancel()
		watching.Wait()
		return records
	}
}
