// This program is 03-together with franz-go instead of kafka-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "message-log"
	groupID        = "my-franz-go-group"
	broker1Address = "localhost:9093" // Any of the three names all brokers, so one may be down.
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	interval       = time.Second // between two records
)

// clientID is how the cluster, its board and its status name this process among others.
var clientID = fmt.Sprintf("franz-go-%d", os.Getpid())

func main() {
	// Ctrl-C, SIGTERM and the closing of the window cancel ctx, and everything ends in good order.
	ctx, stop := signal.NotifyContext(context.Background(),
		os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// After the first signal they have their usual effect: a second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)

	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run creates the topic, and writes and reads it at the same time until Ctrl-C.
func run(ctx context.Context) error {
	if err := createTopic(ctx); err != nil {
		return err
	}
	// Both functions block, so each gets a goroutine. If one fails, the other is cancelled.
	var written, received int
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		written, err = produce(ctx)
		return err
	})
	both.Go(func() (err error) {
		received, err = consume(ctx)
		return err
	})
	if err := both.Wait(); err != nil {
		return err
	}
	fmt.Printf("stopped: %d written, %d received\n", written, received)
	return nil
}

// createTopic creates the topic if it isn't there. It returns when the cluster says
// that the topic exists.
func createTopic(ctx context.Context) error {
	addresses := []string{broker1Address, broker2Address, broker3Address}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(addresses...),
		kgo.ClientID(clientID),
		// A request that fails is given up after a second, and the reason is told. By default it is
		// tried again for 30 s in silence.
		kgo.RetryTimeout(time.Second),
	)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	defer closeSoon(client)
	noAnswer := errors.New("no broker answers")
	deadline := time.Now().Add(8 * time.Second)
	var answer error // the cluster's last one
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		// Three partitions can be shared by three members of a group, and with three replicas no
		// record is lost when a broker dies. A topic that is there stays as it is.
		_, err := kadm.NewClient(client).CreateTopic(attempt, 3, 3, nil, topic)
		cancel()
		if ctx.Err() != nil || errors.Is(err, kerr.TopicAlreadyExists) {
			return nil
		}
		if err == nil {
			fmt.Printf("created the topic %s: it is new\n", topic)
			continue // The next answer is that it exists.
		}
		if refused(err) {
			return fmt.Errorf("creating the topic %q: %w (its name is at the top of this program, "+
				"its settings are in createTopic: change what the cluster refuses)", topic, err)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = noAnswer
		}
		if answer == nil {
			fmt.Printf("waiting to create the topic %s: %v\n", topic, err)
		}
		if answer == nil || err != noAnswer {
			answer = err
		}
		if time.Now().After(deadline) {
			break
		}
		pause(ctx, 200*time.Millisecond)
	}

	// What to do depends on what the cluster has answered.
	advice := "the cluster has not been ready for 8 s: look at its terminal"
	switch {
	case errors.Is(answer, kerr.InvalidReplicationFactor):
		advice = "three replicas need three brokers, and all of them must run"
	case !errors.As(answer, new(*kerr.Error)):
		advice = "go run ./00-cluster starts three brokers; if a cluster with stopped brokers " +
			"runs in another terminal, type start 1 there"
	}
	return fmt.Errorf("creating the topic %s on %s: %w (%s)", topic, addresses, answer, advice)
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker1Address, broker2Address, broker3Address),
		kgo.ClientID(clientID),
		// A leader that has moved is found within a second. By default it can take 5 s.
		kgo.MetadataMinAge(time.Second),
		// The key decides the partition by murmur2, as in Java's client. So does the default.
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		// A write succeeds when all in-sync replicas have the record. That is the default, and with it
		// the client is idempotent: it tries again until it succeeds, and the record is there once.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		// It also waits until a topic that was deleted is back. By default it tries four times.
		kgo.UnknownTopicRetries(-1),
	)
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	defer closeSoon(client)
	finish, cancel := withGrace(ctx)
	defer cancel()
	for ctx.Err() == nil {
		i := strconv.Itoa(written)
		record := &kgo.Record{Topic: topic, Key: []byte(i), Value: []byte("this is message" + i)}
		delivered := make(chan error, 1)
		// Ctrl-C doesn't interrupt a write: the record in hand has three seconds more.
		client.Produce(finish, record, func(_ *kgo.Record, err error) { delivered <- err })
		waiting := time.AfterFunc(2*time.Second, func() {
			fmt.Printf("waiting to write %s: no acknowledgement for 2 s\n", i)
		})
		select {
		case err = <-delivered:
		case <-finish.Done():
			err = finish.Err()
		}
		waiting.Stop()
		if errors.Is(err, kerr.UnknownTopicID) {
			// The topic was deleted and created anew, and the record is in neither. The client holds
			// on to the old one until it is told to forget it.
			fmt.Printf("waiting to write %d: %v\n", written, err)
			client.PurgeTopicsFromProducing(topic)
			pause(ctx, 200*time.Millisecond)
			continue
		}
		if finish.Err() != nil && err != nil {
			fmt.Printf("record %d may or may not have been written\n", written)
			return written, nil
		}
		if err != nil {
			return written, fmt.Errorf("writing record %d: %w", written, err)
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, record.Partition, record.Offset)
		written++
		pause(ctx, interval)
	}
	return written, nil
}

