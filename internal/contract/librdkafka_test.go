//go:build cgo && !(windows && arm64)

package contract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"kafka-with-go/internal/testing/testkit"
)

// librdkafka, the library behind the clients of many languages, writes in transactions
// while brokers stop and start, and reads what was committed in a group of the new
// protocol.
func TestLibrdkafka(t *testing.T) {
	alone(t)
	onEachCluster(t, func(t *testing.T, p place) {
		makeTopic(t, p)
		ctx := testkit.Deadline(t)
		servers := strings.Join(p.Addrs(), ",")
		writer, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": servers, "transactional.id": p.group, "log_level": 2})
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		if err := writer.InitTransactions(ctx); err != nil {
			t.Fatal(err)
		}
		reader, err := kafka.NewConsumer(&kafka.ConfigMap{
			"bootstrap.servers": servers, "group.id": p.group, "group.protocol": "consumer",
			"auto.offset.reset": "earliest", "isolation.level": "read_committed", "log_level": 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		if err := reader.Subscribe(p.topic, nil); err != nil {
			t.Fatal(err)
		}

		// write writes two records in a transaction, and ends it.
		write := func(value string, commit bool) error {
			if err := writer.BeginTransaction(); err != nil {
				return err
			}
			for _, part := range []string{" a", " b"} {
				message := kafka.Message{
					TopicPartition: kafka.TopicPartition{Topic: &p.topic, Partition: kafka.PartitionAny},
					Value:          []byte(value + part),
				}
				if err := writer.Produce(&message, nil); err != nil {
					return err
				}
			}
			for writer.Flush(100) > 0 && ctx.Err() == nil {
			}
			if !commit {
				return writer.AbortTransaction(ctx)
			}
			err := writer.CommitTransaction(ctx)
			for err != nil && err.(kafka.Error).IsRetriable() && ctx.Err() == nil {
				err = writer.CommitTransaction(ctx)
			}
			return err
		}
		go func() { // Reports are not needed: a commit fails if a record did.
			for range writer.Events() {
			}
		}()
		aroundStops(t, p, func(i int) {
			if err := write(fmt.Sprintf("aborted %d", i), false); err != nil {
				t.Fatal(err)
			}
			value := fmt.Sprintf("committed %d", i)
			err := write(value, true)
			for tries := 0; err != nil && tries < 3; tries++ {
				t.Logf("%s: %v", value, err)
				if err := writer.AbortTransaction(ctx); err != nil {
					t.Logf("aborting: %v", err)
				}
				err = write(value, true)
			}
			if err != nil {
				t.Fatal(err)
			}
			want := []string{value + " a", value + " b"}
			var got []string
			for ctx.Err() == nil && len(got) < len(want) {
				message, err := reader.ReadMessage(time.Second)
				if err != nil {
					continue
				}
				// After a broker's death a member may read from its last commit again.
				if text := string(message.Value); !slices.Contains(got, text) && strings.HasPrefix(text, value) {
					got = append(got, text)
				} else if strings.HasPrefix(text, "aborted") {
					t.Errorf("%q was aborted, and is read", text)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("read %q, want %q", got, want)
			}
		})
	})
}
