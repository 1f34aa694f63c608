package contract

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

// An acksRow is a line of the tables of 03-acks.
type acksRow struct {
	acks                string
	acknowledged, there int
	told                string
}

var acksLine = regexp.MustCompile(`(?m)^  (none|leader|all) +(\d+) +(\d+) +(.*)$`)

func acksRows(t *testing.T, output string) (rows []acksRow) {
	t.Helper()
	for _, m := range acksLine.FindAllStringSubmatch(output, -1) {
		row := acksRow{acks: m[1], told: m[4]}
		if _, err := fmt.Sscan(m[2], &row.acknowledged); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(m[3], &row.there); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// While the leader is stopped, acks none reports success for records that are nowhere; the
// others hear of it, and write again. With fewer in-sync replicas than the topic wants, only
// acks all is refused, and a consumer doesn't see what the others were told was written.
func TestAcks(t *testing.T) {
	alone(t)
	onEachCluster(t, func(t *testing.T, p place) {
		const folder = "01-producer/03-acks"
		path := p.build(t, folder)
		first := testkit.Start(t, path)
		first.UntilLine("Now stop broker 2")
		first.Kill() // It leaves its topic, with 30 records, to the next run.
		first.Wait()

		process := testkit.Start(t, path)
		process.UntilLine("Now stop broker 2")
		p.stop(t, 2)
		process.UntilLine("Now start broker 2")
		// Looked at by another client: what was acknowledged to "none" is nowhere.
		there := make(map[string]int)
		for _, r := range testkit.ReadLog(t, p.Addrs(), p.topic) {
			acks, _, _ := strings.Cut(strings.TrimPrefix(string(r.Value), "acks "), ",")
			there[acks]++
		}
		if there["none"] != 10 || there["leader"] < 20 || there["all"] < 20 {
			t.Errorf("in the topic are %v, want 10 of none, and 20 of each of the others", there)
		}
		p.start(t, 2)
		if status := process.Wait(); status != 0 {
			t.Fatalf("it ends with status %d", status)
		}

		output := process.Output()
		for _, want := range []string{
			"kafka.NewWriter(kafka.WriterConfig{…}) all\n", "&kafka.Writer{…}                       none\n",
		} {
			if !strings.Contains(output, want) {
				t.Errorf("it doesn't print %q", want)
			}
		}
		rows := acksRows(t, output)
		want := 6
		if p.apache {
			want = 9
		}
		if len(rows) != want {
			t.Fatalf("%d rows, want %d", len(rows), want)
		}
		for _, row := range rows[:3] {
			if row.acknowledged != 10 || row.there != 10 || row.told != "success" {
				t.Errorf("while all brokers run: %+v, want 10, 10, success", row)
			}
		}
		if lost := rows[3]; lost.acknowledged != 10 || lost.there != 0 || lost.told != "success" {
			t.Errorf("without the leader: %+v, want 10 acknowledged, none there, and success", lost)
		}
		for _, row := range rows[4:6] {
			if row.acknowledged != 10 || row.there < 10 || !strings.HasSuffix(row.told, "; written again: success") {
				t.Errorf("without the leader: %+v, want 10 acknowledged, all there, after an error", row)
			}
		}
		if p.apache {
			for _, row := range rows[6:8] {
				if row.acknowledged != 10 || row.there != 0 {
					t.Errorf("with two replicas in sync of three: %+v, want 10 acknowledged, and none that a consumer sees", row)
				}
			}
			if refused := rows[8]; refused.acknowledged != 0 || refused.there != 0 || !strings.Contains(refused.told, "[19] Not Enough Replicas") {
				t.Errorf("with two replicas in sync of three: %+v, want a refusal", refused)
			}
			if !strings.Contains(output, "a consumer sees 20 records more") {
				t.Error("with broker 2 back in sync, a consumer doesn't see the 20 records")
			}
			shownOn(t, output, "01-producer/README.md", "apache-acks")
		}
		p.leavesNothing(t)
	})
}
