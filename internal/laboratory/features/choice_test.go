package features

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/testing/testkit"
)

// The lines at the top of the chapter say which client to take, and what it costs. Each is
// true of what was found and measured.
func TestChoice(t *testing.T) {
	t.Parallel()
	root := testkit.Root(t)
	page, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(chapter.Path)))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(page)), " ")
	rows, err := measuredRows(root)
	if err != nil {
		t.Fatal(err)
	}
	kept := kept(t)
	cell := func(row, client string) string {
		if i := slices.IndexFunc(rows, func(m measured) bool { return m.name == row }); i >= 0 {
			return rows[i].cells[client]
		}
		return kept.Cells[row][client].Answer
	}
	cpu := func(client string) (writing, reading float64) {
		t.Helper()
		for row, to := range map[string]*float64{
			"CPU µs a record, writing": &writing, "CPU µs a record, reading": &reading,
		} {
			if *to, err = strconv.ParseFloat(cell(row, client), 64); err != nil {
				t.Fatal(err)
			}
		}
		return writing, reading
	}
	more := func(client, than string) bool {
		writing, reading := cpu(client)
		w, r := cpu(than)
		return writing > w && reading > r
	}
	lines := func(c clients.Client) int {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(c.Flow()), "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(source), "\n")
	}
	fewest := slices.MinFunc(clients.All(), func(a, b clients.Client) int { return lines(a) - lines(b) })
	for _, test := range []struct {
		says  string
		holds bool
	}{
		{"[lost nothing, wrote nothing twice and nothing out of order]", cell("lost", "franz-go") == "none → none" &&
			cell("written twice", "franz-go") == "none → none" && cell("written out of order", "franz-go") == "none → none"},
		{"it takes [the least processor]", !slices.ContainsFunc(clients.Names(), func(name string) bool {
			return name != "franz-go" && !more(name, "franz-go")
		})},
		{"it wants [Go 1.26]", strings.HasPrefix(cell("Go", "franz-go"), "1.26")},
		{"Its program is [the shortest]", fewest.Name() == "kafka-go"},
		{"[no idempotent producer]", cell("idempotent producer", "kafka-go") == no},
		{"so a retry can write a record twice, no transactions", cell("transactions", "kafka-go") == no &&
			strings.HasSuffix(cell("written twice", "kafka-go"), yes)},
		{"a `kafka.Writer{}` that [loses records]", cell("lost", "kafka-go") == "yes → none"},
		{"it needs a C compiler, and gives you [no static program]", cell("static program", "confluent-kafka-go") == no},
		{"[more processor than sarama]", more("goka", "sarama")},
		{"has no [transactions]", cell("transactions", "goka") == no},
		{"with its defaults it loses records, too", cell("lost", "sarama") == "yes → none"},
	} {
		if !strings.Contains(text, test.says) {
			t.Errorf("the chapter no longer says %q", test.says)
		} else if !test.holds {
			t.Errorf("the chapter says %q, and what was measured says otherwise", test.says)
		}
	}
}
