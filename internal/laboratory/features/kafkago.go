package features

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

type kafkaGo struct{}

const kafkaGoPackage = "github.com/segmentio/kafka-go"

// bearer is the mechanism OAUTHBEARER, which kafka-go doesn't bring.
type bearer string

func (bearer) Name() string { return "OAUTHBEARER" }

func (b bearer) Start(context.Context) (sasl.StateMachine, []byte, error) {
	return b, []byte("n,,\x01auth=Bearer " + string(b) + "\x01\x01"), nil
}

func (bearer) Next(context.Context, []byte) (done bool, response []byte, err error) {
	return true, nil, nil
}

func (kafkaGo) mechanism(w wish) (sasl.Mechanism, error) {
	switch w.mechanism {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Mechanism{Username: user, Password: password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, user, password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, user, password)
	case "OAUTHBEARER":
		w.needsMore()
		return bearer(w.token), lackOrNil(lacks(kafkaGoPackage+"/sasl", `(?i)oauth|bearer`))
	}
	return nil, lacks(kafkaGoPackage+"/sasl", `(?i)gss|kerberos`)
}

// lackOrNil is nil for a lack that our own code makes up for.
func lackOrNil(err error) error {
	if errors.As(err, new(lack)) {
		return nil
	}
	return err
}

func (k kafkaGo) transport(w wish) (*kafka.Transport, error) {
	mechanism, err := k.mechanism(w)
	return &kafka.Transport{TLS: w.tls, SASL: mechanism}, err
}

func (k kafkaGo) writer(w wish) (*kafka.Writer, error) {
	transport, err := k.transport(w)
	if err != nil {
		return nil, err
	}
	if w.idempotent {
		return nil, lacks(kafkaGoPackage, `^Writer\..*(Idempot|Producer)`)
	}
	codecs := map[string]kafka.Compression{
		"": 0, "gzip": compress.Gzip, "snappy": compress.Snappy, "lz4": compress.Lz4, "zstd": compress.Zstd,
	}
	return &kafka.Writer{
		Addr: kafka.TCP(w.brokers...), Topic: w.topic, Transport: transport, Balancer: &kafka.Hash{},
		RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond, Compression: codecs[w.codec],
	}, nil
}

func (k kafkaGo) write(ctx context.Context, w wish, values ...string) error {
	writer, err := k.writer(w)
	if err != nil {
		return err
	}
	var messages []kafka.Message
	for _, v := range values {
		messages = append(messages, kafka.Message{Key: []byte(v), Value: []byte(v)})
	}
	return errors.Join(writer.WriteMessages(ctx, messages...), writer.Close())
}

// transact uses the requests that kafka.Client has: its Writer knows of no transaction.
func (kafkaGo) transact(ctx context.Context, w wish, commit bool, values ...string) error {
	if err := lackOrNil(lacks(kafkaGoPackage, `^Writer\..*(Txn|Transact)`)); err != nil {
		return err
	}
	w.needsMore()
	client := &kafka.Client{Addr: kafka.TCP(w.brokers...)}
	var at net.Addr
	var begun *kafka.InitProducerIDResponse
	err := until(ctx, func() error { // A cluster that has just started has no coordinator yet.
		found, err := client.FindCoordinator(ctx, &kafka.FindCoordinatorRequest{
			Key: w.group, KeyType: kafka.CoordinatorKeyTypeTransaction,
		})
		if err != nil {
			return err
		}
		if found.Error != nil {
			return found.Error
		}
		at = kafka.TCP(fmt.Sprintf("%s:%d", found.Coordinator.Host, found.Coordinator.Port))
		begun, err = client.InitProducerID(ctx, &kafka.InitProducerIDRequest{
			Addr: at, TransactionalID: w.group, TransactionTimeoutMs: 10_000, ProducerID: -1, ProducerEpoch: -1,
		})
		if err != nil {
			return err
		}
		return begun.Error
	})
	if err != nil {
		return err
	}
	id, epoch := begun.Producer.ProducerID, begun.Producer.ProducerEpoch
	if _, err := client.AddPartitionsToTxn(ctx, &kafka.AddPartitionsToTxnRequest{
		Addr: at, TransactionalID: w.group, ProducerID: id, ProducerEpoch: epoch,
		Topics: map[string][]kafka.AddPartitionToTxn{w.topic: {{Partition: 0}}},
	}); err != nil {
		return err
	}
	for _, v := range values {
		written, err := client.Produce(ctx, &kafka.ProduceRequest{
			Topic: w.topic, RequiredAcks: kafka.RequireAll, TransactionalID: w.group,
			Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte(v))}),
		})
		if err != nil {
			return err
		}
		if written.Error != nil {
			return refused(written.Error)
		}
	}
	ended, err := client.EndTxn(ctx, &kafka.EndTxnRequest{
		Addr: at, TransactionalID: w.group, ProducerID: id, ProducerEpoch: epoch, Committed: commit,
	})
	if err != nil {
		return err
	}
	return ended.Error
}

