package contract

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// A reader of kafka-go that starts before its topic never gets a partition by default, and
// with WatchPartitionChanges it may. Partitions that are added are only noticed with it.
func TestLateTopic(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		for p.lateTopic(t) == 5 {
			t.Log("all five noticed the topic, which is luck: once more")
		}
		p.leavesNothing(t)
	})
}

// lateTopic runs the experiment, and returns how many of its five watching readers got partitions.
func (p place) lateTopic(t *testing.T) (watchers int) {
	t.Helper()
	process := testkit.Start(t, p.build(t, "02-consumer/06-late-topic"))
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	process.UntilLine("created the topic")
	// Its readers have six seconds to notice the topic. What they get meanwhile is looked at from
	// outside, until it prints its own count: then it closes them.
	most := make(map[string]int) // partitions, by group
	for !strings.Contains(process.Output(), "\n  by default") && !process.Exited() {
		groups, err := p.groups(testkit.Deadline(t), admin)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(process.Output(), "\n  by default") {
			break // This look may have come too late.
		}
		for _, group := range groups {
			most[group.Group] = max(most[group.Group], assigned(group))
		}
		time.Sleep(50 * time.Millisecond)
	}
	for group, partitions := range most {
		switch _, number, ok := strings.Cut(group, "-topic-"); {
		case !ok:
			t.Errorf("there is a group %s", group)
		case number < "5" && partitions != 0:
			t.Errorf("the reader of %s has %d partitions by default, want none", group, partitions)
		case partitions == 3:
			watchers++
		}
	}
	if len(most) != 10 {
		t.Errorf("there are %d groups, want 10", len(most))
	}
	process.UntilLine("the six. After 7 s")
	p.untilNoticed(t, admin)
	if status := process.Wait(); status != 0 {
		t.Fatalf("exit status %d", status)
	}
	for _, want := range []string{
		`  by default +0 of 5 readers \(joined groups 5 times in the 2 s\)`,
		fmt.Sprintf(`  WatchPartitionChanges +%d of 5 readers \(joined groups \d{2,} times in the 2 s\)`, watchers),
		`  by default, started again +5 of 5 readers`,
		`  by default +0 of 3 records`,
		`  WatchPartitionChanges +3 of 3 records, after .*`,
		`  the same, with LastOffset +0 of 3 records`,
	} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(process.Output()) {
			t.Errorf("it didn't print %q", want)
		}
	}
	return watchers
}

// untilNoticed waits until the reader with LastOffset has the partitions that were added: that it
// receives nothing from them is then what the option does.
func (p place) untilNoticed(t *testing.T, admin *kadm.Client) {
	t.Helper()
	for ctx := testkit.Deadline(t); ; time.Sleep(100 * time.Millisecond) {
		groups, err := p.groups(ctx, admin)
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range groups {
			if strings.HasSuffix(group.Group, "-last") && assigned(group) == 6 {
				return
			}
		}
	}
}

// assigned returns how many partitions the members of a group have together.
func assigned(group kadm.DescribedGroup) (partitions int) {
	for _, member := range group.Members {
		a, ok := member.Assigned.AsConsumer()
		if !ok {
			continue
		}
		for _, topic := range a.Topics {
			partitions += len(topic.Partitions)
		}
	}
	return partitions
}
