package embedded

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/cluster/apache"
)

// The same records and settings, on Apache Kafka: what it removes is what the
// embedded cluster is tested for.
func TestRetentionOnApacheKafka(t *testing.T) {
	if reason := apache.Unavailable(); reason != "" {
		t.Skip(reason)
	}
	cluster, err := apache.Start(t.Context(), apache.Options{Extra: map[string]string{
		"KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS": "500",
		"KAFKA_LOG_INITIAL_TASK_DELAY_MS":       "500",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx := t.Context()
	adm := kadm.NewClient(cl)
	var names []string
	for i, test := range retentionCases {
		// Nothing goes before all is written, or a log that is old from its first
		// record on begins a new piece in between.
		configs := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
		for name, value := range test.configs {
			if name != "retention.ms" {
				configs[name] = &value
			}
		}
		name := fmt.Sprint("topic-", i)
		names = append(names, name)
		if _, err := adm.CreateTopic(ctx, 1, 1, configs, name); err != nil {
			t.Fatal(err)
		}
		writeAged(ctx, t, cl, name, test.ages...)
		change := kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "retention.ms"}
		if value, ok := test.configs["retention.ms"]; ok {
			change = kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}
		}
		answers, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, name)
		if err != nil || answers[0].Err != nil {
			t.Fatal(err, answers)
		}
	}
	// Everything that goes has gone after some checks. The cleaner of compacted topics
	// takes its time on a busy machine.
	wrong := func() (list []string) {
		starts, err := adm.ListStartOffsets(ctx, names...)
		if err != nil {
			t.Fatal(err)
		}
		for i, test := range retentionCases {
			if start, _ := starts.Lookup(names[i], 0); start.Offset != test.start {
				list = append(list, fmt.Sprintf("%s: the log starts at %d, want %d", test.name, start.Offset, test.start))
			}
		}
		return list
	}
	for deadline := time.Now().Add(90 * time.Second); wrong() != nil && time.Now().Before(deadline); {
		time.Sleep(500 * time.Millisecond)
	}
	// Nothing more goes afterwards.
	const checks = 10 // of half a second
	time.Sleep(checks * 500 * time.Millisecond)
	for _, w := range wrong() {
		t.Error(w)
	}
}
