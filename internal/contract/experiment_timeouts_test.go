package contract

import (
	"slices"
	"strings"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

// cells returns what stands in a row of a table that an experiment printed, after its name.
// Cells are apart by two spaces or more.
func cells(t *testing.T, output, name string) (found []string) {
	t.Helper()
	for line := range strings.Lines(output) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), name)
		if !ok || !strings.HasPrefix(rest, "  ") {
			continue
		}
		for cell := range strings.SplitSeq(rest, "  ") {
			if cell = strings.TrimSpace(cell); cell != "" {
				found = append(found, cell)
			}
		}
		return found
	}
	t.Fatalf("no row is named %q in\n%s", name, output)
	return nil
}

// An answer that is lost is no refusal: who tries again writes the record twice, unless the
// producer is idempotent, and who gives up has written it all the same.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		const folder, byItself = "01-producer/05-timeouts", "kafka-go tries again by itself"
		path := p.build(t, folder)

		// A run that is killed in the middle leaves its topic. The next one begins anew.
		killed := testkit.Start(t, path)
		killed.UntilLine(byItself)
		killed.Kill()
		killed.Wait()

		process := testkit.Start(t, path)
		process.UntilLine(byItself)
		// The topic is looked at while the program waits for the next lost answer.
		log := testkit.ReadLog(t, p.Addrs(), p.topic)
		if status := process.Wait(); status != 0 {
			t.Fatalf("exit status %d", status)
		}
		var values []string
		for place, record := range log {
			if place.Offset < 5 {
				values = append(values, string(record.Value))
			}
		}
		slices.Sort(values) // They lie in one partition, and their numbers rise.
		if want := []string{"1", "2", "3", "3", "4"}; !slices.Equal(values, want) {
			t.Errorf("the topic has %q after the first way, want %q", values, want)
		}

		const all, twice = "1 2 3 4", "1 2 3 3 4"
		for name, want := range map[string][]string{
			byItself:                               {all, twice, all},
			"the program tries again":              {all, twice, all},
			"the program takes the error for a no": {"1 2 4", all, all},
			"franz-go tries again, idempotent":     {all, all, all},
		} {
			if got := cells(t, process.Output(), name); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if n := count(process.Output(), "  error about order 3: "); n != 2 {
			t.Errorf("%d errors were told, want 2: kafka-go alone hears of the others", n)
		}
		p.leavesNothing(t)
	})
}
