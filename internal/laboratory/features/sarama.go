package features

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/IBM/sarama/mocks"
	"github.com/xdg-go/scram"
)

type saramaDriver struct{}

const saramaPackage = "github.com/IBM/sarama"

// scramClient hands sarama the conversation of xdg-go/scram, as sarama's examples do.
type scramClient struct {
	hash         scram.HashGeneratorFcn
	conversation *scram.ClientConversation
}

func (c *scramClient) Begin(user, password, authority string) error {
	client, err := c.hash.NewClient(user, password, authority)
	if err != nil {
		return err
	}
	c.conversation = client.NewConversation()
	return nil
}

func (c *scramClient) Step(challenge string) (string, error) { return c.conversation.Step(challenge) }
func (c *scramClient) Done() bool                            { return c.conversation.Done() }

// tokens gives out a token.
type tokens string

func (t tokens) Token() (*sarama.AccessToken, error) {
	return &sarama.AccessToken{Token: string(t)}, nil
}

// apply changes a configuration as the wish says. goka, which drives sarama, uses it too.
func (saramaDriver) apply(c *sarama.Config, w wish) error {
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Group.Heartbeat.Interval = heartbeat
	if w.idempotent {
		c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	}
	if w.committed {
		c.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	if w.codec != "" {
		if err := c.Producer.Compression.UnmarshalText([]byte(w.codec)); err != nil {
			return err
		}
		if w.codec == "zstd" {
			atLeast(c, w, sarama.V2_1_0_0)
		}
	}
	switch w.protocol {
	case "cooperative":
		atLeast(c, w, sarama.V2_4_0_0)
		c.Consumer.Group.Rebalance.Strategy = nil
		c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{
			sarama.NewBalanceStrategyCooperativeSticky(),
		}
	case "consumer":
		return lacks(saramaPackage, `ConsumerGroupHeartbeat|RemoteAssignor`)
	case "share":
		return lacks(saramaPackage, `Share(Group|Consumer|Fetch)`)
	}
	if w.instance != "" {
		atLeast(c, w, sarama.V2_3_0_0)
		c.Consumer.Group.InstanceId = w.instance
	}
	c.Net.TLS.Enable, c.Net.TLS.Config = w.tls != nil, w.tls
	if w.mechanism == "" {
		return nil
	}
	s := &c.Net.SASL
	s.Enable, s.Mechanism, s.User, s.Password = true, sarama.SASLMechanism(w.mechanism), user, password
	switch w.mechanism {
	case sarama.SASLTypeSCRAMSHA256:
		w.needsMore()
		s.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: sha256.New} }
	case sarama.SASLTypeSCRAMSHA512:
		w.needsMore()
		s.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: sha512.New} }
	case sarama.SASLTypeOAuth:
		s.TokenProvider = tokens(w.token)
	case sarama.SASLTypeGSSAPI:
		s.GSSAPI = sarama.GSSAPIConfig{
			AuthType: sarama.KRB5_USER_AUTH, KerberosConfigPath: "krb5.conf", Realm: "REALM",
			ServiceName: "kafka", Username: user, Password: password,
		}
	}
	return c.Validate()
}

// atLeast raises the version of Kafka's protocol that a configuration names, if it has to be:
// goka's own configuration says 2.0.
func atLeast(c *sarama.Config, w wish, version sarama.KafkaVersion) {
	if !c.Version.IsAtLeast(version) {
		w.needsMore()
		c.Version = version
	}
}

func (s saramaDriver) config(w wish) (*sarama.Config, error) {
	c := sarama.NewConfig()
	return c, s.apply(c, w)
}

func (s saramaDriver) write(ctx context.Context, w wish, values ...string) error {
	c, err := s.config(w)
	if err != nil {
		return err
	}
	return s.send(ctx, c, w, values...)
}

func (saramaDriver) send(_ context.Context, c *sarama.Config, w wish, values ...string) error {
	producer, err := sarama.NewSyncProducer(w.brokers, c)
	if err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	for _, v := range values {
		messages = append(messages, message(w.topic, v))
	}
	return errors.Join(producer.SendMessages(messages), producer.Close())
}

func message(topic, value string) *sarama.ProducerMessage {
	return &sarama.ProducerMessage{
		Topic: topic, Key: sarama.StringEncoder(value), Value: sarama.StringEncoder(value),
	}
}

func (s saramaDriver) transact(_ context.Context, w wish, commit bool, values ...string) error {
	w.idempotent = true
	c, err := s.config(w)
	if err != nil {
		return err
	}
	c.Producer.Transaction.ID = w.group
	producer, err := sarama.NewSyncProducer(w.brokers, c)
	if err != nil {
		return err
	}
	err = producer.BeginTxn()
	for _, v := range values {
		if err == nil {
			_, _, err = producer.SendMessage(message(w.topic, v))
		}
	}
	end := producer.AbortTxn
	if commit {
		end = producer.CommitTxn
	}
	if err == nil {
		err = end()
	}
	return errors.Join(err, producer.Close())
}

