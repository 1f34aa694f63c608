package contract

import (
	"regexp"
	"strings"
	"testing"
)

// What is in hand at kill -9 is lost when it was committed before, and comes again when it
// wasn't. With a commit each second, more comes again. The commits are seen from outside
// while the group waits for the session of the dead member.
func TestExperimentCrash(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		stop := p.watchCommits(t)
		output := p.runExperiment(t, "02-consumer/01-crash")
		seen := stop()
		p.leavesNothing(t)
		// row returns which records were lost and which came twice.
		row := func(way string) (lost, twice []string) {
			t.Helper()
			m := regexp.MustCompile(`(?m)^` + way + ` {2,}(.*?) {2,}(.*)$`).FindStringSubmatch(output)
			if m == nil {
				t.Fatalf("there is no row %q in\n%s", way, output)
			}
			list := func(cell string) []string {
				if cell == "none" {
					return nil
				}
				return strings.Fields(cell)
			}
			return list(m[1]), list(m[2])
		}

		lost, twice := row("before the work")
		if len(lost) != 1 || twice != nil {
			t.Errorf("before the work: lost are %v, twice came %v; want one and none", lost, twice)
		}
		before := seen.longest(t, "-before-the-work")

		lost, twice = row("after the work")
		if lost != nil || len(twice) != 1 {
			t.Errorf("after the work: lost are %v, twice came %v; want none and one", lost, twice)
		}
		after := seen.longest(t, "-after-the-work")
		// Both were killed with the same record in hand. One had committed it.
		if before != after+1 {
			t.Errorf("when they died, %d records were committed before the work, and %d after it", before, after)
		}

		lost, twice = row("every second")
		if lost != nil || len(twice) < 2 {
			t.Errorf("every second: lost are %v, twice came %v; want none and several", lost, twice)
		}
		if noted := seen.longest(t, "-every-second"); noted >= after {
			t.Errorf("when it died, %d records were committed each second, and %d one by one", noted, after)
		}
	})
}
