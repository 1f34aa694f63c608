package apache

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kafka-with-go/internal/process"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// extra makes the cluster notice a dead broker after four seconds instead of nine, so
// that the tests don't wait for that, and shows that such settings reach the brokers.
var extra = map[string]string{"KAFKA_BROKER_SESSION_TIMEOUT_MS": "4000"}

// TestCluster runs everything that needs Apache Kafka on one cluster, in an order: each
// test finds three brokers in sync, and leaves them so.
func TestCluster(t *testing.T) {
	needKafka(t)
	c, err := Start(t.Context(), Options{Extra: extra, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, test := range []struct {
		name string
		run  func(*testing.T, *Cluster)
	}{
		{"brokers are numbered 1, 2, 3 at their addresses", testNumbers},
		{"the compose environment reaches the brokers unchanged", testEnvironment},
		{"all listeners are on loopback", testLoopback},
		{"Kafka's own topics are on all brokers", testInternalTopics},
		{"a misspelled topic is not created", testNoAutoCreation},
		{"records are written to all brokers and read", testProduceConsume},
		{"Kafka's own tools work", testTools},
		{"a broker is paused and resumed", testPause},
		{"a broker is killed and comes back", testKill},
		{"a broker is stopped and comes back", testStop},
		{"the health check tells a live broker from a dead one", testHealthCheck},
	} {
		ok := t.Run(test.name, func(t *testing.T) {
			test.run(t, c)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := c.WaitInSync(ctx); err != nil {
				t.Fatal(err)
			}
		})
		if !ok {
			t.Fatalf("the cluster may not be whole after this%s", c.logTails())
		}
	}
	t.Run("Close leaves nothing", func(t *testing.T) { testClose(t, c) })
}

func testNumbers(t *testing.T, c *Cluster) {
	brokers, err := admin(t, c).ListBrokers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, b := range brokers {
		found = append(found, fmt.Sprintf("%d %s:%d", b.NodeID, b.Host, b.Port))
	}
	slices.Sort(found)
	var want []string
	for i, addr := range c.Addrs() {
		want = append(want, fmt.Sprintf("%d %s", i+1, addr))
	}
	if !slices.Equal(found, want) {
		t.Errorf("the cluster lists %q, want %q", found, want)
	}
}

// testEnvironment compares what each broker runs with against the compose file, without
// the code that made the one from the other.
func testEnvironment(t *testing.T, c *Cluster) {
	compose, err := readCompose()
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range c.brokers {
		environment := compose.brokers[i].environment
		for key, value := range extra {
			environment[key] = value
		}
		want := imageProperties(environment)
		got := readProperties(t, filepath.Join(b.dir, "config", "server.properties"))

		// The ports were chosen for this cluster; they are taken from its own listeners.
		composePorts, nativePorts := listenerPorts(want["listeners"]), listenerPorts(got["listeners"])
		if len(nativePorts) != 3 || nativePorts[1] != portOf(c.Addrs()[i]) {
			t.Fatalf("broker %d listens on %s, but clients are sent to %s", b.id, got["listeners"], c.Addrs()[i])
		}
		here := func(value string) string {
			for j, port := range composePorts {
				value = strings.ReplaceAll(value, ":"+port, ":"+nativePorts[j])
			}
			return value
		}
		want["listeners"] = here(strings.ReplaceAll(want["listeners"], "://:", "://127.0.0.1:"))
		want["advertised.listeners"] = here(strings.ReplaceAll(want["advertised.listeners"], compose.brokers[i].name, "127.0.0.1"))
		want["log.dirs"] = filepath.ToSlash(filepath.Join(b.dir, "data"))
		// The voters' ports are those of three brokers, so they are compared below.
		voters := got["controller.quorum.voters"]
		want["controller.quorum.voters"] = voters

		if d := difference(got, want); d != "" {
			t.Errorf("broker %d: server.properties differs from the compose file:\n%s", b.id, d)
		}
		ownVote := fmt.Sprintf("%d@127.0.0.1:%s", b.id, nativePorts[2])
		if all := strings.Split(voters, ","); len(all) != 3 || all[i] != ownVote {
			t.Errorf("broker %d: the voters are %s, want %s as number %d of 3", b.id, voters, ownVote, i+1)
		}
		testRunningConfig(t, c, b, got)
		testCommandLine(t, c, b, environment)
	}
}

// testRunningConfig compares server.properties with what the running broker says of itself.
func testRunningConfig(t *testing.T, c *Cluster, b *broker, want map[string]string) {
	configs, err := admin(t, c).DescribeBrokerConfigs(t.Context(), int32(b.id))
	if err != nil {
		t.Fatal(err)
	}
	running := map[string]string{}
	for _, config := range configs[0].Configs {
		running[config.Key] = config.MaybeValue()
	}
	for key, value := range want {
		if running[key] != value {
			t.Errorf("broker %d runs with %s=%s, want %s", b.id, key, running[key], value)
		}
	}
}

// testCommandLine checks that the compose file's heap is the only heap the JVM is given.
func testCommandLine(t *testing.T, c *Cluster, b *broker, environment map[string]string) {
	heap := environment["KAFKA_HEAP_OPTS"]
	var given []string
	for _, arg := range b.running().Args() {
		if strings.HasPrefix(arg, "-Xm") {
			given = append(given, arg)
		}
	}
	if heap == "" || strings.Join(given, " ") != heap {
		t.Errorf("broker %d has the heap %q, the compose file says %q", b.id, given, heap)
	}
}

// testInternalTopics makes Kafka create its own topics, and looks at them.
func testInternalTopics(t *testing.T, c *Cluster) {
	adm := admin(t, c)
	// Kafka creates these topics when somebody asks who coordinates them.
	eventually(t, func(ctx context.Context) error { return adm.FindTxnCoordinators(ctx, "any").Error() })
	eventually(t, func(ctx context.Context) error { return findShareCoordinator(ctx, c) })
	for _, topic := range []string{offsetsTopic, "__transaction_state", "__share_group_state"} {
		details, err := adm.ListTopics(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(details[topic].Partitions); n != 3 {
			t.Errorf("%s has %d partitions, want 3", topic, n)
		}
		for _, p := range details[topic].Partitions {
			if len(p.Replicas) != 3 {
				t.Errorf("%s, partition %d, has the replicas %v, want three", topic, p.Partition, p.Replicas)
			}
		}
		if got := topicConfig(t, adm, topic, "min.insync.replicas"); got != "2" {
			t.Errorf("%s accepts writes with %s replicas in sync, want 2", topic, got)
		}
	}
}

// findShareCoordinator asks for the coordinator of a share group's partition.
func findShareCoordinator(ctx context.Context, c *Cluster) error {
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.CoordinatorType = 2
	request.CoordinatorKeys = []string{"any-group:AAAAAAAAAAAAAAAAAAAAAQ:0"}
	response, err := c.client.all.Request(ctx, request)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(response.(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode)
}

func testNoAutoCreation(t *testing.T, c *Cluster) {
	cl := newTestClient(t, c, kgo.UnknownTopicRetries(0))
	err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "mispelled", Value: []byte("lost")}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a write to a topic that doesn't exist ends with %v", err)
	}
}

func testProduceConsume(t *testing.T, c *Cluster) {
	adm := admin(t, c)
	// -1 leaves partitions and replicas to the brokers' defaults.
	createTopic(t, adm, "defaults", -1, -1)
	var partitions kadm.PartitionDetails
	for len(partitions) == 0 { // A broker may not have heard of the topic yet.
		details, err := adm.ListTopics(t.Context(), "defaults")
		if err != nil {
			t.Fatal(err)
		}
		partitions = details["defaults"].Partitions
	}
	if len(partitions) != 3 || len(partitions[0].Replicas) != 3 {
		t.Errorf("a topic by default is %v, want three partitions with three replicas", partitions)
	}
	if got := topicConfig(t, adm, "defaults", "min.insync.replicas"); got != "2" {
		t.Errorf("a topic by default accepts writes with %s replicas in sync, want 2", got)
	}
	writer := newTestClient(t, c)
	const records = 100
	for i := range records {
		writer.Produce(t.Context(), keyed("defaults", i), nil)
	}
	if err := writer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader := newTestClient(t, c, kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("defaults"))
	begin := time.Now()
	wantKeys(t, reader, records)
	t.Logf("a new group has read %d records after %v", records, time.Since(begin).Round(time.Millisecond))
}

// testTools runs three of the tools, and finds the classes of all.
func testTools(t *testing.T, c *Cluster) {
	servers := strings.Join(c.Addrs(), ",")
	run := func(input, name string, args ...string) string {
		t.Helper()
		cmd := c.Tool(t.Context(), name, args...)
		cmd.Stdin = strings.NewReader(input)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		output, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", name, err, output, &stderr)
		}
		return string(output)
	}
	run("", "kafka-topics.sh", "--bootstrap-server", servers, "--create", "--topic", "tools")
	run("hello\n", "kafka-console-producer.sh", "--bootstrap-server", servers, "--topic", "tools")
	output := run("", "kafka-console-consumer.sh", "--bootstrap-server", servers, "--topic", "tools",
		"--from-beginning", "--max-messages", "1", "--timeout-ms", "30000")
	if output != "hello\n" {
		t.Errorf("the console consumer prints %q", output)
	}
	if err := Tool(t.Context(), "kafka-top.sh").Run(); err == nil || !strings.Contains(err.Error(), "kafka-top.sh") {
		t.Errorf("running a tool that doesn't exist ends with %v", err)
	}
	jar, err := zip.OpenReader(filepath.Join(os.Getenv("KAFKA_JARS"), "kafka-tools-"+Version+".jar"))
	if err != nil {
		t.Fatal(err)
	}
	defer jar.Close()
	for name, tool := range tools {
		if _, err := fs.Stat(jar, strings.ReplaceAll(tool.class, ".", "/")+".class"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func testPause(t *testing.T, c *Cluster) {
	if runtime.GOOS == "windows" {
		t.Skip("a process can't be paused on Windows")
	}
	if err := c.Pause(2); err != nil {
		t.Fatal(err)
	}
	if answers(t, c, 2) {
		t.Error("the paused broker answers")
	}
	if err := c.Resume(2); err != nil {
		t.Fatal(err)
	}
	if !answers(t, c, 2) {
		t.Error("the resumed broker doesn't answer")
	}
}

// testKill kills a broker while records are written, and counts them afterwards.
func testKill(t *testing.T, c *Cluster) {
	createTopic(t, admin(t, c), "killing", 3, 3)
	writer := newTestClient(t, c)
	var written atomic.Int64
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := writer.ProduceSync(context.Background(), keyed("killing", i)).FirstErr(); err != nil {
				stopped <- err
				return
			}
			written.Add(1)
		}
	}()
	writeOn := func() {
		t.Helper()
		before := written.Load()
		eventually(t, func(context.Context) error {
			// So many keys reach every partition, also the one whose leader died.
			if n := written.Load() - before; n < 50 {
				return fmt.Errorf("%d records were written", n)
			}
			return nil
		})
	}
	writeOn()
	if err := c.Kill(2); err != nil {
		t.Fatal(err)
	}
	if pid := c.PID(2); pid != 0 {
		t.Errorf("the killed broker is process %d", pid)
	}
	if err := c.Kill(2); err == nil {
		t.Error("a broker is killed twice without an error")
	}
	if err := c.WaitReady(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "the end of broker 2's log") {
		t.Errorf("waiting for a dead broker ends with %v", err)
	}
	writeOn()
	if err := c.brokers[1].setup(t.Context(), c.starter); err != nil {
		t.Errorf("a formatted folder is not accepted: %v", err)
	}
	if err := c.StartBroker(2); err != nil {
		t.Fatal(err)
	}
	if err := c.StartBroker(2); err == nil {
		t.Error("a broker is started twice without an error")
	}
	if err := c.WaitInSync(t.Context(), "killing"); err != nil {
		t.Fatal(err)
	}
	writeOn()
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatalf("a write failed: %v", err)
	}
	wantKeys(t, newTestClient(t, c, kgo.ConsumeTopics("killing")), int(written.Load()))
}

func testStop(t *testing.T, c *Cluster) {
	if err := c.Stop(3); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(c.brokers[2].logFile())
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && !bytes.Contains(log, []byte("shut down completed (kafka.server.BrokerServer)")) {
		t.Errorf("broker 3 did not end in good order:%s", c.brokers[2].logTail())
	}
	if err := c.StartBroker(3); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitReady(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
}

// testHealthCheck runs the compose file's own command, with the one program that it
// starts replaced by that program's Java class and arguments.
func testHealthCheck(t *testing.T, c *Cluster) {
	for _, program := range []string{"sh", "timeout", "grep"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the health check needs the image's %s: %v", program, err)
		}
	}
	compose, err := readCompose()
	if err != nil {
		t.Fatal(err)
	}
	const script = "kafka-broker-api-versions.sh"
	bin := t.TempDir()
	launcher := fmt.Sprintf("#!/bin/sh\nexec '%s' $KAFKA_HEAP_OPTS $KAFKA_JVM_PERFORMANCE_OPTS -cp '%s' %s \"$@\"\n",
		c.java.java, c.java.classpath, tools[script].class)
	if err := os.WriteFile(filepath.Join(bin, script), []byte(launcher), 0o755); err != nil {
		t.Fatal(err)
	}
	healthy := func(n int) error {
		command := compose.brokers[n-1].healthCheck
		if !strings.Contains(command, "/opt/kafka/bin/"+script) {
			t.Fatalf("the health check doesn't run %s: %s", script, command)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(command, "/opt/kafka/bin", bin))
		cmd.Env = os.Environ()
		for key, value := range c.brokers[n-1].env {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
		begin := time.Now()
		output, err := cmd.CombinedOutput()
		t.Logf("broker %d: %v after %v %s", n, err, time.Since(begin).Round(10*time.Millisecond), output)
		return err
	}
	for n := 1; n <= 3; n++ {
		if err := healthy(n); err != nil {
			t.Errorf("broker %d is not healthy: %v", n, err)
		}
	}
	if err := c.Kill(1); err != nil {
		t.Fatal(err)
	}
	if err := healthy(1); err == nil {
		t.Error("a dead broker is healthy")
	}
	if err := healthy(2); err != nil {
		t.Errorf("broker 2 is not healthy beside a dead broker: %v", err)
	}
	if err := c.StartBroker(1); err != nil {
		t.Fatal(err)
	}
}

func testClose(t *testing.T, c *Cluster) {
	var running []*process.Process
	for _, b := range c.brokers {
		running = append(running, b.running())
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for i, p := range running {
		if err := p.Kill(); err != nil || p.Alive() {
			t.Errorf("process %d of broker %d is not gone: %v", p.PID(), i+1, err)
		}
		if c.PID(i+1) != 0 {
			t.Errorf("the cluster still knows a process of broker %d", i+1)
		}
	}
	if _, err := os.Stat(c.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder %s is still there: %v", c.dir, err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if err := c.StartBroker(1); err == nil {
		t.Error("a broker of a closed cluster starts")
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	needKafka(t)
	_, err := Start(t.Context(), Options{Extra: map[string]string{"KAFKA_NUM_PARTITIONS": "many"}})
	if err == nil || !strings.Contains(err.Error(), "num.partitions") {
		t.Errorf("a wrong setting ends with %v", err)
	}
}

func needKafka(t *testing.T) {
	t.Helper()
	if reason := Unavailable(); reason != "" {
		t.Skip(reason)
	}
}

func newTestClient(t *testing.T, c *Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(c.Addrs()...), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func admin(t *testing.T, c *Cluster) *kadm.Client {
	t.Helper()
	return kadm.NewClient(newTestClient(t, c))
}

func createTopic(t *testing.T, adm *kadm.Client, topic string, partitions int32, replicas int16) {
	t.Helper()
	if _, err := adm.CreateTopic(t.Context(), partitions, replicas, nil, topic); err != nil {
		t.Fatal(err)
	}
}

func topicConfig(t *testing.T, adm *kadm.Client, topic, key string) string {
	t.Helper()
	configs, err := adm.DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs[0].Configs {
		if config.Key == key {
			return config.MaybeValue()
		}
	}
	return ""
}

func keyed(topic string, i int) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: []byte(strconv.Itoa(i)), Value: []byte("any")}
}

// wantKeys reads until every key from 0 to n-1 was there.
func wantKeys(t *testing.T, reader *kgo.Client, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	found := map[string]bool{}
	for len(found) < n {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d records were read: %v", len(found), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { found[string(r.Key)] = true })
	}
	for i := range n {
		if !found[strconv.Itoa(i)] {
			t.Errorf("record %d was acknowledged and isn't there", i)
		}
	}
}

func eventually(t *testing.T, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := poll(ctx, "this is so", check); err != nil {
		t.Fatal(err)
	}
}

// answers says whether a broker accepts a question and answers it within a second.
func answers(t *testing.T, c *Cluster, n int) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return c.client.serves(ctx, c.brokers[n-1]) == nil
}

// imageProperties is the image's documented rule: KAFKA_SOME_NAME sets some.name,
// except for the variables that Kafka's start scripts read.
func imageProperties(environment map[string]string) map[string]string {
	properties := map[string]string{}
	for key, value := range environment {
		if name, ok := strings.CutPrefix(key, "KAFKA_"); ok && name != "HEAP_OPTS" {
			properties[strings.ReplaceAll(strings.ToLower(name), "_", ".")] = value
		}
	}
	return properties
}

func readProperties(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	properties := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			properties[key] = value
		}
	}
	return properties
}

// listenerPorts returns the ports of a list of listeners, in its order.
func listenerPorts(listeners string) []string {
	var ports []string
	for _, listener := range strings.Split(listeners, ",") {
		ports = append(ports, portOf(listener))
	}
	return ports
}

func portOf(address string) string {
	return address[strings.LastIndex(address, ":")+1:]
}

func difference(got, want map[string]string) string {
	var lines []string
	for key, value := range got {
		if w, ok := want[key]; !ok || w != value {
			lines = append(lines, fmt.Sprintf("%s=%s, the compose file says %q", key, value, w))
		}
	}
	for key, value := range want {
		if _, ok := got[key]; !ok {
			lines = append(lines, fmt.Sprintf("%s is missing, the compose file says %q", key, value))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// takenPort returns a port that is taken until the end of the test.
func takenPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}
