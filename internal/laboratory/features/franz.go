package features

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

type franz struct{}

const franzPackage = "github.com/twmb/franz-go/pkg/kgo"

func (franz) client(w wish, more ...kgo.Opt) (*kgo.Client, error) {
	options := append([]kgo.Opt{kgo.SeedBrokers(w.brokers...), kgo.DefaultProduceTopic(w.topic)}, more...)
	if w.tls != nil {
		options = append(options, kgo.DialTLSConfig(w.tls))
	}
	switch w.mechanism {
	case "PLAIN":
		options = append(options, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	case "SCRAM-SHA-256":
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		options = append(options, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
	case "OAUTHBEARER":
		options = append(options, kgo.SASL(oauth.Auth{Token: w.token}.AsMechanism()))
	}
	codecs := map[string]kgo.CompressionCodec{
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	if w.codec != "" {
		options = append(options, kgo.ProducerBatchCompression(codecs[w.codec]))
	}
	return kgo.NewClient(options...)
}

func (f franz) write(ctx context.Context, w wish, values ...string) error {
	cl, err := f.client(w)
	if err != nil {
		return err
	}
	defer cl.Close()
	return f.send(ctx, cl, values...)
}

func (franz) send(ctx context.Context, cl *kgo.Client, values ...string) error {
	var records []*kgo.Record
	for _, v := range values {
		records = append(records, kgo.KeyStringRecord(v, v))
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

func (f franz) transact(ctx context.Context, w wish, commit bool, values ...string) error {
	cl, err := f.client(w, kgo.TransactionalID(w.group))
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	if err := f.send(ctx, cl, values...); err != nil {
		return err
	}
	return cl.EndTransaction(ctx, kgo.TransactionEndTry(commit))
}

func (f franz) read(ctx context.Context, w wish, got func(string)) error {
	group := kgo.ConsumerGroup(w.group)
	if w.protocol == "share" {
		group = kgo.ShareGroup(w.group)
	}
	options := []kgo.Opt{
		group, kgo.ConsumeTopics(w.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, revoked map[string][]int32) {
			if ctx.Err() == nil {
				w.gaveUp(revoked[w.topic]...)
			}
		}),
	}
	switch {
	case w.protocol == "consumer":
		options = append(options, kgo.ServerSideBalancer())
	case w.protocol == "share":
		options = options[:2] // A share group has no offsets to start at and no partitions to revoke.
	}
	if w.committed {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if w.instance != "" {
		options = append(options, kgo.InstanceID(w.instance))
	}
	cl, err := f.client(w, options...)
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		for r := range fetches.RecordsAll() {
			got(string(r.Value))
			r.Ack(kgo.AckAccept) // For a share group; elsewhere it does nothing.
		}
	}
}

func (f franz) administer(ctx context.Context, w wish, operation string) error {
	cl, err := f.client(w)
	if err != nil {
		return err
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	switch operation {
	case createTopic:
		_, err := admin.CreateTopic(ctx, 3, 1, nil, w.topic)
		return err
	case describeConfig:
		described, err := admin.DescribeTopicConfigs(ctx, w.topic)
		if err != nil {
			return err
		}
		for _, c := range described[0].Configs {
			if c.Key == alteredConfig {
				return nil
			}
		}
		return errors.Join(errors.New("the setting isn't described"), described[0].Err)
	case alterConfig:
		value := alteredValue
		change := kadm.AlterConfig{Name: alteredConfig, Value: &value}
		altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{change}, w.topic)
		if err != nil {
			return err
		}
		return altered[0].Err
	case deleteRecords:
		until := make(kadm.Offsets)
		until.AddOffset(w.topic, 0, 1, -1)
		deleted, err := admin.DeleteRecords(ctx, until)
		return errors.Join(err, deleted.Error())
	case describeGroup:
		described, err := admin.DescribeGroups(ctx, w.group)
		return errors.Join(err, described.Error())
	}
	deleted, err := admin.DeleteGroups(ctx, w.group)
	return errors.Join(err, deleted.Error())
}

// hooks counts what the client tells its hooks.
type hooks struct{ buffered, bytes atomic.Int32 }

// OnProduceRecordBuffered implements kgo.HookProduceRecordBuffered.
func (h *hooks) OnProduceRecordBuffered(*kgo.Record) { h.buffered.Add(1) }

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (h *hooks) OnBrokerWrite(_ kgo.BrokerMetadata, _ int16, written int, _, _ time.Duration, _ error) {
	h.bytes.Add(int32(written))
}

func (f franz) hooked(ctx context.Context, w wish) (*hooks, error) {
	var h hooks
	cl, err := f.client(w, kgo.WithHooks(&h))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return &h, f.send(ctx, cl, "seen")
}

// metrics takes its counters from hooks: kgo exports no counter of its own.
func (f franz) metrics(ctx context.Context, w wish) error {
	w.needsMore()
	if err := lackOrNil(lacks(franzPackage, `^Client\..*(Stat|Metric)`)); err != nil {
		return err
	}
	h, err := f.hooked(ctx, w)
	if err == nil && h.bytes.Load() == 0 {
		err = errors.New("the hook of what is sent wasn't called")
	}
	return err
}

func (f franz) hook(ctx context.Context, w wish) error {
	h, err := f.hooked(ctx, w)
	if err != nil {
		return err
	}
	return counted(&h.buffered)
}

func (f franz) double(ctx context.Context) error {
	double, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "test"))
	if err != nil {
		return fmt.Errorf("starting the double: %w", err)
	}
	defer double.Close()
	return f.write(ctx, wish{brokers: double.ListenAddrs(), topic: "test"}, "value")
}
