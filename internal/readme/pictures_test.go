package readme

import (
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"kafka-with-go/internal/testing/testkit"
)

// pictures are the pictures of the READMEs, by name.
var pictures = map[string]func() string{
	"keys":   drawKeys,
	"groups": drawGroups,
}

// drawKeys shows which partition each of the first keys goes to.
func drawKeys() string {
	keys := make(map[int32][]string)
	for i := range 10 {
		key := fmt.Sprint(i)
		p := testkit.Murmur2([]byte(key), 3)
		keys[p] = append(keys[p], key)
	}
	var b strings.Builder
	for p := range int32(3) {
		fmt.Fprintf(&b, "keys %-12s ──▶ murmur2, modulo 3 ──▶ partition %d\n", strings.Join(keys[p], ", "), p)
	}
	return b.String()
}

// drawGroups shows how kafka-go's default shares three partitions among the
// members of groups of different sizes.
func drawGroups() string {
	var partitions []kafka.Partition
	for p := range 3 {
		partitions = append(partitions, kafka.Partition{Topic: "message-log", ID: p})
	}
	owner := func(members []string) map[int]string {
		var group []kafka.GroupMember
		for _, m := range members {
			group = append(group, kafka.GroupMember{ID: m, Topics: []string{"message-log"}})
		}
		owners := make(map[int]string)
		for m, topics := range (kafka.RangeGroupBalancer{}).AssignGroups(group, partitions) {
			for _, p := range topics["message-log"] {
				owners[p] = m
			}
		}
		return owners
	}
	groups := [][]string{{"member 1"}, {"member 1", "member 2"}, {"member 1", "member 2", "member 3"}}
	var b strings.Builder
	fmt.Fprintf(&b, "%-14s", "message-log")
	for _, members := range groups {
		slices.Sort(members)
		fmt.Fprintf(&b, "   %-16s", fmt.Sprintf("a group of %d", len(members)))
	}
	b.WriteString("\n")
	for p := range 3 {
		fmt.Fprintf(&b, "partition %d ──▶", p)
		for _, members := range groups {
			fmt.Fprintf(&b, "  %-17s", owner(members)[p])
		}
		b.WriteString("\n")
	}
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
