// Package status prints what a cluster tells any client: brokers, partitions
// and their leaders, groups with their members, committed offsets and lag.
package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/cluster/groups"
	"kafka-with-go/internal/terminal/legible"
)

const (
	// mostGroups is how many groups are printed.
	mostGroups = 200
	// mostLed is how many partitions are listed beside a broker.
	mostLed = 6
)

// A Cluster is a cluster whose brokers are numbered from 1, in the order of their addresses.
type Cluster interface {
	Addrs() []string
	Running(id int) bool
}

// Print asks a cluster for its status and prints it.
func Print(ctx context.Context, cluster Cluster, out io.Writer) error {
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
	client, err := kgo.NewClient(
		kgo.SeedBrokers(running...),
		kgo.ClientID("status"),
		// A leader that has just moved is found at once.
		kgo.MetadataMinAge(10*time.Millisecond),
	)
	if err != nil {
		return fmt.Errorf("asking the cluster: %w", err)
	}
	defer client.Close()
	answer, err := ask(ctx, client)
	if err != nil {
		return err
	}
	answer.print(cluster, out)
	return nil
}

// An answer is what the cluster told.
type answer struct {
	topics       []kadm.TopicDetail
	starts, ends kadm.ListedOffsets
	groups       []groups.Group
	moreGroups   int
}

func ask(ctx context.Context, client *kgo.Client) (a answer, err error) {
	adm := kadm.NewClient(client)
	metadata, err := adm.Metadata(ctx)
	if err != nil {
		return a, fmt.Errorf("asking the cluster for its topics: %w", err)
	}
	a.topics = metadata.Topics.Sorted()
	a.groups, a.moreGroups, err = groups.Ask(ctx, client, mostGroups)
	if err != nil {
		return a, err
	}
	err = groups.Measure(ctx, client, a.groups, groups.Topics(a.groups)...)
	if err != nil {
		return a, err
	}
	// A partition that has no leader answers nothing, and is printed without its offsets.
	// The topics are named, since kadm would leave out internal ones.
	var partly *kadm.ShardErrors
	a.starts, err = adm.ListStartOffsets(ctx, metadata.Topics.Names()...)
	if err != nil && !errors.As(err, &partly) {
		return a, fmt.Errorf("asking the cluster for offsets: %w", err)
	}
	a.ends, err = adm.ListEndOffsets(ctx, metadata.Topics.Names()...)
	if err != nil && !errors.As(err, &partly) {
		return a, fmt.Errorf("asking the cluster for offsets: %w", err)
	}
	return a, nil
}

func (a answer) print(cluster Cluster, out io.Writer) {
	// Flushed after each part, since each part has columns of its own.
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	a.printBrokers(w, cluster)
	w.Flush()
	for _, topic := range a.topics {
		fmt.Fprintf(out, "\ntopic %s\n", legible.Name(topic.Topic))
		for _, p := range topic.Partitions.Sorted() {
			fmt.Fprintf(w, "  partition %d\t%s\t%s\n", p.Partition, leader(p.Leader), a.extent(p))
		}
		w.Flush()
	}
	for _, g := range a.groups {
		fmt.Fprintf(out, "\n%s\n", heading(g))
		printMembers(w, g)
		w.Flush()
		printOffsets(w, g)
		w.Flush()
	}
	if a.moreGroups > 0 {
		fmt.Fprintf(out, "\nand %d more groups\n", a.moreGroups)
	}
}

func (a answer) printBrokers(w io.Writer, cluster Cluster) {
	leads := make(map[int32][]string)
	for _, topic := range a.topics {
		for _, p := range topic.Partitions.Sorted() {
			leads[p.Leader] = append(leads[p.Leader], place(p.Topic, p.Partition))
		}
	}
	for i, addr := range cluster.Addrs() {
		id := i + 1
		state := "stopped"
		if cluster.Running(id) {
			state = "leads " + few(leads[int32(id)])
		}
		fmt.Fprintf(w, "broker %d\t%s\t%s\n", id, legible.Name(addr), state)
	}
}