func (k kafkaGo) read(ctx context.Context, w wish, got func(string)) error {
	patterns := map[string]string{
		"cooperative": `(?i)cooperative`, "consumer": `ConsumerGroupHeartbeat|RemoteAssignor`,
		"share": `Share(Group|Consumer|Fetch)`,
	}
	if w.protocol != "" {
		return lacks(kafkaGoPackage, patterns[w.protocol])
	}
	if w.instance != "" {
		return lacks(kafkaGoPackage, `^(Reader|ConsumerGroup|ConsumerGroupConfig|ReaderConfig)\..*Instance`)
	}
	mechanism, err := k.mechanism(w)
	if err != nil {
		return err
	}
	isolation := kafka.ReadUncommitted
	if w.committed {
		isolation = kafka.ReadCommitted
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: w.brokers, Topic: w.topic, GroupID: w.group, StartOffset: kafka.FirstOffset,
		MaxWait: 250 * time.Millisecond, IsolationLevel: isolation,
		Dialer: &kafka.Dialer{Timeout: 5 * time.Second, TLS: w.tls, SASLMechanism: mechanism},
	})
	for {
		m, err := reader.ReadMessage(ctx)
		if ctx.Err() != nil {
			return reader.Close()
		}
		if err != nil {
			return errors.Join(err, reader.Close())
		}
		got(string(m.Value))
	}
}

func (kafkaGo) administer(ctx context.Context, w wish, operation string) error {
	client := &kafka.Client{Addr: kafka.TCP(w.brokers...)}
	resource := kafka.DescribeConfigRequestResource{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: w.topic,
	}
	switch operation {
	case createTopic:
		answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: w.topic, NumPartitions: 3, ReplicationFactor: 1}},
		})
		if err != nil {
			return err
		}
		return answer.Errors[w.topic]
	case describeConfig:
		answer, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
			Resources: []kafka.DescribeConfigRequestResource{resource},
		})
		if err != nil {
			return err
		}
		for _, entry := range answer.Resources[0].ConfigEntries {
			if entry.ConfigName == alteredConfig {
				return nil
			}
		}
		return errors.Join(errors.New("the setting isn't described"), answer.Resources[0].Error)
	case alterConfig:
		answer, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: w.topic,
				Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: alteredConfig, Value: alteredValue}},
			}},
		})
		if err != nil {
			return err
		}
		return answer.Resources[0].Error
	case deleteRecords:
		return lacks(kafkaGoPackage, `DeleteRecords`)
	case describeGroup:
		answer, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{w.group}})
		if err != nil {
			return err
		}
		return answer.Groups[0].Error
	}
	answer, err := client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{w.group}})
	if err != nil {
		return err
	}
	return answer.Errors[w.group]
}

func (k kafkaGo) metrics(ctx context.Context, w wish) error {
	writer, err := k.writer(w)
	if err != nil {
		return err
	}
	err = errors.Join(writer.WriteMessages(ctx, kafka.Message{Value: []byte("counted")}), writer.Close())
	if n := writer.Stats().Messages; err == nil && n != 1 {
		err = fmt.Errorf("the statistics have %d messages", n)
	}
	return err
}

func (kafkaGo) hook(context.Context, wish) error {
	return lacks(kafkaGoPackage, `Hook|Interceptor|Trac(e|ing)`)
}

func (kafkaGo) double(context.Context) error { return lacks(kafkaGoPackage, `^(New)?(Mock|Fake|Test)`) }
