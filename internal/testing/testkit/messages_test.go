package testkit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An error that a learner's program prints is looked for in ERRORS.md, without the program's own
// words before it; what isn't there is told.
func TestUnknown(t *testing.T) {
	patterns, err := readErrors(Root(t))
	if err != nil {
		t.Fatal(err)
	}
	lines := []Line{
		{Text: "writes: 0   (partition 2, offset 0)"},
		{Text: "waiting to write 7: dial tcp 127.0.0.1:9093: connect: connection refused"},
		{Text: "waiting to receive: [27] Rebalance In Progress: the coordinator has begun rebalancing the group, " +
			"the client should rejoin the group"},
		{Text: "error: the moon is full"},
		{Text: "waiting to write 7: writing, or so"},
	}
	want := []string{lines[3].Text, lines[4].Text}
	if diff := cmp.Diff(want, unknown(lines, patterns)); diff != "" {
		t.Errorf("unknown errors (-want +got):\n%s", diff)
	}
}
