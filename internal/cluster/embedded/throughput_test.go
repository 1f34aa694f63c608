package embedded

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What the guard costs: the same records go through kfake alone, and through this
// package's cluster. By hand:
//
//	go test -run '^$' -bench Throughput -benchtime 500000x -count 5 ./internal/cluster/embedded
func BenchmarkThroughput(b *testing.B) {
	for _, where := range []struct {
		name  string
		start func(b *testing.B) []string
	}{
		{"kfake", func(b *testing.B) []string {
			fake, err := kfake.NewCluster(kfake.NumBrokers(Brokers), kfake.SeedTopics(Brokers, topic))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(fake.Close)
			return fake.ListenAddrs()
		}},
		{"guarded", func(b *testing.B) []string {
			c, err := Start(Options{Topic: topic})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(c.Close)
			return c.Addrs()
		}},
	} {
		value := make([]byte, 100)
		write := func(b *testing.B, addrs []string) {
			cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
			if err != nil {
				b.Fatal(err)
			}
			defer cl.Close()
			for range b.N {
				cl.Produce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
					if err != nil {
						b.Error(err)
					}
				})
			}
			if err := cl.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(where.name+"/write", func(b *testing.B) {
			addrs := where.start(b)
			b.SetBytes(int64(len(value)))
			b.ResetTimer()
			write(b, addrs)
		})
		b.Run(where.name+"/read", func(b *testing.B) {
			addrs := where.start(b)
			write(b, addrs)
			b.SetBytes(int64(len(value)))
			b.ResetTimer()
			cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.ConsumeTopics(topic))
			if err != nil {
				b.Fatal(err)
			}
			defer cl.Close()
			for n := 0; n < b.N; {
				n += cl.PollFetches(context.Background()).NumRecords()
			}
		})
	}
}
