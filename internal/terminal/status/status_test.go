package status

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/testing/testkit"
)

// long is how long a test waits for something that has to come. It only matters
// when a test fails.
const long = 90 * time.Second

// apacheCluster is a cluster of Apache Kafka as Print wants it.
type apacheCluster struct{ *apache.Cluster }

func (c apacheCluster) Running(id int) bool { return c.PID(id) != 0 }

// onEachCluster runs a test on a cluster inside this process and on Apache Kafka.
func onEachCluster(t *testing.T, test func(t *testing.T, cluster Cluster)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		test(t, startEmbedded(t))
	})
	t.Run("apache", func(t *testing.T) {
		if reason := apache.Unavailable(); reason != "" {
			t.Skip(reason)
		}
		cluster, err := apache.Start(context.Background(), apache.Options{Log: os.Stderr})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := cluster.Close(); err != nil {
				t.Error(err)
			}
		})
		test(t, apacheCluster{cluster})
	})
}

func startEmbedded(t *testing.T) *embedded.Cluster {
	t.Helper()
	cluster, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster
}

func print(t *testing.T, cluster Cluster) string {
	t.Helper()
	var out strings.Builder
	err := Print(testkit.Deadline(t), cluster, &out)
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// until waits until the status has lines of these patterns, in their order, and returns it.
func until(t *testing.T, cluster Cluster, patterns ...string) string {
	t.Helper()
	whole := regexp.MustCompile(`(?m)^` + strings.Join(patterns, `$[\s\S]*?^`) + `$`)
	for deadline := time.Now().Add(long); ; time.Sleep(100 * time.Millisecond) {
		output := print(t, cluster)
		if whole.MatchString(output) {
			return output
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %q; the status is\n%s", long, patterns, output)
		}
	}
}

// join starts a member of a group, which reads until the test's end.
func join(t *testing.T, cluster Cluster, topic, clientID string, kind ...kgo.Opt) {
	t.Helper()
	client := testkit.Client(t, cluster.Addrs(), append([]kgo.Opt{
		kgo.ClientID(clientID),
		kgo.ConsumeTopics(topic),
	}, kind...)...)
	go func() {
		for !client.PollFetches(context.Background()).IsClientClosed() {
		}
	}()
}

// Groups of each kind, their members by client id, and how far each has come.
func TestPrint(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, cluster Cluster) {
		ctx := testkit.Deadline(t)
		admin := testkit.Client(t, cluster.Addrs(), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		adm := kadm.NewClient(admin)
		_, err := adm.CreateTopics(ctx, 3, -1, nil, "log", "other")
		if err != nil {
			t.Fatal(err)
		}
		classic := []kgo.Opt{
			kgo.ConsumerGroup("classic"),
			kgo.Balancers(kgo.RangeBalancer()),
			kgo.AutoCommitInterval(100 * time.Millisecond),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		}
		join(t, cluster, "log", "reader-1", classic...)
		join(t, cluster, "log", "reader-2", append(classic, kgo.InstanceID("seat-2"))...)
		join(t, cluster, "log", "reader-3", append(classic, kgo.ConsumerGroup("new"), kgo.ServerSideBalancer())...)
		testkit.ShareFromStart(t, cluster.Addrs(), "share")
		join(t, cluster, "log", "reader-4", kgo.ShareGroup("share"))
		for partition := range int32(3) {
			for range 4 + partition {
				record := &kgo.Record{Topic: "log", Partition: partition, Value: []byte("a value")}
				if err := admin.ProduceSync(ctx, record).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var commits kadm.Offsets
		commits.AddOffset("log", 0, 3, -1)
		commits.AddOffset("log", 1, 100, -1)
		commits.AddOffset("other", 0, 0, -1)
		if err := adm.CommitAllOffsets(ctx, "\x1b[31mred\x1b[0m\n", commits); err != nil {
			t.Fatal(err)
		}
		join(t, cluster, "other", "\x1b]0;a title\a", append(classic, kgo.ConsumerGroup("hostile"))...)
		output := until(t, cluster,
			`broker 1 +(127\.0\.0\.1|localhost):\d+ +leads .*`,
			``,
			`topic log`,
			`  partition 0 +led by broker [123] +offsets 0 to 3`,
			`  partition 1 +led by broker [123] +offsets 0 to 4`,
			`topic other`,
			`  partition 2 +led by broker [123] +empty`,
			`group \\x1b\[31mred\\x1b\[0m\\n: empty, members: 0, lag: 1`,
			`  log-0 +committed 3 of 4 +lag 1`,
			`  log-1 +committed 100, beyond the end of the log at 5 +lag 0`,
			`  other-0 +committed 0 of 0 +lag 0`,
			`group classic: stable, members: 2, lag: 0`,
			`  member reader-1 +at 127.0.0.1 +has log-.*`,
			`  member reader-2, static as seat-2 +at 127.0.0.1 +has log-.*`,
			`  log-2 +committed 6 of 6 +lag 0`,
			`group hostile: stable, members: 1, lag: 0`,
			`  member \\x1b\]0;a title\\x07 +at 127.0.0.1 +has other-0, other-1, other-2`,
			`group new \(consumer group, new protocol \(KIP-848\)\): stable, members: 1, lag: 0`,
			`  member reader-3 +at 127.0.0.1 +has log-0, log-1, log-2`,
			`  log-2 +committed 6 of 6 +lag 0`,
			`group share \(share group\): stable, members: 1, lag: 0`,
			`  member reader-4 +at 127.0.0.1 +has log-0, log-1, log-2`,
			`  log-2 +window from \d to 6 +lag 0`)
		for _, r := range output {
			if !unicode.IsPrint(r) && r != '\n' {
				t.Errorf("the status has the character %U", r)
			}
		}
	})
}

// Where nothing is committed, the lag isn't known, unless there is nothing to read.
func TestNothingCommitted(t *testing.T) {
	t.Parallel()
	cluster := startEmbedded(t)
	ctx := testkit.Deadline(t)
	admin := testkit.Client(t, cluster.Addrs(), kgo.DefaultProduceTopic("log"))
	_, err := kadm.NewClient(admin).CreateTopic(ctx, 1, -1, nil, "log")
	if err != nil {
		t.Fatal(err)
	}
	join(t, cluster, "log", "reader", kgo.ConsumerGroup("group"), kgo.DisableAutoCommit())
	until(t, cluster, `group group: stable, members: 1, lag: 0`, `  log-0 +nothing committed +lag 0`)
	if err := admin.ProduceSync(ctx, kgo.StringRecord("a value")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	until(t, cluster, `group group: stable, members: 1, lag: 0, unknown in 1 partition`,
		`  log-0 +nothing committed +lag not known`)

	// Records that are removed before the group has read them are told.
	for range 9 {
		if err := admin.ProduceSync(ctx, kgo.StringRecord("a value")).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	var commits, before kadm.Offsets
	commits.AddOffset("log", 0, 2, -1)
	before.AddOffset("log", 0, 5, -1)
	if err := kadm.NewClient(admin).CommitAllOffsets(ctx, "late", commits); err != nil {
		t.Fatal(err)
	}
	if _, err := kadm.NewClient(admin).DeleteRecords(ctx, before); err != nil {
		t.Fatal(err)
	}
	until(t, cluster, `  log-0 +committed 2 of 10 +lag 8, 3 of it removed unread`)
}

// Brokers that are stopped are told, and what the others know.
func TestStoppedBrokers(t *testing.T) {
	t.Parallel()
	cluster := startEmbedded(t)
	_, err := kadm.NewClient(testkit.Client(t, cluster.Addrs())).CreateTopic(testkit.Deadline(t), 9, -1, nil, "log")
	if err != nil {
		t.Fatal(err)
	}
	join(t, cluster, "log", "reader", kgo.ConsumerGroup("new"), kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer())
	until(t, cluster, `  member reader +at 127.0.0.1 +has log-0, .* log-8`)
	for id := 1; id <= embedded.Brokers; id++ {
		if err := cluster.StopBroker(id); err != nil {
			t.Fatal(err)
		}
		if id < embedded.Brokers {
			until(t, cluster, fmt.Sprintf(`broker %d +127\.0\.0\.1:\d+ +stopped`, id), `  member reader +at 127.0.0.1 +has log-0, .* log-8`)
		}
	}
	if output := print(t, cluster); output != "All three brokers are stopped. Type start 1, start 2 or start 3.\n" {
		t.Errorf("without a broker the status is %q", output)
	}
	if err := cluster.StartBroker(2); err != nil {
		t.Fatal(err)
	}
	until(t, cluster, `broker 1 +127\.0\.0\.1:\d+ +stopped`,
		`broker 2 +127\.0\.0\.1:\d+ +leads log-0, log-1, log-2, log-3, log-4, log-5 and 3 more`,
		`broker 3 +127\.0\.0\.1:\d+ +stopped`,
		`  member reader +at 127.0.0.1 +has log-0, .* log-8`)
}
