package contract

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// runExperiment runs an experiment to its end, which must be a good one, and returns what it printed.
func (p place) runExperiment(t *testing.T, folder string) string {
	t.Helper()
	process := testkit.Start(t, p.build(t, folder))
	if status := process.Wait(); status != 0 {
		t.Fatalf("%s ends with status %d:\n%s", folder, status, process.Output())
	}
	return process.Output()
}

// leavesNothing fails if a topic or a group of this test is still there.
func (p place) leavesNothing(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	for {
		left, err := p.left(ctx, admin)
		if err == nil && left == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("the experiment leaves %q (%v)", left, err)
			return
		case <-time.After(200 * time.Millisecond): // A broker hears a little later what was deleted.
		}
	}
}

// left returns the topics and groups of this test that are there. Others use Apache Kafka at
// the same time; the embedded cluster is the test's own.
func (p place) left(ctx context.Context, admin *kadm.Client) (left []string, err error) {
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics.Names() {
		if strings.HasPrefix(topic+"-", p.topic+"-") {
			left = append(left, "the topic "+topic)
		}
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		return nil, err
	}
	for _, group := range groups.Groups() {
		if !p.apache || strings.HasPrefix(group+"-", p.group+"-") {
			left = append(left, "the group "+group)
		}
	}
	return left, nil
}

// shownOn fails unless an output has all lines of a block of a page, in their order. In those
// "…" stands for anything, and the width of a space doesn't count.
func shownOn(t *testing.T, output, page, block string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(testkit.Root(t), filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(source), "\n```console "+block+"\n")
	shown, _, ends := strings.Cut(rest, "\n```\n")
	if !begins || !ends {
		t.Fatalf("%s has no block console %s", page, block)
	}
	printed := strings.Split(output, "\n")
	for line := range strings.SplitSeq(shown, "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "$ ") {
			continue
		}
		var parts []string
		for part := range strings.SplitSeq(strings.Join(strings.Fields(line), " "), "…") {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		agrees := regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
		at := slices.IndexFunc(printed, func(text string) bool {
			return agrees.MatchString(strings.Join(strings.Fields(text), " "))
		})
		if at < 0 {
			t.Errorf("%s shows %q in %s, and it wasn't printed there:\n%s", page, line, block, output)
			return
		}
		printed = printed[at+1:]
	}
}

// Without a cluster an experiment ends, and says how to start one.
func TestExperimentsWithoutCluster(t *testing.T) {
	t.Parallel()
	experiments := testkit.Walk(t, func(name string) bool {
		return path.Base(name) == "main.go" && strings.Count(name, "/") == 2 &&
			(strings.HasPrefix(name, "01-") || strings.HasPrefix(name, "02-") || strings.HasPrefix(name, "03-"))
	})
	if len(experiments) < 17 {
		t.Errorf("%d experiments were found, want 17 or more", len(experiments))
	}
	for _, name := range experiments {
		folder := path.Dir(name)
		if folder == original {
			continue // It is as it was.
		}
		t.Run(path.Base(folder), func(t *testing.T) {
			t.Parallel()
			process := testkit.Start(t, testkit.Build(t, folder, testkit.On(testkit.FreeAddrs(t), "topic", "group")))
			if status := process.Wait(); status != 1 {
				t.Errorf("exit status %d, want 1", status)
			}
			if last := process.Output(); !strings.Contains(last, "go run ./00-cluster") {
				t.Errorf("it doesn't say how to start a cluster:\n%s", last)
			}
		})
	}
}
