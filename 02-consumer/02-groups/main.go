// This program has groups of one, three and four members share three partitions. Then a
// member joins, restarts and dies: how long does nobody receive, with each protocol?
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "groups"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	partitions     = 3
	// A member needs so long to finish what it has in hand, before it gives partitions up.
	finishing = time.Second
	// A member that restarts is away for so long.
	away = 3 * time.Second
)

// prefix begins the names of the groups: each start of this program has its own.
var prefix = topic + "-" + time.Now().Format("150405.000") + "-"

// A protocol is how the members of a group come to share the partitions anew.
type protocol struct {
	name    string
	options []kgo.Opt
	static  bool // Each member has a name of its own, by which the group knows it again.
}

const newProtocol = "new, KIP-848"

var protocols = []protocol{
	// Every member gives up all that it has. Then the partitions are assigned.
	{"eager", []kgo.Opt{kgo.Balancers(kgo.StickyBalancer())}, false},
	// The partitions are assigned. Then members give up only what they don't keep.
	{"cooperative", []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}, false},
	{"cooperative, static", []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}, true},
	// The coordinator assigns, and tells each member alone what it gives up and gets.
	{newProtocol, []kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())}, false},
}

// An event happens to the last member of a group.
type event struct {
	name   string
	before int // members
	after  int
	happen func(ctx context.Context, g *group) error
}

const (
	last = "last"
	dies = "dies"
)

var events = []event{
	{"joins", 2, 3, func(ctx context.Context, g *group) error {
		return g.join(ctx, last)
	}},
	{"restarts", 3, 3, func(ctx context.Context, g *group) error {
		g.leave(last)
		time.Sleep(away)
		return g.join(ctx, last)
	}},
	{dies, 3, 2, func(_ context.Context, g *group) error {
		g.kill(last)
		return nil
	}},
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run shows who gets which partitions, and what each event costs with each protocol.
func run(ctx context.Context) error {
	client, err := newClient(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if err := deleteTopic(ctx, admin); err != nil {
		return err
	}
	if err := createTopic(ctx, admin); err != nil {
		return err
	}
	writing, stop := context.WithCancel(ctx)
	defer stop()
	written := make(chan error, 1)
	go func() { written <- produce(writing, client) }()

	if err := share(ctx, admin); err != nil {
		return err
	}
	if err := compare(ctx, admin); err != nil {
		return err
	}

	stop()
	if err := <-written; err != nil {
		return err
	}
	return deleteTopic(ctx, admin)
}

// deleteTopic deletes the topic if it is there, so that each run begins with an empty one.
func deleteTopic(ctx context.Context, admin *kadm.Client) error {
	// By default franz-go waits for brokers without an end.
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	_, err := admin.DeleteTopic(ctx, topic)
	if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("deleting the topic %s: %w (go run ./00-cluster starts a cluster)", topic, err)
	}
	return nil
}

// createTopic creates the topic.
func createTopic(ctx context.Context, admin *kadm.Client) error {
	// With three replicas no record is lost when a broker dies.
	_, err := admin.CreateTopic(ctx, partitions, 3, nil, topic)
	if err != nil {
		return fmt.Errorf("creating the topic %s: %w (three replicas need three brokers)", topic, err)
	}
	return nil
}

// newClient returns a client with the options that all have here.
func newClient(ctx context.Context, options ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(broker1Address, broker2Address, broker3Address),
		// When ctx is cancelled, the client ends without leaving its group.
		kgo.WithContext(ctx),
		// A new topic is found within this time. By default it can take 5 s.
		kgo.MetadataMinAge(100 * time.Millisecond),
		// Each record says to which partition it goes.
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, options...)...)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return client, nil
}

