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
		writes, in := Of[*kmsg.ProduceRequest](c.Requests())
		n := 0
		for i, w := range writes {
			for _, b := range in[i].Batches {
				n += b.Records
				if w.Acks != test.acks || b.Codec != test.codec || (b.ProducerID >= 0) != test.id {
					t.Errorf("acks %d, %+v; want acks %d, codec %d, a producer id: %v", w.Acks, b, test.acks, test.codec, test.id)
				}
			}
		}
		if n != 2 {
			t.Errorf("%d records were noted, want 2", n)
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

func TestHold(t *testing.T) {
	t.Parallel()
	c := start(t, Options{Topic: "topic"})
	c.Hold()
	written := make(chan error, 1)
	client(t, c).Produce(deadline(t), kgo.StringRecord("value"), func(_ *kgo.Record, err error) { written <- err })
	for {
		changed := c.Changed()
		if _, in := Of[*kmsg.ProduceRequest](c.Requests()); len(in) > 0 {
			break
		}
		<-changed
	}
	select {
	case <-written:
		t.Error("the write was answered while it was held")
	case <-time.After(100 * time.Millisecond):
	}
	c.Release()
	if err := <-written; err != nil {
		t.Error(err)
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
