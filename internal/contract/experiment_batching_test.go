package contract

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

var (
	tookLine   = regexp.MustCompile(`(?m)^(.*): +([0-9.]+) s$`)
	lingerLine = regexp.MustCompile(`(?m)^  (10µs|100µs|1ms|10ms|100ms|1s) +(\d+) +([0-9.]+)   (█+)$`)
)

// A lingerRow is a line of the curve.
type lingerRow struct{ rate, size float64 }

func parsedNumber(t *testing.T, text string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func lingerRows(t *testing.T, text string) map[string]lingerRow {
	t.Helper()
	rows := make(map[string]lingerRow)
	for _, m := range lingerLine.FindAllStringSubmatch(text, -1) {
		rows[m[1]] = lingerRow{parsedNumber(t, m[2]), parsedNumber(t, m[3])}
	}
	if len(rows) != 6 {
		t.Fatalf("the curve has %d lines, want 6:\n%s", len(rows), text)
	}
	return rows
}

// checkCurve fails unless a curve has the shape that the page speaks of.
func checkCurve(t *testing.T, rows map[string]lingerRow) {
	t.Helper()
	// A busy machine makes it less, never more: each goroutine waits so long for each record.
	if rows["1s"].rate > 101 || rows["100ms"].rate > 1010 || rows["10ms"].rate > 10_100 {
		t.Errorf("more was written than the wait allows: %v", rows)
	}
	best := max(rows["100µs"].rate, rows["1ms"].rate, rows["10ms"].rate)
	if best < 1.5*rows["10µs"].rate || best < 1.5*rows["100ms"].rate {
		t.Errorf("the curve has no summit between 10µs and 100ms: %v", rows)
	}
	if rows["10µs"].size > 10 || rows["10ms"].size < 25 || rows["100ms"].size < 25 {
		t.Errorf("a longer wait doesn't make larger requests: %v", rows)
	}
}

// Each single write waits for BatchTimeout, ten in one call wait for it once, and a hundred
// goroutines write most with a BatchTimeout that is neither very short nor long.
func TestBatching(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		output := p.runExperiment(t, "01-producer/02-batching")
		took := make(map[string]float64)
		for _, m := range tookLine.FindAllStringSubmatch(output, -1) {
			took[m[1]] = parsedNumber(t, m[2])
		}
		oneByOne, together := took["one at a time, by default"], took["ten at once, by default"]
		if oneByOne < 10 || together < 1 || took["one at a time, BatchTimeout 1 ms"] == 0 {
			t.Errorf("the three ways took %v, want 10 s and more, 1 s and more", took)
		}
		if together > oneByOne/2 || took["one at a time, BatchTimeout 1 ms"] > oneByOne/2 {
			t.Errorf("the three ways took %v, want much less than the first for the others", took)
		}
		checkCurve(t, lingerRows(t, output))
		p.leavesNothing(t)
	})
}

// The curve on the page has the shape that runs have.
func TestCurveOnThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(testkit.Root(t), "01-producer", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	checkCurve(t, lingerRows(t, string(page)))
}
