//go:build cgo && !(windows && arm64)

package features

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

var confluentDriver driver = confluent{}

type confluent struct{}

const confluentPackage = "github.com/confluentinc/confluent-kafka-go/v2/kafka"

func (confluent) config(w wish) kafka.ConfigMap {
	c := kafka.ConfigMap{"bootstrap.servers": strings.Join(w.brokers, ","), "log_level": 0}
	protocol := "plaintext"
	switch {
	case w.mechanism != "":
		protocol = "sasl_plaintext"
		c["sasl.mechanism"], c["sasl.username"], c["sasl.password"] = w.mechanism, user, password
	case w.tls != nil:
		protocol = "ssl"
		c["ssl.ca.pem"] = w.authority
	}
	c["security.protocol"] = protocol
	return c
}

// bearer gives a client its token, which librdkafka waits for.
func (confluent) bearer(w wish, client kafka.Handle) error {
	if w.mechanism != "OAUTHBEARER" {
		return nil
	}
	return client.SetOAuthBearerToken(kafka.OAuthBearerToken{
		TokenValue: w.token, Principal: user, Expiration: time.Now().Add(time.Hour),
	})
}

func (c confluent) producer(w wish, more kafka.ConfigMap) (*kafka.Producer, error) {
	config := c.config(w)
	if w.idempotent {
		config["enable.idempotence"] = true
	}
	if w.codec != "" {
		config["compression.type"] = w.codec
	}
	for name, value := range more {
		config[name] = value
	}
	producer, err := kafka.NewProducer(&config)
	if err != nil {
		if w.mechanism == "GSSAPI" {
			err = refused(err)
		}
		return nil, err
	}
	return producer, c.bearer(w, producer)
}

