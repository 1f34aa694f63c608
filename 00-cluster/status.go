package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/embedded"
)

// printStatus prints what the cluster tells any client: brokers, partitions and
// their leaders, groups with their members, committed offsets and lag.
func printStatus(ctx context.Context, cluster *embedded.Cluster, out io.Writer) error {
	var running []string
	for i, addr := range cluster.Addrs() {
		if cluster.Running(i + 1) {
			running = append(running, addr)
		}
	}
	if running == nil {
		fmt.Fprintln(out, "All three brokers are stopped. Type start 1, start 2 or start 3.")
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(running...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return fmt.Errorf("asking the cluster: %w", err)
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	metadata, err := adm.Metadata(ctx)
	if err != nil {
		return fmt.Errorf("asking the cluster for its topics: %w", err)
	}
	starts, err := adm.ListStartOffsets(ctx)
	if err != nil {
		return fmt.Errorf("asking the cluster for offsets: %w", err)
	}
	ends, err := adm.ListEndOffsets(ctx)
	if err != nil {
		return fmt.Errorf("asking the cluster for offsets: %w", err)
	}
	lags, err := adm.Lag(ctx)
	if err != nil && !errors.As(err, new(*kadm.ShardErrors)) {
		return fmt.Errorf("asking the cluster for its groups: %w", err)
	}

	// Flushed after each part, since each part has columns of its own.
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	printBrokers(w, cluster, metadata)
	w.Flush()
	for _, topic := range metadata.Topics.Sorted() {
		fmt.Fprintf(out, "\ntopic %s\n", topic.Topic)
		for _, p := range topic.Partitions.Sorted() {
			start, _ := starts.Lookup(p.Topic, p.Partition)
			end, _ := ends.Lookup(p.Topic, p.Partition)
			fmt.Fprintf(w, "  partition %d\tled by broker %d\t%s\n", p.Partition, p.Leader, extent(start.Offset, end.Offset))
		}
		w.Flush()
	}
	for _, group := range lags.Sorted() {
		fmt.Fprintf(out, "\ngroup %s: %s, members: %d, lag: %d\n",
			group.Group, strings.ToLower(group.State), len(group.Members), group.Lag.Total())
		printMembers(w, group)
		w.Flush()
		printCommits(w, group)
		w.Flush()
	}
	return nil
}

// extent says which records a partition holds.
func extent(start, end int64) string {
	if start == end {
		return "empty"
	}
	return fmt.Sprintf("offsets %d to %d", start, end-1)
}

func printBrokers(w io.Writer, cluster *embedded.Cluster, metadata kadm.Metadata) {
	leads := make(map[int32][]string)
	for _, topic := range metadata.Topics.Sorted() {
		for _, p := range topic.Partitions.Sorted() {
			leads[p.Leader] = append(leads[p.Leader], fmt.Sprintf("%s-%d", p.Topic, p.Partition))
		}
	}
	for i, addr := range cluster.Addrs() {
		state := "stopped"
		if id := i + 1; cluster.Running(id) {
			state = "leads nothing"
			if l := leads[int32(id)]; l != nil {
				state = "leads " + strings.Join(l[:min(len(l), 6)], ", ")
				if len(l) > 6 {
					state += fmt.Sprintf(" and %d more", len(l)-6)
				}
			}
		}
		fmt.Fprintf(w, "broker %d\t%s\t%s\n", i+1, addr, state)
	}
}

func printMembers(w io.Writer, group kadm.DescribedGroupLag) {
	members := slices.Clone(group.Members)
	slices.SortFunc(members, func(a, b kadm.DescribedGroupMember) int { return strings.Compare(a.MemberID, b.MemberID) })
	for _, m := range members {
		var has []string
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics {
				slices.Sort(t.Partitions)
				for _, p := range t.Partitions {
					has = append(has, fmt.Sprintf("%s-%d", t.Topic, p))
				}
			}
		}
		if has == nil {
			has = []string{"no partition"}
		}
		fmt.Fprintf(w, "  member %s\thas %s\n", m.MemberID, strings.Join(has, ", "))
	}
}

func printCommits(w io.Writer, group kadm.DescribedGroupLag) {
	for _, l := range group.Lag.Sorted() {
		committed := "nothing committed"
		if l.Commit.At >= 0 {
			committed = fmt.Sprintf("committed %d of %d", l.Commit.At, l.End.Offset)
		}
		fmt.Fprintf(w, "  %s-%d\t%s\tlag %d\n", l.Topic, l.Partition, committed, l.Lag)
	}
}
