package contract

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// shownOnApache returns the lines that a page shows for Apache Kafka alone, in the section of
// an experiment.
func shownOnApache(t *testing.T, page, experiment string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(t), filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	for section := range strings.SplitSeq(string(text), "\n## ") {
		if !strings.Contains(section, "]("+experiment+"/main.go)") {
			continue
		}
		_, rest, begins := strings.Cut(section, "\n```console apache\n")
		block, _, ends := strings.Cut(rest, "\n```\n")
		if begins && ends {
			return strings.Split(block, "\n")
		}
	}
	t.Fatalf("%s shows nothing for Apache Kafka alone in the section of %s", page, experiment)
	return nil
}

// A group whose committed record is gone goes on at the oldest one that is there, but with
// sarama's defaults at the end. A compacted topic keeps the newest record of each key.
func TestRetention(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		process := testkit.Start(t, p.build(t, "01-producer/08-retention-and-compaction"))
		process.UntilLine("the oldest seven are removed")
		// Seen from outside, while the groups come back.
		starts, err := kadm.NewClient(testkit.Client(t, p.Addrs())).ListStartOffsets(t.Context(), p.topic)
		if err != nil {
			t.Fatal(err)
		}
		if start := starts[p.topic][0]; start.Err != nil || start.Offset != 7 {
			t.Errorf("the topic starts at %d (%v), want 7", start.Offset, start.Err)
		}
		if status := process.Wait(); status != 0 {
			t.Fatalf("exit status %d", status)
		}

		output := process.Output()
		for _, client := range []string{"kafka-go", "franz-go", "sarama, OffsetOldest"} {
			if got := cells(t, output, client); !slices.Equal(got, []string{"goes on at 7"}) {
				t.Errorf("%s: %q, want it to go on at 7", client, got)
			}
		}
		var at, from, to int
		got := cells(t, output, "sarama")[0]
		_, err = fmt.Sscanf(got, "goes on at %d, and skips %d to %d, which are there", &at, &from, &to)
		if err != nil || at < 10 || from != 7 || to != at-1 {
			t.Errorf("sarama: %q, want it to go on at the end, 10 or later, and to skip the rest (%v)", got, err)
		}

		if !p.apache {
			if !strings.Contains(output, "compaction isn't shown here") {
				t.Error("it doesn't say that compaction isn't shown")
			}
		} else {
			for _, line := range shownOnApache(t, "01-producer/README.md", "08-retention-and-compaction") {
				pattern := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*")
				if !regexp.MustCompile(`(?m)^` + pattern + `$`).MatchString(output) {
					t.Errorf("it doesn't print what the page shows: %q", line)
				}
			}
		}
		p.leavesNothing(t)
	})
}
