package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/testing/testkit"
)

// makeTopic creates the place's topic, with three partitions.
func makeTopic(t *testing.T, p place) {
	t.Helper()
	if _, err := kadm.NewClient(testkit.Client(t, p.Addrs())).CreateTopic(testkit.Deadline(t), 3, 3, nil, p.topic); err != nil {
		t.Fatal(err)
	}
}

// aroundStops calls step before, between and after the stops and starts of each
// broker, with a number that grows.
func aroundStops(t *testing.T, p place, step func(i int)) {
	t.Helper()
	step(0)
	for id := 1; id <= 3; id++ {
		p.stop(t, id)
		step(2*id - 1)
		p.start(t, id)
		step(2 * id)
	}
}

// values reads so many records, and returns their values in order.
func values(ctx context.Context, t *testing.T, cl *kgo.Client, n int) []string {
	t.Helper()
	var list []string
	for len(list) < n {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		for r := range fetches.RecordsAll() {
			list = append(list, string(r.Value))
			r.Ack(kgo.AckAccept) // For a share group; elsewhere it does nothing.
		}
	}
	slices.Sort(list)
	return list
}

// What came to Kafka with its newer protocols works while brokers stop and start.
func TestAroundStops(t *testing.T) {
	alone(t)
	for name, test := range map[string]func(*testing.T, place){
		"transactions": transactions, "read-process-write": readProcessWrite,
		"new-groups": newGroupProtocol, "share-groups": shareGroups,
	} {
		t.Run(name, func(t *testing.T) {
			join(t)
			t.Parallel()
			onEachCluster(t, test)
		})
	}
}

