package contract

import (
	"os"
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
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	ours := func(name string) bool {
		return name == p.topic || name == p.group ||
			strings.HasPrefix(name, p.topic+"-") || strings.HasPrefix(name, p.group+"-")
	}
	// A broker hears of what the controller has deleted a moment later.
	var left []string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		topics, err := admin.ListTopics(testkit.Deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		groups, err := admin.ListGroups(testkit.Deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		left = slices.DeleteFunc(append(topics.Names(), groups.Groups()...), func(name string) bool { return !ours(name) })
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it has left %q", left)
		}
	}
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
