package contract

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// With Async, a record that the broker refused is missing and nobody hears of it, unless there
// is a Completion. What main leaves unwritten is gone, unless it calls Close.
func TestAsync(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		const folder = "01-producer/06-async"
		output := p.runExperiment(t, folder)
		for name, want := range map[string][]string{
			"each write waited for":    {"errors heard of: 1", "records in the topic: 9"},
			"Async, and nobody asks":   {"errors heard of: 0", "records in the topic: 9"},
			"Async, with a Completion": {"errors heard of: 1", "records in the topic: 9"},
			"without Close":            {"exit status 0", "records in the topic: 0"},
			"after Close":              {"exit status 0", "records in the topic: 10"},
		} {
			if got := cells(t, output, name); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if n := count(output, "  record 5: "); n != 2 {
			t.Errorf("%d errors were told, want 2", n)
		}
		p.leavesNothing(t)

		// The two processes by themselves, seen from outside.
		admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
		if _, err := admin.CreateTopic(t.Context(), 3, 3, nil, p.topic); err != nil {
			t.Fatal(err)
		}
		path := p.build(t, folder)
		for _, test := range []struct {
			name string
			want int
		}{{"without Close", 0}, {"after Close", 10}} {
			process := testkit.Start(t, path, test.name)
			if status := process.Wait(); status != 0 {
				t.Errorf("%s: exit status %d", test.name, status)
			}
			if got := len(testkit.ReadLog(t, p.Addrs(), p.topic)); got != test.want {
				t.Errorf("%s: %d records are there, want %d", test.name, got, test.want)
			}
		}
	})
}