// Transactions are committed and aborted while brokers stop and start, and a reader
// of committed records sees exactly the committed ones.
func transactions(t *testing.T, p place) {
	t.Helper()
	makeTopic(t, p)
	ctx := testkit.Deadline(t)
	writer := testkit.Client(t, p.Addrs(), kgo.TransactionalID(p.group), kgo.DefaultProduceTopic(p.topic))
	// What each value's transaction came to. A commit may fail after it has happened.
	const committed, aborted, unknown = "committed", "aborted", "unknown"
	outcome := make(map[string]string)
	aroundStops(t, p, func(i int) {
		for n, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
			value := fmt.Sprintf("%d.%d", i, n)
			err := transact(ctx, writer, end, value)
			for tries := 1; err != nil && ctx.Err() == nil; tries++ {
				t.Logf("%s: %v", value, err)
				outcome[value] = unknown
				if err := errors.Join(writer.AbortBufferedRecords(ctx), writer.EndTransaction(ctx, kgo.TryAbort)); err != nil {
					t.Logf("aborting it: %v", err)
				}
				value = fmt.Sprintf("%d.%d, try %d", i, n, tries)
				err = transact(ctx, writer, end, value)
			}
			outcome[value] = aborted
			if end == kgo.TryCommit {
				outcome[value] = committed
			}
		}
	})
	missing := make(map[string]bool)
	for value, o := range outcome {
		if o == committed {
			missing[value+" a"], missing[value+" b"] = true, true
		}
	}
	reader := testkit.Client(t, p.Addrs(), kgo.ConsumeTopics(p.topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for len(missing) > 0 && ctx.Err() == nil {
		for r := range reader.PollFetches(ctx).RecordsAll() {
			delete(missing, string(r.Value))
			value, _, _ := strings.Cut(string(r.Value), " a")
			value = strings.TrimSuffix(value, " b")
			if outcome[value] != committed && outcome[value] != unknown {
				t.Errorf("the record %q of a transaction that was %s is read", r.Value, outcome[value])
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d committed records were not read: %v", len(missing), missing)
	}
}

// transact writes two records in a transaction, and ends it.
func transact(ctx context.Context, cl *kgo.Client, end kgo.TransactionEndTry, value string) error {
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	if err := cl.ProduceSync(ctx, kgo.StringRecord(value+" a"), kgo.StringRecord(value+" b")).FirstErr(); err != nil {
		return err
	}
	return cl.EndTransaction(ctx, end)
}

// Records and offsets go through one transaction: read, written and committed at once.
func readProcessWrite(t *testing.T, p place) {
	t.Helper()
	makeTopic(t, p)
	out := p.topic + "-out"
	ctx := testkit.Deadline(t)
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	if _, err := admin.CreateTopic(ctx, 3, 3, nil, out); err != nil {
		t.Fatal(err)
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(p.Addrs()...), kgo.TransactionalID(p.group),
		kgo.ConsumerGroup(p.group), kgo.ConsumeTopics(p.topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	writer := testkit.Client(t, p.Addrs(), kgo.DefaultProduceTopic(p.topic))
	reader := testkit.Client(t, p.Addrs(), kgo.ConsumeTopics(out), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	aroundStops(t, p, func(i int) {
		const records = 5
		for n := range records {
			if err := writer.ProduceSync(ctx, kgo.StringRecord(fmt.Sprintf("%d %d", i, n))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		for done := 0; done < records; {
			fetches := session.PollFetches(ctx)
			if ctx.Err() != nil {
				t.Fatalf("step %d: %d of %d records came", i, done, records)
			}
			if err := session.Begin(); err != nil {
				t.Fatal(err)
			}
			n := fetches.NumRecords()
			for r := range fetches.RecordsAll() {
				session.Produce(ctx, &kgo.Record{Topic: out, Value: r.Value}, nil)
			}
			committed, err := session.End(ctx, kgo.TryCommit)
			if err != nil {
				t.Fatal(err)
			}
			if committed {
				done += n
			}
		}
		for n, got := range values(ctx, t, reader, records) {
			if want := fmt.Sprintf("%d %d", i, n); got != want {
				t.Errorf("record %q, want %q", got, want)
			}
		}
	})
}

// Groups of the new protocol (KIP-848) receive every record while brokers stop and
// start, and two members share the partitions.
func newGroupProtocol(t *testing.T, p place) {
	t.Helper()
	makeTopic(t, p)
	ctx := testkit.Deadline(t)
	member := func() *kgo.Client {
		return testkit.Client(t, p.Addrs(), kgo.ConsumerGroup(p.group), kgo.ConsumeTopics(p.topic),
			kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	}
	first := member()
	writer := testkit.Client(t, p.Addrs(), kgo.DefaultProduceTopic(p.topic))
	aroundStops(t, p, func(i int) { receive(ctx, t, first, writer, i) })

	second := member()
	groups := kadm.NewClient(testkit.Client(t, p.Addrs()))
	for {
		go second.PollFetches(ctx)
		described, err := describeConsumerGroup(ctx, groups, p)
		if err == nil && len(described) == 2 && described[0] > 0 && described[1] > 0 && described[0]+described[1] == 3 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("the members' partitions are %v, %v", described, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// receive writes some records, and waits until the member has received them.
func receive(ctx context.Context, t *testing.T, member, writer *kgo.Client, step int) {
	t.Helper()
	missing := make(map[string]bool)
	for n := range 5 {
		value := fmt.Sprintf("%d %d", step, n)
		missing[value] = true
		if err := writer.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	for len(missing) > 0 {
		fetches := member.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("step %d: %d records never came", step, len(missing))
		}
		// A record may come twice after a broker's death.
		for r := range fetches.RecordsAll() {
			delete(missing, string(r.Value))
			r.Ack(kgo.AckAccept)
		}
	}
}

// describeConsumerGroup returns how many partitions each member has, of a group of the
// new protocol. The description names topics, on both clusters.
func describeConsumerGroup(ctx context.Context, admin *kadm.Client, p place) ([]int, error) {
	described, err := admin.DescribeConsumerGroups(ctx, p.group)
	if err != nil {
		return nil, err
	}
	var partitions []int
	for _, m := range described[p.group].Members {
		n := 0
		for topic, ids := range m.Assignment {
			if topic != p.topic {
				return nil, fmt.Errorf("the assignment is of the topic %q", topic)
			}
			n += len(ids)
		}
		partitions = append(partitions, n)
	}
	return partitions, described.Error()
}

// Share groups receive every record while brokers stop and start.
func shareGroups(t *testing.T, p place) {
	t.Helper()
	makeTopic(t, p)
	ctx := testkit.Deadline(t)
	startAtBeginning(t, p)
	member := testkit.Client(t, p.Addrs(), kgo.ShareGroup(p.group), kgo.ConsumeTopics(p.topic))
	writer := testkit.Client(t, p.Addrs(), kgo.DefaultProduceTopic(p.topic))
	aroundStops(t, p, func(i int) { receive(ctx, t, member, writer, i) })
}

// startAtBeginning has the share group of the place begin with the oldest records.
func startAtBeginning(t *testing.T, p place) {
	t.Helper()
	a := newAsker(t, p)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, p.group
	s := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	s.Name, s.Value = "share.auto.offset.reset", kmsg.StringPtr("earliest")
	resource.Configs = append(resource.Configs, s)
	request.Resources = append(request.Resources, resource)
	answer := ask[*kmsg.IncrementalAlterConfigsResponse](a, request)
	if err := kerr.ErrorForCode(answer.Resources[0].ErrorCode); err != nil {
		t.Fatal(err)
	}
}

// Kafka's own tools use what is new: transactions, the new groups' protocol, share
// groups, and the request that the admin client prefers for describing topics.
func TestNewProtocolsWithKafkasTools(t *testing.T) {
	t.Parallel()
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	onEachCluster(t, func(t *testing.T, p place) {
		makeTopic(t, p)
		startAtBeginning(t, p)
		servers := strings.Join(p.Addrs(), ",")
		tool := func(name string, args ...string) string {
			t.Helper()
			var stderr strings.Builder
			command := apache.Tool(testkit.Deadline(t), name, args...)
			command.Stderr = &stderr
			output, err := command.Output()
			if err != nil && !errors.As(err, new(interface{ ExitCode() int })) {
				t.Fatalf("%s: %v", name, err)
			}
			if err != nil {
				t.Errorf("%s %v: %v\n%s%s", name, args, err, output, stderr.String())
			}
			return string(output)
		}
		wants := func(what, output string, parts ...string) {
			t.Helper()
			for _, part := range parts {
				if !strings.Contains(output, part) {
					t.Errorf("%s doesn't say %q:\n%s", what, part, output)
				}
			}
		}
		const records = 1000
		wants("the transactional producer", tool("kafka-producer-perf-test.sh", "--topic", p.topic, "--num-records", strconv.Itoa(records),
			"--record-size", "100", "--throughput", "-1", "--transactional-id", p.group, "--transaction-duration-ms", "50",
			"--producer-props", "bootstrap.servers="+servers), fmt.Sprint(records, " records sent"))

		output := tool("kafka-console-consumer.sh", "--bootstrap-server", servers, "--topic", p.topic, "--group", p.group+"-new",
			"--command-property", "group.protocol=consumer", "--command-property", "auto.offset.reset=earliest",
			"--command-property", "isolation.level=read_committed", "--max-messages", strconv.Itoa(records))
		if got := strings.Count(output, "\n"); got != records {
			t.Errorf("the console consumer printed %d lines, want %d", got, records)
		}
		output = tool("kafka-console-share-consumer.sh", "--bootstrap-server", servers, "--topic", p.topic, "--group", p.group,
			"--max-messages", strconv.Itoa(records))
		if got := strings.Count(output, "\n"); got != records {
			t.Errorf("the console share consumer printed %d lines, want %d", got, records)
		}
		wants("kafka-groups.sh", tool("kafka-groups.sh", "--bootstrap-server", servers, "--list"), p.group+"-new", "Consumer", "Share")
		wants("kafka-consumer-groups.sh", tool("kafka-consumer-groups.sh", "--bootstrap-server", servers, "--describe", "--group", p.group+"-new"), p.topic)
		wants("kafka-share-groups.sh", tool("kafka-share-groups.sh", "--bootstrap-server", servers, "--describe", "--group", p.group), p.topic)
		wants("kafka-topics.sh", tool("kafka-topics.sh", "--bootstrap-server", servers, "--describe", "--topic", p.topic), "PartitionCount: 3")
		wants("kafka-topics.sh", tool("kafka-topics.sh", "--bootstrap-server", servers, "--create", "--topic", p.topic+"-java"), "Created topic")
	})
}
