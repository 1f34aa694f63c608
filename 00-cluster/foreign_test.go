package main

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/testing/testkit"
)

// Programs of other languages work with the cluster: Kafka's own tools (Java)
// and kcat (C). They are standing in for every client that isn't written in Go.
func TestKafkasOwnTools(t *testing.T) {
	t.Parallel()
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	servers := "--bootstrap-server=" + startForForeigners(t)
	tool := func(input, name string, args ...string) string {
		t.Helper()
		return output(t, name, input, apache.Tool(within(t), name, append([]string{servers}, args...)...))
	}

	tool("", "kafka-topics.sh", "--create", "--topic=made-by-java", "--partitions=2", "--replication-factor=3")
	if got := tool("", "kafka-topics.sh", "--list"); !strings.Contains(got, "made-by-java") || !strings.Contains(got, topic) {
		t.Errorf("kafka-topics.sh --list says %q", got)
	}
	got := tool("", "kafka-topics.sh", "--describe", "--topic="+topic)
	for _, want := range []string{"PartitionCount: 3", "Partition: 0\tLeader: 1", "Partition: 1\tLeader: 2", "Partition: 2\tLeader: 3"} {
		if !strings.Contains(got, want) {
			t.Errorf("kafka-topics.sh --describe doesn't say %q:\n%s", want, got)
		}
	}

	tool("a:one\nb:two\na:three\n", "kafka-console-producer.sh", "--topic="+topic,
		"--reader-property=parse.key=true", "--reader-property=key.separator=:")
	got = tool("", "kafka-console-consumer.sh", "--topic="+topic, "--group=java-group", "--from-beginning",
		"--max-messages=3", "--timeout-ms=60000", "--formatter-property=print.partition=true", "--formatter-property=print.key=true")
	// The Java client and Go agree where a key belongs.
	for key, values := range map[string][]string{"a": {"one", "three"}, "b": {"two"}} {
		for _, value := range values {
			want := "Partition:" + string('0'+rune(testkit.Murmur2([]byte(key), 3))) + "\t" + key + "\t" + value
			if !strings.Contains(got, want) {
				t.Errorf("kafka-console-consumer.sh doesn't print %q:\n%s", want, got)
			}
		}
	}
	got = tool("", "kafka-consumer-groups.sh", "--describe", "--group=java-group")
	if !strings.Contains(got, "java-group") || !strings.Contains(got, topic) {
		t.Errorf("kafka-consumer-groups.sh --describe says:\n%s", got)
	}
}

func TestKcat(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("kcat")
	if err != nil {
		t.Skip("there is no kcat on the PATH: install it (apt-get install kcat, brew install kcat) to run this test")
	}
	servers := startForForeigners(t)
	kcat := func(input string, args ...string) string {
		t.Helper()
		return output(t, "kcat", input, exec.CommandContext(within(t), path, append([]string{"-b", servers}, args...)...))
	}
	if got := kcat("", "-L"); !strings.Contains(got, "3 brokers:") || !strings.Contains(got, `topic "`+topic+`" with 3 partitions`) {
		t.Errorf("kcat -L says:\n%s", got)
	}
	kcat("a:one\nb:two\n", "-P", "-t", topic, "-K", ":", "-X", "partitioner=murmur2_random")
	// -G joins a group. It stays in it, so it is told when to end by a count.
	got := kcat("", "-G", "kcat-group", "-X", "auto.offset.reset=earliest", "-c", "2", "-K", ":", topic)
	for _, want := range []string{"a:one", "b:two"} {
		if !strings.Contains(got, want) {
			t.Errorf("kcat -G doesn't print %q:\n%s", want, got)
		}
	}
}

func startForForeigners(t *testing.T) string {
	t.Helper()
	c, err := embedded.Start(embedded.Options{Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return strings.Join(c.Addrs(), ",")
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func output(t *testing.T, name, input string, command *exec.Cmd) string {
	t.Helper()
	var errs strings.Builder
	command.Stdin, command.Stderr = strings.NewReader(input), &errs
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(command.Args[max(0, len(command.Args)-6):], " "), err, out, errs.String())
	}
	return string(out)
}
