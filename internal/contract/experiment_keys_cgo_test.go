//go:build cgo && !(windows && arm64)

package contract

import (
	"regexp"
	"testing"

	"github.com/IBM/sarama"
	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// The partitions that 01-keys computes for other clients are those to which these clients write.
func TestKeysOfOtherClients(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		printed := p.runExperiment(t, "01-producer/01-keys")
		rows := regexp.MustCompile(`(?m)^  ([a-d]) +(\d) +(\d) +(\d)$`).FindAllStringSubmatch(printed, -1)
		if len(rows) != 4 {
			t.Fatalf("%d keys, want 4:\n%s", len(rows), printed)
		}
		p.topic += "-clients"
		makeTopic(t, p)

		config := sarama.NewConfig()
		config.Producer.Return.Successes = true
		bySarama, err := sarama.NewSyncProducer(p.Addrs(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer bySarama.Close()
		byConfluent, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": p.Addrs()[0], "log_level": 2})
		if err != nil {
			t.Fatal(err)
		}
		defer byConfluent.Close()
		byFranz := testkit.Client(t, p.Addrs(), kgo.DefaultProduceTopic(p.topic))

		for _, row := range rows {
			key, want := row[1], row[2:]
			partition, _, err := bySarama.SendMessage(&sarama.ProducerMessage{Topic: p.topic, Key: sarama.StringEncoder(key)})
			if err != nil {
				t.Fatal(err)
			}
			wantPartition(t, "sarama", key, partition, want[0])

			report := make(chan kafka.Event, 1)
			err = byConfluent.Produce(&kafka.Message{
				TopicPartition: kafka.TopicPartition{Topic: &p.topic, Partition: kafka.PartitionAny},
				Key:            []byte(key),
			}, report)
			if err != nil {
				t.Fatal(err)
			}
			select {
			case event := <-report:
				delivered := event.(*kafka.Message)
				if delivered.TopicPartition.Error != nil {
					t.Fatal(delivered.TopicPartition.Error)
				}
				wantPartition(t, "confluent-kafka-go", key, delivered.TopicPartition.Partition, want[1])
			case <-testkit.Deadline(t).Done():
				t.Fatal("confluent-kafka-go gives no report")
			}

			record := &kgo.Record{Key: []byte(key)}
			if err := byFranz.ProduceSync(testkit.Deadline(t), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
			wantPartition(t, "franz-go", key, record.Partition, want[2])
		}
	})
}

func wantPartition(t *testing.T, client, key string, partition int32, printed string) {
	t.Helper()
	if want := int32(printed[0] - '0'); partition != want {
		t.Errorf("%s writes the key %s to partition %d, and 01-keys says %d", client, key, partition, want)
	}
}
