package contract

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A record of 2 MB is refused by the writer, which sends nothing, or by the topic, unless it
// is compressed or the topic's limit is raised. A reader's limit keeps nothing from it. A codec
// saves next to nothing on a record that travels alone, and most of a batch.
func TestSizes(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		output := p.runExperiment(t, "01-producer/07-size-and-compression")
		for name, want := range map[string][]string{
			"BatchBytes 1 MiB (the default)": {"refused by the writer", "0 kB sent"},
			"BatchBytes 1 MiB, zstd":         {"refused by the writer", "0 kB sent"},
			"BatchBytes 10 MiB":              {"refused by the broker", "2097 kB sent"},
			"BatchBytes and topic 10 MiB":    {"written", "2097 kB sent"},
			"MaxBytes 10 MiB":                {"received: 2 records, the last of 2097 kB"},
			"MaxBytes 10 kB":                 {"received: 2 records, the last of 2097 kB"},
		} {
			if got := cells(t, output, name); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		number := func(cell string) int {
			t.Helper()
			n, err := strconv.Atoi(strings.Fields(cell)[0])
			if err != nil {
				t.Fatalf("%q begins with no number", cell)
			}
			return n
		}
		compressed := cells(t, output, "BatchBytes 10 MiB, zstd")
		if sent := number(compressed[1]); compressed[0] != "written" || sent > 2097/2 {
			t.Errorf("with zstd: %q, want it written, and less than half as much sent", compressed)
		}
		plain := cells(t, output, "uncompressed")
		for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
			row := cells(t, output, codec)
			if alone := float64(number(row[0])) / float64(number(plain[0])); alone < 0.9 {
				t.Errorf("%s: an order alone takes %.2f of what it takes uncompressed", codec, alone)
			}
			if batch := float64(number(row[1])) / float64(number(plain[1])); batch > 0.5 {
				t.Errorf("%s: a hundred orders take %.2f of what they take uncompressed", codec, batch)
			}
		}
		p.leavesNothing(t)
	})
}
