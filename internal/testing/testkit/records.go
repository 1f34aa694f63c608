package testkit

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"kafka-with-go/internal/testing/printed"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A Printed is a record as a chapter's program printed it.
type Printed struct {
	Number    int // the n of "this is message<n>"
	Partition int32
	Offset    int64
	At        time.Time
}

// Written returns the records that a program said it had written.
func Written(lines []Line) []Printed { return find(printed.Written, lines) }

// Received returns the records that a program said it had received.
func Received(lines []Line) []Printed { return find(printed.Received, lines) }

// Counted returns the number before what in a program's last line, which is
// "stopped: 12 written, 11 received" or a part of it.
func Counted(line, what string) (int, bool) {
	m := regexp.MustCompile(`(\d+) ` + what).FindStringSubmatch(line)
	if m == nil {
		return 0, false
	}
	n, _ := strconv.Atoi(m[1])
	return n, true
}

func find(read func(line string) (printed.Record, bool), lines []Line) []Printed {
	var found []Printed
	for _, l := range lines {
		if r, ok := read(l.Text); ok {
			found = append(found, Printed{r.Number, r.Partition, r.Offset, l.At})
		}
	}
	return found
}

// A Place is where a record lies in a topic.
type Place struct {
	Partition int32
	Offset    int64
}

// Place returns where the program said that the record lies.
func (p Printed) Place() Place { return Place{p.Partition, p.Offset} }

// Client returns a client for looking at a cluster from outside. It is franz-go,
// which no program of chapters 1 to 3 uses: the verifier is not the client
// under test.
func Client(t testing.TB, addrs []string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addrs...),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// Deadline returns a context that ends when the test has waited long enough.
func Deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// ReadLog returns every record of a topic that consumers may see, by place.
func ReadLog(t testing.TB, addrs []string, topic string) map[Place]*kgo.Record {
	t.Helper()
	ctx := Deadline(t)
	ends, err := kadm.NewClient(Client(t, addrs)).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatalf("reading the end offsets of %s: %v", topic, err)
	}
	if err := ends.Error(); err != nil {
		t.Fatalf("reading the end offsets of %s: %v", topic, err)
	}
	left := int64(0)
	from := make(map[string]map[int32]kgo.Offset)
	end := make(map[int32]int64)
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left++
			end[o.Partition] = o.Offset
			if from[topic] == nil {
				from[topic] = make(map[int32]kgo.Offset)
			}
			from[topic][o.Partition] = kgo.NewOffset().AtStart()
		}
	})
	log := make(map[Place]*kgo.Record)
	if left == 0 {
		return log
	}
	client := Client(t, addrs, kgo.ConsumePartitions(from))
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("reading the log of %s: %v", topic, ctx.Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < end[r.Partition] {
				log[Place{r.Partition, r.Offset}] = r
			}
			if r.Offset == end[r.Partition]-1 {
				left--
			}
		})
	}
	return log
}

// Murmur2 returns the partition that a key belongs to in a topic of n
// partitions, by the formula of Kafka's Java client.
func Murmur2(key []byte, n int) int32 {
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("")
	return int32(partitioner.Partition(&kgo.Record{Key: key}, n))
}

// Committed returns the committed offset of a group in each partition of a topic.
func Committed(t testing.TB, addrs []string, group, topic string) map[int32]int64 {
	t.Helper()
	offsets, err := kadm.NewClient(Client(t, addrs)).FetchOffsets(Deadline(t), group)
	if err != nil {
		t.Fatalf("reading the offsets of group %s: %v", group, err)
	}
	committed := make(map[int32]int64)
	for p, o := range offsets[topic] {
		committed[p] = o.At
	}
	return committed
}

// Members returns how many members a group has, and how many partitions each.
func Members(t testing.TB, addrs []string, group string) []int {
	t.Helper()
	ctx := Deadline(t)
	adm := kadm.NewClient(Client(t, addrs))
	for {
		groups, err := adm.DescribeGroups(ctx, group)
		g := groups[group]
		if err == nil && g.Err == nil && g.State != "PreparingRebalance" && g.State != "CompletingRebalance" {
			var partitions []int
			for _, m := range g.Members {
				n := 0
				if assigned, ok := m.Assigned.AsConsumer(); ok {
					for _, topic := range assigned.Topics {
						n += len(topic.Partitions)
					}
				}
				partitions = append(partitions, n)
			}
			slices.Sort(partitions)
			return partitions
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the group %s doesn't come to rest: %v", group, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// UntilMembers waits until a group has members with so many partitions each.
func UntilMembers(t testing.TB, addrs []string, group string, partitions ...int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		got := Members(t, addrs, group)
		if slices.Equal(got, partitions) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the members of %s have %v partitions, want %v", group, got, partitions)
		}
	}
}

// Missing returns the places that are in want and not among the records.
func Missing(want map[Place]*kgo.Record, have ...[]Printed) []string {
	seen := make(map[Place]bool)
	for _, h := range have {
		for _, p := range h {
			seen[p.Place()] = true
		}
	}
	var missing []string
	for place, r := range want {
		if !seen[place] {
			missing = append(missing, fmt.Sprintf("%s at partition %d, offset %d", r.Value, place.Partition, place.Offset))
		}
	}
	slices.Sort(missing)
	return missing
}

// Repeated counts the records that come more than once.
func Repeated(have ...[]Printed) int {
	seen := make(map[Place]int)
	for _, h := range have {
		for _, p := range h {
			seen[p.Place()]++
		}
	}
	n := 0
	for times := range maps.Values(seen) {
		n += times - 1
	}
	return n
}