// produce writes a record to each partition ten times a second, until ctx is cancelled.
func produce(ctx context.Context, client *kgo.Client) error {
	for ctx.Err() == nil {
		var records []*kgo.Record
		for partition := range int32(partitions) {
			records = append(records,
				&kgo.Record{Topic: topic, Partition: partition, Value: []byte("some value")})
		}
		err := client.ProduceSync(ctx, records...).FirstErr()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("writing: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// share prints which partitions the members of three groups have.
func share(ctx context.Context, admin *kadm.Client) error {
	fmt.Println("Three groups read the same three partitions:")
	sizes := []int{1, 3, 4}
	var groups []*group
	for _, size := range sizes {
		g := newGroup(fmt.Sprintf("of-%d", size), protocols[1])
		for n := range size {
			if err := g.join(ctx, fmt.Sprintf("member-%d", n+1)); err != nil {
				return err
			}
		}
		groups = append(groups, g)
	}
	for i, g := range groups {
		has, err := g.describe(ctx, admin, sizes[i])
		if err != nil {
			return err
		}
		fmt.Printf("  a group of %d: %s\n", sizes[i], strings.Join(has, ", "))
	}
	each, eachCtx := errgroup.WithContext(ctx)
	for _, g := range groups {
		each.Go(func() error { return g.end(eachCtx, admin) })
	}
	return each.Wait()
}

// describe returns what the coordinator says of the members, once all of them have joined.
func (g *group) describe(ctx context.Context, admin *kadm.Client, size int) ([]string, error) {
	for ctx.Err() == nil {
		described, err := admin.DescribeGroups(ctx, g.name)
		if err != nil {
			return nil, fmt.Errorf("describing the group %s: %w", g.name, err)
		}
		var has []string
		assigned := 0
		for _, m := range described[g.name].Members {
			text := "none"
			own, ok := m.Assigned.AsConsumer()
			if ok && len(own.Topics) > 0 {
				slices.Sort(own.Topics[0].Partitions)
				text = strings.Trim(fmt.Sprint(own.Topics[0].Partitions), "[]")
				assigned += len(own.Topics[0].Partitions)
			}
			has = append(has, text)
		}
		if len(has) == size && assigned == partitions {
			slices.Sort(has)
			return has, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("waiting for %d members of the group %s: %w", size, g.name, ctx.Err())
}

// compare measures each event with each protocol, all at the same time.
func compare(ctx context.Context, admin *kadm.Client) error {
	session, err := sessionOfNewGroups(ctx, admin)
	if err != nil {
		return err
	}
	fmt.Println("In other groups a member joins, restarts and dies. That takes up to 25 s, since\n" +
		"members of the new protocol are heard of only every 5 s.")
	results := make(map[string]*result)
	var mu sync.Mutex
	each, eachCtx := errgroup.WithContext(ctx)
	for _, e := range events {
		for _, p := range protocols {
			if e.name == dies && p.name == newProtocol {
				continue // That would take a session, which is long.
			}
			each.Go(func() error {
				r, err := measure(eachCtx, admin, e, p)
				mu.Lock()
				defer mu.Unlock()
				results[e.name+p.name] = r
				return err
			})
		}
	}
	if err := each.Wait(); err != nil {
		return err
	}

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "a member\tprotocol\tothers give up\tsilent: what moves\twhat stays")
	for _, e := range events {
		for _, p := range protocols {
			r := results[e.name+p.name]
			if r == nil {
				fmt.Fprintf(table, "%s\t%s\tnot tried\tabout %.0f s\n",
					e.name, p.name, session.Seconds())
				continue
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%.1f s\t%.1f s\n",
				e.name, p.name, r.givenUp, r.moves.Seconds(), r.stays.Seconds())
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	return nil
}

// sessionOfNewGroups asks a broker how long a member of the new protocol may be silent.
func sessionOfNewGroups(ctx context.Context, admin *kadm.Client) (time.Duration, error) {
	const setting = "group.consumer.session.timeout.ms"
	described, err := admin.DescribeBrokerConfigs(ctx, 1)
	if err != nil {
		return 0, fmt.Errorf("reading the settings of broker 1: %w", err)
	}
	for _, resource := range described {
		for _, config := range resource.Configs {
			if config.Key == setting {
				return time.ParseDuration(config.MaybeValue() + "ms")
			}
		}
	}
	return 0, fmt.Errorf("broker 1 has no setting %s: the new protocol needs Kafka 4.0", setting)
}

// A result is what an event cost.
type result struct {
	givenUp int           // how many partitions the other members gave up
	moves   time.Duration // the longest time without a record from a partition that changed hands
	stays   time.Duration // the same for those that stayed with their member
}

// measure makes a group, and lets an event happen to its last member.
func measure(ctx context.Context, admin *kadm.Client, e event, p protocol) (*result, error) {
	g := newGroup(e.name+"-"+strings.ReplaceAll(p.name, ", ", "-"), p)
	for _, name := range []string{"first", "second", last}[:e.before] {
		if err := g.join(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := g.settle(ctx, e.before); err != nil {
		return nil, err
	}
	g.begin()
	if err := e.happen(ctx, g); err != nil {
		return nil, err
	}
	if err := g.settle(ctx, e.after); err != nil {
		return nil, err
	}
	r := g.result()
	return r, g.end(ctx, admin)
}

// A group knows its members, and what they have received and given up.
type group struct {
	name     string
	protocol protocol
	mu       sync.Mutex
	members  map[string]*member
	givenUp  map[string]int            // by member
	times    [partitions]time.Time     // when the last record of each partition came
	silences [partitions]time.Duration // the longest time without one
	owners   [partitions][]*member     // who has received from it, the present one last
}

// A member receives until it leaves or dies.
type member struct {
	client *kgo.Client
	die    context.CancelFunc
	ended  chan struct{}
	has    map[int32]bool // partitions
}

func newGroup(name string, p protocol) *group {
	return &group{
		name:     prefix + name,
		protocol: p,
		members:  make(map[string]*member),
		givenUp:  make(map[string]int),
	}
}

// join starts a member.
func (g *group) join(ctx context.Context, name string) error {
	alive, die := context.WithCancel(ctx)
	m := &member{die: die, ended: make(chan struct{}), has: make(map[int32]bool)}
	assigned := func(_ context.Context, _ *kgo.Client, more map[string][]int32) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, partition := range more[topic] {
			m.has[partition] = true
		}
	}
	lost := func(_ context.Context, _ *kgo.Client, fewer map[string][]int32) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, partition := range fewer[topic] {
			delete(m.has, partition)
			g.givenUp[name]++
		}
	}
	revoked := func(ctx context.Context, client *kgo.Client, fewer map[string][]int32) {
		lost(ctx, client, fewer)
		if len(fewer[topic]) == 0 || alive.Err() != nil {
			return
		}
		time.Sleep(finishing)
		// The next owner begins at the commit. By default franz-go commits every 5 s.
		err := client.CommitUncommittedOffsets(ctx)
		if err != nil {
			fmt.Println("not committed, so it comes again:", err)
		}
	}
	options := append([]kgo.Opt{
		kgo.ClientID(name),
		kgo.ConsumerGroup(g.name),
		kgo.ConsumeTopics(topic),
		// A member of which nothing is heard for 6 s counts as dead. The default is 45 s, and Kafka
		// allows no less than 6 s.
		kgo.SessionTimeout(6 * time.Second),
		// A member learns of a rebalance within a second. The default is 3 s.
		kgo.HeartbeatInterval(time.Second),
		kgo.OnPartitionsAssigned(assigned),
		kgo.OnPartitionsRevoked(revoked),
		kgo.OnPartitionsLost(lost),
	}, g.protocol.options...)
	if g.protocol.static {
		// Whoever closes doesn't leave, and gets the same partitions when it comes back with this name.
		options = append(options, kgo.InstanceID(name))
	}
	client, err := newClient(alive, options...)
	if err != nil {
		die()
		return err
	}
	m.client = client
	g.mu.Lock()
	g.members[name] = m
	g.mu.Unlock()
	go func() {
		defer close(m.ended)
		g.receive(alive, m)
	}()
	return nil
}

// receive notes from which partitions a member receives, until it leaves or dies.
func (g *group) receive(alive context.Context, m *member) {
	for alive.Err() == nil {
		fetches := m.client.PollFetches(alive)
		if fetches.IsClientClosed() {
			return
		}
		err := fetches.Err()
		if err != nil && alive.Err() == nil {
			fmt.Println("waiting to receive:", err) // The client goes on trying by itself.
		}
		g.mu.Lock()
		now := time.Now()
		for record := range fetches.RecordsAll() {
			p := record.Partition
			if !g.times[p].IsZero() {
				g.silences[p] = max(g.silences[p], now.Sub(g.times[p]))
			}
			g.times[p] = now
			if len(g.owners[p]) == 0 || g.owner(p) != m {
				g.owners[p] = append(g.owners[p], m)
			}
		}
		g.mu.Unlock()
	}
}

// owner returns who received last from a partition.
func (g *group) owner(partition int32) *member {
	owners := g.owners[partition]
	return owners[len(owners)-1]
}

// leave ends a member in good order.
func (g *group) leave(name string) {
	m := g.remove(name)
	m.client.Close()
	<-m.ended
	m.die()
}

// kill ends a member without a word to the group, as kill -9 does.
func (g *group) kill(name string) {
	m := g.remove(name)
	m.die()
	<-m.ended
	m.client.Close()
}

func (g *group) remove(name string) *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members[name]
	delete(g.members, name)
	return m
}

// settle waits until each of so many members receives from the partitions that it has.
func (g *group) settle(ctx context.Context, size int) error {
	for !g.settled(size) {
		if ctx.Err() != nil {
			return fmt.Errorf("waiting until %d members of %s receive: %w", size, g.name, ctx.Err())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

func (g *group) settled(size int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	receiving, assigned := 0, 0
	for _, m := range g.members {
		if len(m.has) > 0 {
			receiving++
		}
		for partition := range m.has {
			if len(g.owners[partition]) == 0 || g.owner(partition) != m {
				return false
			}
			assigned++
		}
	}
	return receiving == size && assigned == partitions
}

// begin forgets what came before the event.
func (g *group) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.givenUp)
	for p := range partitions {
		g.silences[p] = 0
		g.owners[p] = g.owners[p][len(g.owners[p])-1:]
	}
}

// result returns what the event cost.
func (g *group) result() *result {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := new(result)
	for name, n := range g.givenUp {
		if name != last {
			r.givenUp += n
		}
	}
	for p, silence := range g.silences {
		if len(g.owners[p]) > 1 {
			r.moves = max(r.moves, silence)
		} else {
			r.stays = max(r.stays, silence)
		}
	}
	return r
}

// end has all members leave, and deletes the group.
func (g *group) end(ctx context.Context, admin *kadm.Client) error {
	g.mu.Lock()
	names := slices.Collect(maps.Keys(g.members))
	g.mu.Unlock()
	var leaving sync.WaitGroup
	for _, name := range names {
		leaving.Go(func() { g.leave(name) })
	}
	leaving.Wait()
	for {
		_, err := admin.DeleteGroup(ctx, g.name)
		if err == nil || errors.Is(err, kerr.GroupIDNotFound) {
			return nil
		}
		if !errors.Is(err, kerr.NonEmptyGroup) {
			return fmt.Errorf("deleting the group %s: %w", g.name, err)
		}
		// A static member doesn't leave: the coordinator waits for the end of its session.
		time.Sleep(200 * time.Millisecond)
	}
}