// consume receives records until ctx is cancelled. It returns how many.
func consume(ctx context.Context) (received int, err error) {
	if ctx.Err() != nil {
		return 0, nil // Ctrl-C came before there was anything to receive.
	}
	finish, cancel := withGrace(ctx)
	defer cancel()
	var has []int32 // the partitions of this member
	var told string // what was printed of them last
	assigned := func(_ context.Context, _ *kgo.Client, more map[string][]int32) {
		has = append(has, more[topic]...)
		now := list(has)
		if len(has) == 0 {
			now = "none, so this member waits until another one leaves"
		}
		if now != told {
			fmt.Println("assigned partitions:", now)
		}
		told = now
	}
	take := func(word string, fewer []int32) {
		if len(fewer) == 0 {
			return
		}
		has = slices.DeleteFunc(has, func(p int32) bool { return slices.Contains(fewer, p) })
		fmt.Println(word, "partitions:", list(fewer))
		told = ""
	}
	revoked := func(_ context.Context, client *kgo.Client, fewer map[string][]int32) {
		// The next owner begins at the commit, so what was worked on is committed first.
		commit, cancel := context.WithTimeout(finish, 5*time.Second)
		defer cancel()
		err := client.CommitMarkedOffsets(commit)
		if err != nil {
			fmt.Println("not committed, so it may come again:", err)
		}
		take("revoked", fewer[topic])
	}
	lost := func(_ context.Context, _ *kgo.Client, fewer map[string][]int32) {
		// Others may have them already, so there is nothing to commit any more.
		take("lost", fewer[topic])
	}
	// In status and on the board, the group's member in this terminal has this name.
	fmt.Printf("member %s of the group %s\n", clientID, groupID)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker1Address, broker2Address, broker3Address),
		kgo.ClientID(clientID),
		// A leader that has moved is found within a second. By default it can take 5 s.
		kgo.MetadataMinAge(time.Second),
		// The members of a group share the partitions.
		kgo.ConsumerGroup(groupID),
		kgo.ConsumeTopics(topic),
		// Where the group has committed nothing yet, it starts at the oldest record. So does the default.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		// Where the next record was lost, as when the topic was made anew, it goes on with the oldest.
		// By default it goes on a minute before the record that it read last.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// A dead member's partitions move to others after 10 s. The default is 45 s.
		kgo.SessionTimeout(10*time.Second),
		// A member learns of a rebalance within a second. The default is 3 s.
		kgo.HeartbeatInterval(time.Second),
		// What the loop has marked as done is committed every second, and when partitions are revoked.
		// By default what one poll returned is committed once the next one begins, every 5 s.
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(time.Second),
		// An error that the client meets by itself is told, too: it shows what is waited for, and that a
		// topic was created anew. By default such errors stay hidden.
		kgo.KeepRetryableFetchErrors(),
		// Partitions move only between two rounds of the loop, so nothing is marked that another member
		// has by then. Warning: a round that takes over a minute gets this member thrown out of its
		// group. Where the work on a record is long, take fewer at a time with PollRecords.
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(assigned),
		kgo.OnPartitionsRevoked(revoked),
		kgo.OnPartitionsLost(lost),
	)
	if err != nil {
		return 0, fmt.Errorf("making a consumer: %w", err)
	}
	waiting := false
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		for record := range fetches.RecordsAll() {
			if ctx.Err() != nil {
				break
			}
			fmt.Printf("received:  %s   (partition %d, offset %d)\n",
				record.Value, record.Partition, record.Offset)
			received++
			waiting = false
			// The mark follows the work: what is not committed at a crash comes again.
			client.MarkCommitRecords(record)
		}
		client.AllowRebalance()
		err = fetches.Err()
		if err == nil || ctx.Err() != nil {
			continue
		}
		if refused(err) {
			break
		}
		if !waiting {
			fmt.Println("waiting to receive:", err) // The client goes on trying by itself.
		}
		waiting = true
		if errors.Is(err, kerr.UnknownTopicID) {
			// The topic was deleted and created anew: as in produce, the client has to forget the old one.
			client.PurgeTopicsFromConsuming(topic)
			client.AddConsumeTopics(topic)
		}
		pause(ctx, 200*time.Millisecond)
	}
	// Whoever leaves the group spares the others the wait for its session to end.
	leaving, cancelLeaving := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancelLeaving()
	left := client.LeaveGroupContext(leaving)
	if left != nil {
		fmt.Printf("not left the group %s: it notices in 10 s that this member is gone\n", groupID)
	}
	closeSoon(client)
	if refused(err) {
		return received, fmt.Errorf("receiving from %s as the group %s: %w", topic, groupID, err)
	}
	return received, nil
}

// refused tells whether an error is an answer that the cluster would give again and
// again. All other failures may mend themselves, as when a broker comes back.
func refused(err error) bool {
	for _, answer := range []error{
		kerr.InvalidTopicException,
		kerr.InvalidPartitions,
		kerr.InvalidConfig,
		kerr.InvalidRequest,
		kerr.PolicyViolation,
		kerr.MessageTooLarge,
		kerr.RecordListTooLarge,
		kerr.InvalidRecord,
		kerr.TopicAuthorizationFailed,
		kerr.GroupAuthorizationFailed,
		kerr.ClusterAuthorizationFailed,
		kerr.InvalidGroupID,
		kerr.InvalidSessionTimeout,
		kerr.UnsupportedVersion,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// closeSoon closes a client, and doesn't wait for brokers that don't answer.
func closeSoon(client *kgo.Client) {
	closed := make(chan struct{})
	go func() {
		client.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(time.Second):
	}
}

// list returns partitions in words: 0, 1, 2.
func list(partitions []int32) string {
	sorted := slices.Sorted(slices.Values(partitions))
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(sorted)), ", "), "[]")
}

// withGrace returns a context that lives three seconds longer than ctx: what is
// in hand at a Ctrl-C can be finished, but isn't waited for without end.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(3*time.Second, cancel) })
	return longer, cancel
}

// pause waits for a time, or until Ctrl-C.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
