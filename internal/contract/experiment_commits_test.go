package contract

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// commits are the committed offsets of each group, one after the other, as seen from outside
// while an experiment runs.
type commits map[string][]commit

// A commit is the sum over the partitions of the topic, and how long it was there.
type commit struct {
	offset int64
	there  time.Duration
}

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
				n := len(seen[group])
				if n == 0 || seen[group][n-1].offset != sum {
					seen[group] = append(seen[group], commit{offset: sum})
				} else {
					seen[group][n-1].there += since
				}
			}
		}
	})
	return func() commits {
		cancel()
		watching.Wait()
		return seen
	}
}

// of returns the commits of the group whose name has this ending.
func (c commits) of(t *testing.T, ending string) []commit {
	t.Helper()
	for group, list := range c {
		if strings.HasSuffix(group, ending) {
			return list
		}
	}
	t.Fatalf("there was no group ...%s, seen were %v", ending, c)
	return nil
}

// longest returns the committed offset that was there for the longest time.
func (c commits) longest(t *testing.T, ending string) int64 {
	t.Helper()
	return slices.MaxFunc(c.of(t, ending), func(a, b commit) int { return cmp.Compare(a.there, b.there) }).offset
}

// highest returns the highest committed offset.
func (c commits) highest(t *testing.T, ending string) int64 {
	t.Helper()
	return slices.MaxFunc(c.of(t, ending), func(a, b commit) int { return cmp.Compare(a.offset, b.offset) }).offset
}

// last returns the committed offset with which the group ended.
func (c commits) last(t *testing.T, ending string) int64 {
	t.Helper()
	list := c.of(t, ending)
	return list[len(list)-1].offset
}
