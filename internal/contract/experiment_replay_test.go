package contract

import (
	"regexp"
	"testing"
)

// A new group begins with the oldest record, or with sarama at the end; a committed group
// begins neither way; a group with a member can't be reset, and one without goes on at the
// first record of that time. The commits are seen from outside.
func TestExperimentReplay(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		stop := p.watchCommits(t)
		output := p.runExperiment(t, "02-consumer/04-start-and-replay")
		seen := stop()
		p.leavesNothing(t)
		for _, line := range []string{
			"kafka-go +yesterday 07:00",
			"franz-go +yesterday 07:00",
			"sarama +today .*",
			"sarama, OffsetOldest +yesterday 07:00",
			`SetOffset\(kafka.FirstOffset\) +yesterday 07:00`,
			`SetOffset\(3\) +yesterday 10:00`,
			`SetOffsetAt\(.*\) +yesterday 09:00`,
			"StartOffset: kafka.FirstOffset +today .*",
			`reset, while a member is there +refused: \[25\] Unknown Member ID: .*`,
			"reset to yesterday at 9:00 +yesterday 09:00",
		} {
			if !regexp.MustCompile("(?m)^ +" + line + "$").MatchString(output) {
				t.Errorf("there is no line %q in\n%s", line, output)
			}
		}
		// There are four records of yesterday and one or more of today. That of 9:00 has the offset 2.
		if highest, last := seen.highest(t, "-again"), seen.last(t, "-again"); highest < 5 || last != 2 {
			t.Errorf("the group has committed %d, and %d after its reset; want five or more, and 2", highest, last)
		}
	})
}
