package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// A key's records lie in all partitions by default, and in one with the hash. When a partition
// is added it goes to another one, and a group that still had to read works on its records in
// the wrong order.
func TestKeys(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p place) {
		const folder = "01-producer/01-keys"
		path := p.build(t, folder)
		first := testkit.Start(t, path)
		first.UntilLine("by the hash of the key:")
		first.Kill() // The next run begins with a new topic of three partitions.
		first.Wait()
		output := p.runExperiment(t, folder)

		// Where another client finds the records. The keys were written round robin, and then by
		// the hash; the changes when there were three, four, four and five partitions.
		topics, err := kadm.NewClient(testkit.Client(t, p.Addrs())).ListTopics(testkit.Deadline(t), p.topic)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(topics[p.topic].Partitions); n != 5 {
			t.Errorf("the topic has %d partitions, want 5", n)
		}
		at := make(map[string][]int32) // the partitions of each change, in any order
		times := make(map[string][5]int)
		for place, r := range testkit.ReadLog(t, p.Addrs(), p.topic) {
			if string(r.Value) != "some value" {
				at[string(r.Value)] = append(at[string(r.Value)], place.Partition)
				continue
			}
			n := times[string(r.Key)]
			n[place.Partition]++
			times[string(r.Key)] = n
		}
		for _, key := range []string{"a", "b", "c", "d"} {
			var want [5]int
			for partition := range 3 {
				want[partition] = 1 // round robin
			}
			want[testkit.Murmur2([]byte(key), 3)] += 3
			if times[key] != want {
				t.Errorf("the key %s lies in the partitions %v times, want %v", key, times[key], want)
			}
		}
		among := func(n int) int32 { return testkit.Murmur2([]byte("a"), n) }
		for number := 1; number <= 6; number++ {
			want := []int32{among(3), among(4)}
			if number > 3 {
				want = []int32{among(4), among(5)}
			}
			got := at[fmt.Sprint(number)]
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("change %d lies in the partitions %v, want %v", number, got, want)
			}
		}

		orders := regexp.MustCompile(`worked on in the order \[(.*)\]`).FindAllStringSubmatch(output, -1)
		if len(orders) != 2 {
			t.Fatalf("%d orders, want 2", len(orders))
		}
		if order := strings.Fields(orders[0][1]); len(order) != 6 || slices.Index(order, "4") > slices.Index(order, "3") {
			t.Errorf("while the first three wait to be read, the order is %q, want 4 before 3", order)
		}
		if order := orders[1][1]; order != "1 2 3 4 5 6" {
			t.Errorf("when the group has read the first three, the order is %q", order)
		}
	})
}
