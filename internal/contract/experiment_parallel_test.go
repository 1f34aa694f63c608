package contract

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// Workers that each commit what they have done lose the record that hangs, and mix up the
// records of a key. Workers that keep the order do neither, and are faster than one.
func TestParallel(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		const folder = "02-consumer/07-parallel"
		path := p.build(t, folder)
		admin := kadm.NewClient(testkit.Client(t, p.Addrs()))

		// A run that is killed in the middle leaves its topic and a group. The next one begins anew.
		killed := testkit.Start(t, path)
		killed.UntilLine("  one at a time")
		killed.Kill()
		killed.Wait()
		left, err := p.groups(testkit.Deadline(t), admin)
		if err != nil {
			t.Fatal(err)
		}

		output := p.runExperiment(t, folder)
		row := func(name string) (rate, disordered, committed, never, twice int) {
			line := regexp.MustCompile(`(?m)^  ` + name + ` +(.*)$`).FindStringSubmatch(output)
			if line == nil {
				t.Fatalf("it printed no row %q", name)
			}
			if _, err := fmt.Sscan(line[1], &rate, &disordered, &committed, &never, &twice); err != nil {
				t.Fatalf("%q: %v", line[0], err)
			}
			return
		}
		slowly, disordered, committed, never, twice := row("one at a time")
		if disordered != 0 || committed != 20 || never != 0 || twice != 0 {
			t.Errorf("one at a time: %d out of order, %d committed, %d never done, %d twice",
				disordered, committed, never, twice)
		}
		_, disordered, committed, never, _ = row("ten, each commits")
		if disordered == 0 || committed <= 20 || never == 0 {
			t.Errorf("ten, each commits: %d out of order, %d committed, %d never done: the trap isn't shown",
				disordered, committed, never)
		}
		rate, disordered, committed, never, twice := row("ten, in order")
		if disordered != 0 || committed != 20 || never != 0 || twice > 101 {
			t.Errorf("ten, in order: %d out of order, %d committed, %d never done, %d twice",
				disordered, committed, never, twice)
		}
		if rate < 2*slowly {
			t.Errorf("ten workers did %d records a second, and one did %d", rate, slowly)
		}
		if strings.Contains(output, "error") {
			t.Error("it printed an error")
		}

		for _, group := range left {
			// A member that was killed is one until its session is over, and such a group isn't deleted.
			p.untilDeleted(t, admin, group.Group)
		}
		p.leavesNothing(t)
	})
}

// untilDeleted deletes a group when it has no member any more.
func (p place) untilDeleted(t *testing.T, admin *kadm.Client, group string) {
	t.Helper()
	ctx := testkit.Deadline(t)
	testkit.UntilMembers(t, p.Addrs(), group)
	if _, err := admin.DeleteGroup(ctx, group); err != nil {
		t.Errorf("deleting the group %s: %v", group, err)
	}
}
