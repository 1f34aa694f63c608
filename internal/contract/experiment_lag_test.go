package contract

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/testing/testkit"
)

// A consumer that is too slow falls behind, three catch up, and the lag is the same however it
// is asked for. Small records come late to a reader that waits for many bytes.
func TestLag(t *testing.T) {
	alone(t)
	onEachCluster(t, func(t *testing.T, p place) {
		process := testkit.Start(t, p.build(t, "02-consumer/08-lag"))
		admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
		process.UntilLine("Two more consumers")
		if got := p.lag(t, admin); got < 20 {
			t.Errorf("the lag is %d after 3 s: one consumer isn't too slow", got)
		}
		process.UntilLine("as kadm says")
		if got := p.lag(t, admin); got != 10 {
			t.Errorf("the lag is %d, and ten records were written after the consumers ended", got)
		}
		if status := process.Wait(); status != 0 {
			t.Fatalf("exit status %d", status)
		}

		var lags []int
		for _, m := range regexp.MustCompile(`(?m)^  after \d+ s   lag (\d+)$`).FindAllStringSubmatch(process.Output(), -1) {
			lag, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			lags = append(lags, lag)
		}
		if len(lags) < 4 || lags[0] >= lags[2] || lags[len(lags)-1] >= 20 {
			t.Errorf("the lag was %v: want it to grow for 3 s, and then to shrink", lags)
		}
		for _, want := range []string{"as this program computes it +10", "as kadm says +10", `.*Lag\(\) says -1\..*`} {
			if !regexp.MustCompile(`(?m)^ *` + want + `$`).MatchString(process.Output()) {
				t.Errorf("it didn't print %q", want)
			}
		}
		after := func(setting string) float64 {
			m := regexp.MustCompile(`(?m)^  ` + setting + ` +after (.*) s$`).FindStringSubmatch(process.Output())
			if m == nil {
				t.Fatalf("it printed no row %q", setting)
			}
			seconds, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			return seconds
		}
		// A busy machine makes a wait longer, never shorter.
		silent, quick := after("MinBytes 10e3, MaxWait 10 s"), after("MinBytes 1, .*")
		bounded := after("MinBytes 10e3, MaxWait 500 ms")
		if silent < 4 || quick > silent/2 || bounded < 0.3 || bounded > silent/2 {
			t.Errorf("the first record came after %.1f s; with MinBytes 10e3 after %.1f s, and after %.1f s with a short MaxWait",
				quick, silent, bounded)
		}
		p.leavesNothing(t)
	})
}

// lag returns the lag of the one group of this test.
func (p place) lag(t *testing.T, admin *kadm.Client) int64 {
	t.Helper()
	ctx := testkit.Deadline(t)
	groups, err := p.groups(ctx, admin)
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != 1 {
		t.Fatalf("there are %d groups, want 1", len(groups))
	}
	lags, err := admin.Lag(ctx, groups[0].Group)
	if err == nil {
		err = lags.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	lag := lags[groups[0].Group]
	return lag.Lag.Total()
}

// Kafka's own tool says the same lag as kadm, in the columns that the page shows.
func TestLagTool(t *testing.T) {
	t.Parallel()
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	page, err := os.ReadFile(filepath.Join(testkit.Root(t), "02-consumer", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, shown, ok := strings.Cut(string(page), "/opt/kafka/bin/kafka-consumer-groups.sh")
	command, shown, _ := strings.Cut(shown, "\n")
	header, _, _ := strings.Cut(shown, "\n")
	if !ok || !strings.HasSuffix(command, " --describe --all-groups") {
		t.Fatalf("the page's command ends with %q", command)
	}
	onEachCluster(t, func(t *testing.T, p place) {
		ctx := testkit.Deadline(t)
		client := testkit.Client(t, p.Addrs(), kgo.DefaultProduceTopic(p.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		admin := kadm.NewClient(client)
		if _, err := admin.CreateTopic(ctx, 3, 3, nil, p.topic); err != nil {
			t.Fatal(err)
		}
		group := p.group + "-tool"
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if _, err := admin.DeleteGroup(ctx, group); err != nil {
				t.Error(err)
			}
		})
		for range 12 {
			if err := client.ProduceSync(ctx, kgo.StringRecord("some value")).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		offsets := make(kadm.Offsets)
		offsets.AddOffset(p.topic, 0, 2, -1)
		if err := admin.CommitAllOffsets(ctx, group, offsets); err != nil {
			t.Fatal(err)
		}
		if got := p.lag(t, admin); got != 10 {
			t.Errorf("kadm says that the lag is %d, want 10", got)
		}
		tool := apache.Tool(ctx, "kafka-consumer-groups.sh", "--bootstrap-server", strings.Join(p.Addrs(), ","),
			"--describe", "--group", group)
		output, err := tool.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		columns := strings.Join(strings.Fields(strings.TrimSuffix(header, "…")), " +")
		if !regexp.MustCompile(`(?m)^` + columns + ` `).Match(output) {
			t.Errorf("the tool's columns aren't those of the page, %q:\n%s", header, output)
		}
		row := fmt.Sprintf(`(?m)^%s +%s +0 +2 +12 +10 `, regexp.QuoteMeta(group), regexp.QuoteMeta(p.topic))
		if !regexp.MustCompile(row).Match(output) {
			t.Errorf("the tool doesn't say that the lag is 10:\n%s", output)
		}
	})
}
