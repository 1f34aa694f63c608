package contract

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/testing/testkit"
)

const missingTopic = "01-producer/04-missing-topic"

// missingStep returns the lines below one that 04-missing-topic prints, after a part of its output.
func missingStep(t *testing.T, output, part, line string) []string {
	t.Helper()
	_, rest, ok := strings.Cut(output, "\n"+part)
	if ok {
		_, rest, ok = strings.Cut(rest, "\n  "+line+":\n")
	}
	if !ok {
		t.Fatalf("it doesn't print %q after %q", line, part)
	}
	var lines []string
	for text := range strings.SplitSeq(rest, "\n") {
		inside, ok := strings.CutPrefix(text, "    ")
		if !ok {
			break
		}
		lines = append(lines, inside)
	}
	return lines
}

// Neither cluster creates a topic, whatever the client asks for. A broker that creates topics
// makes one of a misspelt name.
func TestMissingTopic(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		makeTopic(t, p) // A run that was killed has left its topic.
		output := p.runExperiment(t, missingTopic)
		const yours, creates = "Your cluster:", "A broker in this process"
		const asking = "a write with AllowAutoTopicCreation"
		for _, s := range []struct{ part, line string }{{yours, "a write"}, {yours, asking}, {creates, "a write"}} {
			got := missingStep(t, output, s.part, s.line)
			if len(got) != 2 || !strings.HasPrefix(got[0], "[3] Unknown Topic Or Partition: ") || got[1] != "and so it stays" {
				t.Errorf("%s %s: %q, want an error that stays", s.part, s.line, got)
			}
		}
		for _, s := range []struct{ part, line, numbers string }{
			{yours, "a write after createTopic", "partitions: 3, replicas of each: 3"},
			{yours, "a write after createTopic with -1: the brokers decide", "partitions: 3, replicas of each: 3"},
			{creates, asking, "partitions: 1, replicas of each: 1"},
			{creates, `the same, with a letter too many: "` + p.topic + `s"`, "partitions: 1, replicas of each: 1"},
		} {
			got := missingStep(t, output, s.part, s.line)
			if len(got) < 2 || !strings.HasPrefix(got[len(got)-2], "written") || got[len(got)-1] != s.numbers {
				t.Errorf("%s %s: %q, want that it is written, and %s", s.part, s.line, got, s.numbers)
			}
		}
		if want := "  Its topics are now: " + p.topic + ", " + p.topic + "s\n"; !strings.Contains(output, want) {
			t.Errorf("it doesn't print %q", want)
		}
		p.leavesNothing(t)
	})
}

// What the page says of an Apache Kafka whose brokers create topics: the first write that asks
// for a topic fails, and the next one succeeds; the topic has the brokers' numbers, which by
// default are 1 and 1.
func TestBrokersThatCreateTopics(t *testing.T) {
	t.Parallel()
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	for !apacheUse.TryAcquire(together) { // It has the machine to itself, not the cluster.
		time.Sleep(50 * time.Millisecond)
	}
	t.Cleanup(func() { apacheUse.Release(together) })
	c, err := apache.Start(context.Background(), apache.Options{Log: os.Stderr, Extra: map[string]string{
		"KAFKA_AUTO_CREATE_TOPICS_ENABLE":  "true",
		"KAFKA_NUM_PARTITIONS":             "1",
		"KAFKA_DEFAULT_REPLICATION_FACTOR": "1",
		"KAFKA_MIN_INSYNC_REPLICAS":        "1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	p := newPlace(addresses(c.Addrs()), true)

	// Kafka's own defaults, as a broker tells them beside what is set.
	configs, err := kadm.NewClient(testkit.Client(t, p.Addrs())).DescribeBrokerConfigs(testkit.Deadline(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"auto.create.topics.enable": "true", "num.partitions": "1", "default.replication.factor": "1"}
	for _, config := range configs[0].Configs {
		for _, synonym := range config.Synonyms {
			if synonym.Source == kmsg.ConfigSourceDefaultConfig && want[config.Key] != "" {
				if *synonym.Value != want[config.Key] {
					t.Errorf("by default %s is %s, and the page says %s", config.Key, *synonym.Value, want[config.Key])
				}
				delete(want, config.Key)
			}
		}
	}
	if len(want) != 0 {
		t.Errorf("the broker doesn't tell the defaults of %v", want)
	}

	output := p.runExperiment(t, missingTopic)
	t.Log(output)
	const part = "Your cluster:"
	if got := missingStep(t, output, part, "a write"); len(got) != 2 || got[1] != "and so it stays" {
		t.Errorf("a write that doesn't ask for the topic: %q, want an error that stays", got)
	}
	got := missingStep(t, output, part, "a write with AllowAutoTopicCreation")
	if len(got) != 3 || !strings.HasPrefix(got[0], "[3] Unknown Topic Or Partition: ") ||
		!strings.HasPrefix(got[1], "written after ") || got[2] != "partitions: 1, replicas of each: 1" {
		t.Errorf("a write that asks for the topic: %q, want an error, then a topic with one partition on one broker", got)
	}
	p.leavesNothing(t)
}
