package contract

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// commits are how long each committed offset of each group was there, as seen from outside
// while an experiment runs: the sum over the partitions of its topic.
type commits map[string]map[int64]time.Duration

// watchCommits looks at the groups whose names begin with the topic's, until stop is called.
func (p place) watchCommits(t *testing.T) (stop func() commits) {
	ctx, cancel := context.WithCancel(testkit.Deadline(t))
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	seen := make(commits)
	var watching sync.WaitGroup
	watching.Go(func() {
		for last := time.Now(); ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
			groups, err := admin.ListGroups(ctx)
			if err != nil {
				continue
			}
			since := time.Since(last)
			last = time.Now()
			for _, group := range groups.Groups() {
				if !strings.HasPrefix(group, p.topic+"-") {
					continue
				}
				offsets, err := admin.FetchOffsets(ctx, group)
				if err != nil {
					continue // The experiment has just deleted it.
				}
				var sum int64
				for _, offset := range offsets[p.topic] {
					sum += max(offset.At, 0)
				}
				if seen[group] == nil {
					seen[group] = make(map[int64]time.Duration)
				}
				seen[group][sum] += since
			}
		}
	})
	return func() commits {
		cancel()
		watching.Wait()
		return seen
	}
}

// longest returns the committed offset that was there for the longest time, of the group
// whose name has this ending.
func (c commits) longest(t *testing.T, ending string) (offset int64) {
	t.Helper()
	var most time.Duration
	for group, offsets := range c {
		for o, d := range offsets {
			if strings.HasSuffix(group, ending) && d > most {
				offset, most = o, d
			}
		}
	}
	if most == 0 {
		t.Fatalf("there was no group ...%s, seen were %v", ending, c)
	}
	return offset
}

// highest returns the highest committed offset of that group.
func (c commits) highest(ending string) (offset int64) {
	for group, offsets := range c {
		for o := range offsets {
			if strings.HasSuffix(group, ending) {
				offset = max(offset, o)
			}
		}
	}
	return offset
}
