package claims

import (
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	acksNames      = map[int]string{0: "0: nobody", 1: "1: the leader", -1: "all in-sync replicas"}
	yesNames       = map[bool]string{true: "yes", false: "no"}
	startNames     = map[bool]string{true: "the first record", false: "the end: what is there is skipped"}
	isolationNames = map[bool]string{true: "only what is committed", false: "uncommitted, too"}
)

func retriesName(n int) string              { return fmt.Sprintf("%d times, then an error", n) }
func commitName(every time.Duration) string { return "every " + human(every) }

// ofSarama are the constants of sarama, or of goka, which sets some anew.
func ofSarama(c *sarama.Config) map[string]string {
	return map[string]string{
		"acks":                 acksNames[int(c.Producer.RequiredAcks)],
		"idempotence":          yesNames[c.Producer.Idempotent],
		"retries":              retriesName(c.Producer.Retry.Max),
		"linger":               lingerCell(c.Producer.Flush.Frequency).Value,
		"compression":          c.Producer.Compression.String(),
		"start of a new group": startNames[c.Consumer.Offsets.Initial == sarama.OffsetOldest],
		"commit interval":      commitName(c.Consumer.Offsets.AutoCommit.Interval),
		"session timeout":      human(c.Consumer.Group.Session.Timeout),
		"isolation level":      isolationNames[c.Consumer.IsolationLevel == sarama.ReadCommitted],
	}
}

func ofFranz(t *testing.T) map[string]string {
	cl, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	wait := func(option any) time.Duration {
		d, ok := cl.OptValue(option).(time.Duration)
		if !ok {
			t.Errorf("franz-go has %v for a time", cl.OptValue(option))
		}
		return d
	}
	return map[string]string{
		"acks":                 map[bool]string{true: acksNames[-1]}[cl.OptValue(kgo.RequiredAcks) == kgo.AllISRAcks()],
		"idempotence":          yesNames[cl.OptValue(kgo.DisableIdempotentWrite) == false],
		"linger":               lingerCell(wait(kgo.ProducerLinger)).Value,
		"start of a new group": startNames[cl.OptValue(kgo.ConsumeStartOffset) == kgo.NewOffset().AtStart()],
		"commit interval":      commitName(wait(kgo.AutoCommitInterval)),
		"session timeout":      human(wait(kgo.SessionTimeout)),
		"isolation level":      isolationNames[cl.OptValue(kgo.FetchIsolationLevel) == kgo.ReadCommitted()],
	}
}

// ofWriter are kafka-go's of a writer. Where no broker acknowledges, it never hears of an error.
func ofWriter(w *kafka.Writer) map[string]string {
	s := w.Stats()
	m := map[string]string{
		"acks":        acksNames[int(w.RequiredAcks)],
		"linger":      lingerCell(s.BatchTimeout).Value,
		"compression": map[bool]string{true: "none"}[w.Compression == 0],
	}
	if w.RequiredAcks != kafka.RequireNone {
		m["retries"] = retriesName(int(s.MaxAttempts) - 1)
	}
	return m
}

func ofReader(t *testing.T) map[string]string {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{"127.0.0.1:1"}, Topic: testTopic, GroupID: "my-group"})
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := r.Config()
	group := kafka.ConsumerGroupConfig{ID: c.GroupID, Brokers: c.Brokers, Topics: []string{c.Topic}}
	if err := group.Validate(); err != nil { // It sets the defaults.
		t.Error(err)
	}
	return map[string]string{
		"start of a new group": startNames[group.StartOffset == kafka.FirstOffset],
		"commit interval":      map[bool]string{true: "each record"}[c.CommitInterval == 0],
		"session timeout":      human(group.SessionTimeout),
		"isolation level":      isolationNames[c.IsolationLevel == kafka.ReadCommitted],
	}
}

// What was seen agrees with the constants in the clients' sources. librdkafka's can't be read
// from Go.
func TestConstants(t *testing.T) {
	t.Parallel()
	r := committed(t)
	for column, want := range map[string]map[string]string{
		newWriter:  ofWriter(kafka.NewWriter(kafka.WriterConfig{Brokers: []string{"127.0.0.1:1"}, Topic: testTopic})),
		literal:    ofWriter(&kafka.Writer{}),
		"kafka-go": ofReader(t),
		"sarama":   ofSarama(sarama.NewConfig()),
		"goka":     ofSarama(goka.DefaultConfig()),
		"franz-go": ofFranz(t),
	} {
		for row, constant := range want {
			if got := r.cell(row, column).Value; got != constant {
				t.Errorf("%s of %s: %q was seen, and the source has %q", row, column, got, constant)
			}
		}
	}
}
