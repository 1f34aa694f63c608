package groups

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/testing/testkit"
)

// tool runs one of Kafka's own tools, and returns the words of each line that it prints.
func (p *place) tool(t *testing.T, name string, args ...string) [][]string {
	t.Helper()
	args = append([]string{"--bootstrap-server", strings.Join(p.addrs, ",")}, args...)
	output, err := apache.Tool(testkit.Deadline(t), name, args...).Output()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, output)
	}
	var lines [][]string
	for line := range strings.Lines(string(output)) {
		lines = append(lines, strings.Fields(line))
	}
	return lines
}

// find returns the line that begins with these words.
func find(lines [][]string, words ...string) []string {
	for _, line := range lines {
		if len(line) >= len(words) && slices.Equal(line[:len(words)], words) {
			return line
		}
	}
	return nil
}

// agreesOnMembers compares the members with what Kafka's own tools print.
func (p *place) agreesOnMembers(t *testing.T, topic string) {
	t.Helper()
	if reason := apache.Unavailable(); reason != "" {
		t.Log("not compared with Kafka's own tools: ", reason)
		return
	}
	list := p.tool(t, "kafka-groups.sh", "--list")
	for _, kind := range kinds {
		line := find(list, p.prefix+string(kind))
		if len(line) < 2 || !strings.EqualFold(line[1], string(kind)) {
			t.Errorf("kafka-groups.sh says %q of the %s", line, kind.Words())
		}
	}
	consumers := p.tool(t, "kafka-consumer-groups.sh", "--describe", "--all-groups", "--members", "--verbose")
	shares := p.tool(t, "kafka-share-groups.sh", "--describe", "--all-groups", "--members", "--verbose")
	for _, kind := range kinds {
		lines := consumers
		if kind == Share {
			lines = shares
		}
		g := p.ask(t, p.prefix+string(kind))
		for _, m := range g.Members {
			line := find(lines, g.Name, m.ID)
			if !slices.Contains(line, m.ClientID) {
				t.Errorf("Kafka's tool says %q of the member %+v", line, m)
				continue
			}
			// The topic's name is followed by the partitions in one way or another.
			rest := strings.Join(line[3:], " ")
			partitions := regexp.MustCompile(regexp.QuoteMeta(topic) + `[:(]([0-9,]+)`).FindStringSubmatch(rest)
			if partitions == nil {
				t.Errorf("Kafka's tool says %q of the partitions of %+v", rest, m)
				continue
			}
			var want []string
			for _, n := range m.Has[topic] {
				want = append(want, fmt.Sprint(n))
			}
			got := strings.Split(partitions[1], ",")
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("Kafka's tool says that %s has %v, want %v", m.ClientID, got, want)
			}
		}
	}
}

// agreesOnLag compares offsets and lag with what Kafka's own tools print.
func (p *place) agreesOnLag(t *testing.T, topic string) {
	t.Helper()
	if reason := apache.Unavailable(); reason != "" {
		return
	}
	consumers := p.tool(t, "kafka-consumer-groups.sh", "--describe", "--all-groups")
	shares := p.tool(t, "kafka-share-groups.sh", "--describe", "--all-groups")
	for _, kind := range kinds {
		g := p.ask(t, p.prefix+string(kind))
		for _, o := range g.Offsets {
			partition := strconv.Itoa(int(o.Partition))
			committed, end, lag := strconv.FormatInt(o.Committed, 10), strconv.FormatInt(o.End, 10), strconv.FormatInt(o.Lag, 10)
			want := []string{g.Name, topic, partition, committed, end, lag}
			lines := consumers
			if kind == Share {
				want, lines = []string{g.Name, topic, partition, committed, lag}, shares
			}
			if find(lines, want...) == nil {
				t.Errorf("Kafka's tool has no line %q", want)
			}
		}
	}
}