func (confluent) send(ctx context.Context, producer *kafka.Producer, w wish, values ...string) error {
	reports := make(chan kafka.Event, len(values))
	for _, v := range values {
		message := &kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &w.topic, Partition: kafka.PartitionAny},
			Key:            []byte(v), Value: []byte(v),
		}
		if err := producer.Produce(message, reports); err != nil {
			return err
		}
	}
	for range values {
		select {
		case report := <-reports:
			if err := report.(*kafka.Message).TopicPartition.Error; err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (c confluent) write(ctx context.Context, w wish, values ...string) error {
	producer, err := c.producer(w, nil)
	if err != nil {
		return err
	}
	defer producer.Close()
	return c.send(ctx, producer, w, values...)
}

func (c confluent) transact(ctx context.Context, w wish, commit bool, values ...string) error {
	producer, err := c.producer(w, kafka.ConfigMap{"transactional.id": w.group})
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := errors.Join(producer.InitTransactions(ctx), producer.BeginTransaction()); err != nil {
		return err
	}
	if err := c.send(ctx, producer, w, values...); err != nil {
		return err
	}
	if commit {
		return producer.CommitTransaction(ctx)
	}
	return producer.AbortTransaction(ctx)
}

func (c confluent) read(ctx context.Context, w wish, got func(string)) (err error) {
	config := c.config(w)
	config["group.id"], config["auto.offset.reset"] = w.group, "earliest"
	if w.protocol != "consumer" { // There, the brokers say how often.
		config["heartbeat.interval.ms"] = int(heartbeat.Milliseconds())
	}
	if w.committed {
		config["isolation.level"] = "read_committed"
	}
	if w.instance != "" {
		config["group.instance.id"] = w.instance
	}
	switch w.protocol {
	case "cooperative":
		config["partition.assignment.strategy"] = "cooperative-sticky"
	case "consumer", "share":
		config["group.protocol"] = w.protocol
	}
	consumer, err := kafka.NewConsumer(&config)
	if err != nil && w.protocol == "share" {
		return errors.Join(refused(err), lackOrNil(lacks(confluentPackage, `Share(Group|Consumer|Poll)`)))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, consumer.Close()) }()
	if err := c.bearer(w, consumer); err != nil {
		return err
	}
	onRebalance := func(_ *kafka.Consumer, e kafka.Event) error {
		if revoked, ok := e.(kafka.RevokedPartitions); ok && ctx.Err() == nil {
			for _, p := range revoked.Partitions {
				w.gaveUp(p.Partition)
			}
		}
		return nil
	}
	if err := consumer.Subscribe(w.topic, onRebalance); err != nil {
		return err
	}
	for ctx.Err() == nil {
		m, err := consumer.ReadMessage(50 * time.Millisecond)
		var failed kafka.Error
		if errors.As(err, &failed) && failed.IsFatal() {
			return err
		}
		if err == nil {
			got(string(m.Value))
		}
	}
	return nil
}

func (c confluent) administer(ctx context.Context, w wish, operation string) error {
	config := c.config(w)
	admin, err := kafka.NewAdminClient(&config)
	if err != nil {
		return err
	}
	defer admin.Close()
	resource := kafka.ConfigResource{Type: kafka.ResourceTopic, Name: w.topic}
	switch operation {
	case createTopic:
		done, err := admin.CreateTopics(ctx, []kafka.TopicSpecification{
			{Topic: w.topic, NumPartitions: 3, ReplicationFactor: 1},
		})
		return first(done, err, func(r kafka.TopicResult) kafka.Error { return r.Error })
	case describeConfig:
		done, err := admin.DescribeConfigs(ctx, []kafka.ConfigResource{resource})
		if err == nil && done[0].Config[alteredConfig].Name == "" {
			err = errors.New("the setting isn't described")
		}
		return first(done, err, func(r kafka.ConfigResourceResult) kafka.Error { return r.Error })
	case alterConfig:
		resource.Config = []kafka.ConfigEntry{{
			Name: alteredConfig, Value: alteredValue, IncrementalOperation: kafka.AlterConfigOpTypeSet,
		}}
		done, err := admin.IncrementalAlterConfigs(ctx, []kafka.ConfigResource{resource})
		return first(done, err, func(r kafka.ConfigResourceResult) kafka.Error { return r.Error })
	case deleteRecords:
		until := kafka.TopicPartition{Topic: &w.topic, Partition: 0, Offset: 1}
		done, err := admin.DeleteRecords(ctx, []kafka.TopicPartition{until})
		if err != nil {
			return err
		}
		return done.DeleteRecordsResults[0].TopicPartition.Error
	case describeGroup:
		done, err := admin.DescribeConsumerGroups(ctx, []string{w.group})
		return first(done.ConsumerGroupDescriptions, err,
			func(r kafka.ConsumerGroupDescription) kafka.Error { return r.Error })
	}
	done, err := admin.DeleteConsumerGroups(ctx, []string{w.group})
	return first(done.ConsumerGroupResults, err,
		func(r kafka.ConsumerGroupResult) kafka.Error { return r.Error })
}

// first returns the error of the only result.
func first[R any](results []R, err error, of func(R) kafka.Error) error {
	if err != nil {
		return err
	}
	if len(results) != 1 {
		return fmt.Errorf("%d results", len(results))
	}
	if e := of(results[0]); e.Code() != kafka.ErrNoError {
		return e
	}
	return nil
}

func (c confluent) metrics(ctx context.Context, w wish) error {
	producer, err := c.producer(w, kafka.ConfigMap{"statistics.interval.ms": 50})
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := c.send(ctx, producer, w, "counted"); err != nil {
		return err
	}
	for {
		select {
		case event := <-producer.Events():
			s, ok := event.(*kafka.Stats)
			if !ok {
				continue
			}
			var counters struct {
				Written int `json:"txmsgs"`
			}
			if err := json.Unmarshal([]byte(s.String()), &counters); err != nil || counters.Written == 1 {
				return err
			}
		case <-time.After(patience):
			return errors.New("the statistics don't have the record")
		}
	}
}

func (confluent) hook(context.Context, wish) error {
	return lacks(confluentPackage, `Hook|Intercept|Tracer|Tracing`)
}

func (c confluent) double(ctx context.Context) error {
	double, err := kafka.NewMockCluster(1)
	if err != nil {
		return err
	}
	defer double.Close()
	const topic = "test"
	if err := double.CreateTopic(topic, 1, 1); err != nil {
		return err
	}
	return c.write(ctx, wish{brokers: strings.Split(double.BootstrapServers(), ","), topic: topic}, "value")
}