// few lists some of the partitions, and counts the others.
func few(places []string) string {
	switch {
	case len(places) == 0:
		return "nothing"
	case len(places) > mostLed:
		return fmt.Sprintf("%s and %d more", strings.Join(places[:mostLed], ", "), len(places)-mostLed)
	default:
		return strings.Join(places, ", ")
	}
}

// place is the name of a partition.
func place(topic string, partition int32) string {
	return fmt.Sprintf("%s-%d", legible.Name(topic), partition)
}

func leader(id int32) string {
	if id < 0 {
		return "without a leader"
	}
	return fmt.Sprintf("led by broker %d", id)
}

// extent says which records a partition holds.
func (a answer) extent(p kadm.PartitionDetail) string {
	start, ok := a.starts.Lookup(p.Topic, p.Partition)
	if !ok || start.Err != nil {
		return "offsets not known"
	}
	end, ok := a.ends.Lookup(p.Topic, p.Partition)
	if !ok || end.Err != nil {
		return "offsets not known"
	}
	if start.Offset == end.Offset {
		return "empty"
	}
	return fmt.Sprintf("offsets %d to %d", start.Offset, end.Offset-1)
}

// stateOf is a group's state, in the words of the chapters.
func stateOf(g groups.Group) string {
	switch g.State {
	case "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling":
		return "rebalancing"
	default:
		return strings.ToLower(legible.Name(g.State))
	}
}

// heading is the first line of a group.
func heading(g groups.Group) string {
	name := "group " + legible.Name(g.Name)
	if g.Kind != groups.Classic {
		name += " (" + g.Kind.Words() + ")"
	}
	if g.Err != nil {
		return fmt.Sprintf("%s: nothing is known of it at the moment: %v", name, g.Err)
	}
	lag, unknown := g.Lag()
	line := fmt.Sprintf("%s: %s, members: %d, lag: %d",
		name, stateOf(g), len(g.Members), lag)
	if unknown > 0 {
		line += fmt.Sprintf(", unknown in %s", count(unknown, "partition"))
	}
	return line
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func printMembers(w io.Writer, g groups.Group) {
	for i, name := range groups.Names(g.Members) {
		m := g.Members[i]
		name = "member " + legible.Name(name)
		if m.InstanceID != "" {
			name += ", static as " + legible.Name(m.InstanceID)
		}
		fmt.Fprintf(w, "  %s\tat %s\thas %s\n", name, legible.Name(m.Host), has(m))
	}
}

// has lists what a member has.
func has(m groups.Member) string {
	var places []string
	for _, topic := range slices.Sorted(maps.Keys(m.Has)) {
		for _, p := range m.Has[topic] {
			places = append(places, place(topic, p))
		}
	}
	if places == nil {
		return "no partition"
	}
	return strings.Join(places, ", ")
}

func printOffsets(w io.Writer, g groups.Group) {
	for _, o := range g.Offsets {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", place(o.Topic, o.Partition), progress(g.Kind, o), left(o))
	}
}

// progress says how far a group has come in a partition.
func progress(kind groups.Kind, o groups.Offset) string {
	// Between the two ends of a share group's window lie the records that may be
	// given out to members, and some that are done already.
	began, none, to := "committed", "nothing committed", "of"
	if kind == groups.Share {
		began, none, to = "window from", "nothing given out", "to"
	}
	switch {
	case o.Committed == groups.None:
		return none
	case o.End == groups.None:
		return fmt.Sprintf("%s %d", began, o.Committed)
	case o.BeyondEnd():
		return fmt.Sprintf("%s %d, beyond the end of the log at %d", began, o.Committed, o.End)
	default:
		return fmt.Sprintf("%s %d %s %d", began, o.Committed, to, o.End)
	}
}

// left says how many records are left to read.
func left(o groups.Offset) string {
	switch {
	case o.Lag == groups.None:
		return "lag not known"
	case o.Missed() > 0:
		return fmt.Sprintf("lag %d, %d of it removed unread", o.Lag, min(o.Missed(), o.Lag))
	default:
		return fmt.Sprintf("lag %d", o.Lag)
	}
}
