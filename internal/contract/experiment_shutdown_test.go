package contract

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// A consumer that closes leaves its group, and the next one receives at once; with kafka-go's
// default MaxWait the Close takes seconds. After one that doesn't close, the group keeps the
// dead member until its session is over, and the next one waits.
func TestShutdown(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		process := testkit.Start(t, p.build(t, "02-consumer/05-shutdown"))
		process.UntilLine("Four consumers")
		members := p.mostMembers(t, process) // by the number of the ending
		if status := process.Wait(); status != 0 {
			t.Fatalf("exit status %d", status)
		}

		const quick, slow, exit, kill = "0", "1", "2", "3"
		for ending, want := range map[string]int{quick: 1, exit: 2, kill: 2} {
			// The next consumer starts when the first has ended: two members are a dead one and that.
			if got := members[ending]; got != want {
				t.Errorf("the group of ending %s has had %d members at a time, want %d", ending, got, want)
			}
		}
		rows := make(map[string][2]float64) // the seconds until the first one ends, and until the next one receives
		row := regexp.MustCompile(`(?m)^\S.* +(\d+\.\d) s +(\d+\.\d) s$`)
		for i, m := range row.FindAllStringSubmatch(process.Output(), -1) {
			var seconds [2]float64
			for j := range seconds {
				s, err := strconv.ParseFloat(m[j+1], 64)
				if err != nil {
					t.Fatal(err)
				}
				seconds[j] = s
			}
			rows[strconv.Itoa(i)] = seconds
		}
		if len(rows) != 4 {
			t.Fatalf("it printed %d rows, want 4", len(rows))
		}
		// A busy machine makes a wait longer, never shorter.
		if rows[slow][0] < 4 {
			t.Errorf("Close with the default MaxWait took %.1f s, and not about 9", rows[slow][0])
		}
		for _, ending := range []string{exit, kill} {
			if rows[ending][1] < 10 || rows[ending][1] < 2*rows[quick][1] {
				t.Errorf("the next consumer received %.1f s after ending %s, and %.1f s after Close",
					rows[ending][1], ending, rows[quick][1])
			}
		}
		p.leavesNothing(t)
	})
}

// mostMembers looks at the groups of an experiment until it ends, and returns how many members
// each has had at a time, by the last character of the group's name.
func (p place) mostMembers(t *testing.T, process *testkit.Process) map[string]int {
	t.Helper()
	most := make(map[string]int)
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	ctx := testkit.Deadline(t)
	for ; !process.Exited(); time.Sleep(50 * time.Millisecond) {
		groups, err := p.groups(ctx, admin)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range groups {
			number := group.Group[len(group.Group)-1:]
			most[number] = max(most[number], len(group.Members))
		}
	}
	return most
}

// groups describes the groups of this test.
func (p place) groups(ctx context.Context, admin *kadm.Client) (ours []kadm.DescribedGroup, err error) {
	all, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range all.Groups() {
		if strings.HasPrefix(name, p.group+"-") {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil, nil // Without names all groups would be described.
	}
	described, err := admin.DescribeGroups(ctx, names...)
	return described.Sorted(), err
}
