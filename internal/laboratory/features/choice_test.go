package features

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

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
	defaults, err := os.ReadFile(filepath.Join(root, "04-comparison", "DEFAULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	// ofFranz tells whether a row of that page has something in its last column, franz-go's.
	ofFranz := func(row, last string) bool {
		return regexp.MustCompile(`(?m)^\| ` + row + `.*\| ` + last + `[^|]* \|$`).Match(defaults)
	}
	franz, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer franz.Close()
	oneRequest := sarama.NewConfig()
	oneRequest.Producer.Idempotent, oneRequest.Producer.RequiredAcks = true, sarama.WaitForAll
	oneRequest.Net.MaxOpenRequests = 1
	twoRequests := *oneRequest
	twoRequests.Net.MaxOpenRequests = 2
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
		{"[silent about a wrong address]", ofFranz(`\*\*nobody listens\*\*.*\| writing `, `\*nothing\*`) &&
			ofFranz(`\*\*nobody listens\*\*.*\| reading `, `\*nothing\*`)},
		{"killed member's partitions for [45 s]", ofFranz("session timeout", "45 s")},
		{"to end within [a minute]", franz.OptValue(kgo.RebalanceTimeout) == time.Minute},
		{"it sends [one request at a time]", oneRequest.Validate() == nil && twoRequests.Validate() != nil},
		{"though franz-go's is hardly longer", float64(lines(byName(t, "franz-go"))) < 1.15*float64(lines(fewest))},
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

func byName(t *testing.T, name string) clients.Client {
	t.Helper()
	c, err := clients.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