// handler hands over what a member receives, and tells which partitions it gives up.
type handler struct {
	sarama.ConsumerGroupHandler // of goka; nil for sarama's own member

	ctx context.Context
	w   wish
	got func(string)
}

func (h handler) Setup(s sarama.ConsumerGroupSession) error {
	if h.ConsumerGroupHandler == nil {
		return nil
	}
	return h.ConsumerGroupHandler.Setup(s)
}

func (h handler) Cleanup(s sarama.ConsumerGroupSession) error {
	if h.ConsumerGroupHandler == nil {
		return nil
	}
	return h.ConsumerGroupHandler.Cleanup(s)
}

func (h handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) (err error) {
	if h.ConsumerGroupHandler != nil {
		err = h.ConsumerGroupHandler.ConsumeClaim(s, claim)
	} else {
		for m := range claim.Messages() {
			h.got(string(m.Value))
			s.MarkMessage(m, "")
		}
	}
	if h.ctx.Err() == nil {
		h.w.gaveUp(claim.Partition())
	}
	return err
}

func (s saramaDriver) read(ctx context.Context, w wish, got func(string)) error {
	c, err := s.config(w)
	if err != nil {
		return err
	}
	group, err := sarama.NewConsumerGroup(w.brokers, w.group, c)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{w.topic}, handler{ctx: ctx, w: w, got: got}); err != nil {
			return errors.Join(err, group.Close())
		}
	}
	return group.Close()
}

func (s saramaDriver) administer(_ context.Context, w wish, operation string) error {
	c, err := s.config(w)
	if err != nil {
		return err
	}
	admin, err := sarama.NewClusterAdmin(w.brokers, c)
	if err != nil {
		return err
	}
	defer admin.Close() //nolint:errcheck // The operation's own error is what counts.
	switch operation {
	case createTopic:
		return admin.CreateTopic(w.topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false)
	case describeConfig:
		described, err := admin.DescribeConfigs([]*sarama.ConfigResource{{
			Type: sarama.TopicResource, Name: w.topic, ConfigNames: []string{alteredConfig},
		}}, sarama.DescribeConfigsOptions{})
		if err == nil && (len(described) != 1 || len(described[0].Configs) != 1) {
			err = fmt.Errorf("what is described is %+v", described)
		}
		return err
	case alterConfig:
		value := alteredValue
		entries := map[string]sarama.IncrementalAlterConfigsEntry{
			alteredConfig: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value},
		}
		return admin.IncrementalAlterConfig(sarama.TopicResource, w.topic, entries, false)
	case deleteRecords:
		return admin.DeleteRecords(w.topic, map[int32]int64{0: 1})
	case describeGroup:
		groups, err := admin.DescribeConsumerGroups([]string{w.group})
		if err == nil && (len(groups) != 1 || groups[0].Err != sarama.ErrNoError) {
			err = fmt.Errorf("the groups are %v", groups)
		}
		return err
	}
	return admin.DeleteConsumerGroup(w.group)
}

func (s saramaDriver) metrics(_ context.Context, w wish) error {
	c, err := s.config(w)
	if err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(w.brokers, c)
	if err != nil {
		return err
	}
	_, _, err = producer.SendMessage(message(w.topic, "counted"))
	if err == nil && c.MetricRegistry.Get("record-send-rate") == nil {
		err = errors.New("the registry has no record-send-rate")
	}
	return errors.Join(err, producer.Close())
}

// intercepted counts the records that sarama shows before it sends them.
type intercepted struct{ atomic.Int32 }

func (i *intercepted) OnSend(*sarama.ProducerMessage) { i.Add(1) }

func (s saramaDriver) hook(ctx context.Context, w wish) error {
	c, err := s.config(w)
	if err != nil {
		return err
	}
	var seen intercepted
	c.Producer.Interceptors = []sarama.ProducerInterceptor{&seen}
	if err := s.send(ctx, c, w, "seen"); err != nil {
		return err
	}
	return counted(&seen.Int32)
}

// counted is an error unless a hook was called once.
func counted(calls *atomic.Int32) error {
	for range 50 { // The client may call it from a goroutine of its own.
		if calls.Load() == 1 {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("the hook was called %d times", calls.Load())
}

func (saramaDriver) double(context.Context) error {
	var complaints complaints
	producer := mocks.NewSyncProducer(&complaints, nil)
	producer.ExpectSendMessageAndSucceed()
	_, _, err := producer.SendMessage(message("test", "value"))
	return errors.Join(err, producer.Close(), complaints.err)
}

// complaints is what a double for tests takes for the test.
type complaints struct{ err error }

func (c *complaints) Errorf(format string, args ...any) {
	c.err = errors.Join(c.err, fmt.Errorf(format, args...))
}

func (c *complaints) Fatalf(format string, args ...any) { c.Errorf(format, args...) }
func (c *complaints) Fatal(args ...any)                 { c.Errorf("%v", args) }
