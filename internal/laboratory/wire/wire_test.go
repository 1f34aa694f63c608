package wire

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func start(t *testing.T, o Options) *Cluster {
	t.Helper()
	c, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func client(t *testing.T, c *Cluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("topic")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// What a client was told to ask for is what is noted.
func TestWhatIsNoted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		options []kgo.Opt
		acks    int16
		codec   int
		id      bool
	}{
		{[]kgo.Opt{kgo.ProducerBatchCompression(kgo.NoCompression())}, -1, 0, true},
		{[]kgo.Opt{kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()}, 1, 1, false},
	} {
		c := start(t, Options{Topic: "topic"})
		records := []*kgo.Record{{Value: make([]byte, 5000)}, {Value: make([]byte, 5000)}}
		records[0].Key, records[1].Key = []byte("key"), []byte("key")
		if err := client(t, c, test.options...).ProduceSync(deadline(t), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		writes, _ := Of[*kmsg.ProduceRequest](c.Requests())
		for _, w := range writes {
			b, err := FirstBatch(w)
			if err != nil || w.Acks != test.acks || int(b.Attributes) != test.codec || (b.ProducerID >= 0) != test.id {
				t.Errorf("acks %d, %+v, %v; want acks %d, codec %d, a producer id: %v", w.Acks, b, err, test.acks, test.codec, test.id)
			}
		}
		if len(writes) == 0 {
			t.Error("no write was noted")
		}
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: "topic"})
	cl := client(t, c)
	c.Refuse(kerr.TopicAuthorizationFailed.Code)
	if err := cl.ProduceSync(deadline(t), kgo.StringRecord("value")).FirstErr(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("got %v, want the refusal", err)
	}
	c.Refuse(0)
	if err := cl.ProduceSync(deadline(t), kgo.StringRecord("value")).FirstErr(); err != nil {
		t.Errorf("after the refusal: %v", err)
	}
}

func TestAutoCreate(t *testing.T) {
	t.Parallel()
	c := start(t, Options{AutoCreate: true})
	if c.HasTopic("topic") {
		t.Fatal("the topic is there already")
	}
	if err := client(t, c, kgo.AllowAutoTopicCreation()).ProduceSync(deadline(t), kgo.StringRecord("value")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if !c.HasTopic("topic") {
		t.Error("the topic wasn't created")
	}
}
