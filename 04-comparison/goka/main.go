// This program is 03-together with goka instead of kafka-go, and its group counts how
// often each key came.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "message-log"
	groupID        = "my-goka-group"
	broker1Address = "localhost:9093" // Any of the three names all brokers, so one may be down.
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	interval       = time.Second // between two records
)

// clientID is how the cluster, its board and its status name this process among others.
var clientID = fmt.Sprintf("goka-%d", os.Getpid())

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
// that the topic exists. It does so with sarama, as goka itself does: goka's own
// TopicManager passes on the cluster's answer only as a text.
func createTopic(ctx context.Context) error {
	addresses := []string{broker1Address, broker2Address, broker3Address}
	config := sarama.NewConfig()
	config.ClientID = clientID
	// Where nobody listens or answers, the next broker is asked after a second. The default is 30 s.
	config.Net.DialTimeout = time.Second
	config.Net.ReadTimeout = time.Second
	// When all were asked in vain, the reason is told. By default they are asked three times more.
	config.Metadata.Retry.Max = 0
	create := func() error {
		admin, err := sarama.NewClusterAdmin(addresses, config)
		if err != nil {
			return err
		}
		details := &sarama.TopicDetail{
			// Up to three members of a group can share three partitions. A topic that is there
			// already keeps the number of partitions that it has.
			NumPartitions: 3,
			// Each record lies on three brokers, so none is lost when one of them dies.
			ReplicationFactor: 3,
		}
		err = admin.CreateTopic(topic, details, false)
		return errors.Join(err, admin.Close())
	}
	noAnswer := errors.New("no broker answers")
	deadline := time.Now().Add(8 * time.Second)
	var answer error // the cluster's last one
	for {
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := within(attempt, create)
		cancel()
		if ctx.Err() != nil || errors.Is(err, sarama.ErrTopicAlreadyExists) {
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
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
			err = noAnswer
		}
		if answer == nil {
			fmt.Printf("waiting to create the topic %s: %s\n", topic, line(err))
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
	case errors.Is(answer, sarama.ErrInvalidReplicationFactor):
		advice = "three replicas need three brokers, and all of them must run"
	case !errors.As(answer, new(sarama.KError)):
		advice = "go run ./00-cluster starts three brokers; if a cluster with stopped brokers " +
			"runs in another terminal, type start 1 there"
	}
	return fmt.Errorf("creating the topic %s on %s: %w (%s)", topic, addresses, answer, advice)
}

// produce writes records until ctx is cancelled. It returns how many were acknowledged.
func produce(ctx context.Context) (written int, err error) {
	addresses := []string{broker1Address, broker2Address, broker3Address}
	var emitter *goka.Emitter
	err = within(ctx, func() (err error) {
		emitter, err = goka.NewEmitter(addresses, goka.Stream(topic), new(codec.String),
			goka.WithEmitterProducerBuilder(newProducer))
		return err
	})
	if ctx.Err() != nil {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("making a producer: %w", err)
	}
	finish, cancel := withGrace(ctx)
	defer cancel()
	for ctx.Err() == nil {
		i := strconv.Itoa(written)
		waiting := time.AfterFunc(2*time.Second, func() {
			fmt.Printf("waiting to write %s: no acknowledgement for 2 s\n", i)
		})
		// Ctrl-C doesn't interrupt a write: the record in hand has three seconds more.
		promise, err := emitter.Emit(i, "this is message"+i)
		if err != nil {
			return written, fmt.Errorf("writing record %d: %w", written, err)
		}
		message := new(sarama.ProducerMessage)
		delivered := make(chan error, 1)
		promise.ThenWithMessage(func(m *sarama.ProducerMessage, err error) {
			message = m
			delivered <- err
		})
		select {
		case err = <-delivered:
		case <-finish.Done():
			waiting.Stop()
			fmt.Printf("record %d may or may not have been written\n", written)
			return written, nil
		}
		waiting.Stop()
		if refused(err) {
			return written, fmt.Errorf("writing record %d: %w", written, err)
		}
		if err != nil {
			// The client has given up. One of its attempts may have succeeded without an answer.
			fmt.Printf("waiting to write %d: %s (it is written again, and may be there twice)\n",
				written, line(err))
			pause(ctx, time.Second)
			continue
		}
		fmt.Printf("writes: %d   (partition %d, offset %d)\n", written, message.Partition, message.Offset)
		written++
		pause(ctx, interval)
	}
	err = within(finish, emitter.Finish)
	if err != nil {
		fmt.Println("the producer was not closed:", line(err)) // Nothing is in its hands.
	}
	return written, nil
}

// newProducer makes the producer of sarama that writes for the emitter above and for the
// table below.
func newProducer(addresses []string, _ string, _ func() hash.Hash32) (goka.Producer, error) {
	config := goka.DefaultConfig()
	config.ClientID = clientID
	// The key decides the partition by murmur2, as in Java's client. The default is another hash.
	config.Producer.Partitioner = sarama.NewMurmur2Partitioner
	// A write succeeds when all in-sync replicas have the record. By default only the leader has it,
	// and it is lost when the leader dies.
	config.Producer.RequiredAcks = sarama.WaitForAll
	// A record that the client sends again, since the answer was lost, is there once. By default it
	// can be there twice. Idempotence takes one request at a time.
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	// The client tries for five minutes (1,200 times 250 ms), so that a leader can move. By default it
	// gives up after a second, and a record that is then written by hand again can be there twice.
	config.Producer.Retry.Max = 1200
	config.Producer.Retry.Backoff = 250 * time.Millisecond
	// It looks for the new leader for as long. By default it gives up after three attempts.
	config.Metadata.Retry.Max = 1200
	config.Metadata.Retry.Backoff = 250 * time.Millisecond
	// A record is sent at once. By default it waits 100 ms, or for a megabyte of others.
	config.Producer.Flush.Frequency = 0
	config.Producer.Flush.Bytes = 0
	return goka.NewProducer(addresses, config)
}

// consume receives records until ctx is cancelled. It returns how many.
func consume(ctx context.Context) (received int, err error) {
	if ctx.Err() != nil {
		return 0, nil // Ctrl-C came before there was anything to receive.
	}
	config := goka.DefaultConfig()
	config.ClientID = clientID
	// Where the group has committed nothing yet, it starts at the oldest record. By default it starts
	// at the end, and skips what is there.
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	// A dead member's partitions move to others after 10 s. So does the default.
	config.Consumer.Group.Session.Timeout = 10 * time.Second
	// A member learns of a rebalance within a second. The default is 3 s.
	config.Consumer.Group.Heartbeat.Interval = time.Second
	tables := goka.NewTopicManagerConfig()
	// The table is a topic, too, and isn't lost when a broker dies. By default it has two replicas.
	tables.Table.Replication = 3

	var count atomic.Int64
	handle := func(record goka.Context, value any) { // in a goroutine for each partition
		fmt.Printf("received:  %s   (partition %d, offset %d)\n",
			value, record.Partition(), record.Offset())
		times, _ := record.Value().(int64) // A key that is not in the table yet has no value.
		fmt.Printf("counted:   key %s, %d times\n", record.Key(), times+1)
		record.SetValue(times + 1)
		count.Add(1)
		// The commit, every second and at the end, follows the return: what is not committed at a
		// crash comes again, and is counted twice.
	}
	group := goka.DefineGroup(goka.Group(groupID),
		goka.Input(goka.Stream(topic), new(codec.String), handle),
		goka.Persist(new(codec.Int64)),
	)
	// In status and on the board, the group's member in this terminal has this name.
	fmt.Printf("member %s of the group %s\n", clientID, groupID)
	var failed, told atomic.Int64 // when, in seconds
	// waits tells of an error. Those that come within 5 s are of one outage: of them it tells one,
	// and another one every 30 s.
	waits := func(err error) {
		now := time.Now().Unix()
		before := failed.Swap(now)
		if (now-before > 5 || now-told.Load() >= 30) && ctx.Err() == nil {
			fmt.Printf("waiting to receive: %s\n", line(err))
			told.Store(now)
		}
	}
	var has []int32 // the partitions of this member
	revoked := func() {
		if len(has) > 0 {
			fmt.Println("revoked partitions:", list(has))
		}
		has = nil
	}
	assigned := func(partitions goka.Assignment) {
		revoked() // goka doesn't tell of that when it happens.
		has = slices.Sorted(maps.Keys(partitions))
		if len(has) == 0 {
			fmt.Println("assigned partitions: none, so this member waits until another one leaves")
			return
		}
		fmt.Println("assigned partitions:", list(has))
		// A cluster that was started anew may not have the table. goka creates it only with a new
		// processor, and this one would wait for it without end.
		err := createTable(config, tables)
		if err != nil {
			waits(err)
		}
	}
	// A processor that fails makes place for another one, which goes on as the same member of the
	// group. A new member would be given nothing for 10 s, until the old one counts as dead.
	var member sarama.ConsumerGroup
	join := func(addresses []string, _, _ string) (_ sarama.ConsumerGroup, err error) {
		if member == nil {
			member, err = sarama.NewConsumerGroup(addresses, groupID, config)
		}
		return keptGroup{member}, err
	}
	leave := func() error {
		if member == nil {
			return nil
		}
		return member.Close()
	}
	addresses := []string{broker1Address, broker2Address, broker3Address}
	work := func() error {
		processor, err := goka.NewProcessor(addresses, group,
			goka.WithClientID(clientID),
			goka.WithProducerBuilder(newProducer),
			goka.WithConsumerGroupBuilder(join),
			goka.WithTopicManagerBuilder(goka.TopicManagerBuilderWithConfig(config, tables)),
			goka.WithRebalanceCallback(assigned),
			// A table that can't be read is tried again after one second, two, and so on, ten at most.
			// By default it is ten, twenty, and so on, up to two minutes.
			goka.WithBackoffBuilder(func() (goka.Backoff, error) {
				return goka.NewSimpleBackoff(time.Second, 10*time.Second), nil
			}),
			// The table is kept in memory, and read again from Kafka at each start. By default it is
			// also in files below /tmp/goka.
			goka.WithStorageBuilder(storage.MemoryBuilder()),
			// Of what goka logs, errors are told. By default all of it goes to stderr, and in a service
			// you want that: give it your own logger.
			goka.WithLogger(log.New(errorsOnly(waits), "", 0)),
		)
		if err != nil {
			return err
		}
		defer revoked()
		return processor.Run(ctx)
	}
	finish, cancel := withGrace(ctx)
	defer cancel()
	err = within(finish, func() error {
		for ctx.Err() == nil {
			err := work() // A processor ends when something fails. Then another one goes on.
			if refused(err) {
				return errors.Join(err, leave())
			}
			if err != nil {
				waits(err)
			}
			pause(ctx, time.Second)
		}
		// Whoever leaves the group spares the others the wait for its session to end.
		return leave()
	})
	received = int(count.Load())
	if refused(err) {
		return received, fmt.Errorf("receiving from %s as the group %s: %w", topic, groupID, err)
	}
	if err != nil {
		fmt.Printf("not left the group %s: it notices in 10 s that this member is gone\n", groupID)
	}
	return received, nil
}

// A keptGroup stays a member of the group when a processor closes it.
type keptGroup struct{ sarama.ConsumerGroup }

func (keptGroup) Close() error { return nil }

// errorsOnly is where goka writes its log. It passes on the errors.
type errorsOnly func(error)

func (tell errorsOnly) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte("error")) {
		tell(errors.New(string(text)))
	}
	return len(text), nil
}

// createTable creates the topic of the group's table if it isn't there, with as many partitions as
// the topic that the group reads.
func createTable(config *sarama.Config, tables *goka.TopicManagerConfig) error {
	addresses := []string{broker1Address, broker2Address, broker3Address}
	manager, err := goka.NewTopicManager(addresses, config, tables)
	if err != nil {
		return fmt.Errorf("looking for the table of the group %s: %w", groupID, err)
	}
	partitions, err := manager.Partitions(topic)
	if err == nil {
		err = manager.EnsureTableExists(string(goka.GroupTable(goka.Group(groupID))), len(partitions))
	}
	return errors.Join(err, manager.Close())
}

// refused tells whether an error is an answer that the cluster would give again and
// again. All other failures may mend themselves, as when a broker comes back.
func refused(err error) bool {
	for _, answer := range []error{
		sarama.ErrInvalidTopic,
		sarama.ErrInvalidPartitions,
		sarama.ErrInvalidConfig,
		sarama.ErrInvalidRequest,
		sarama.ErrPolicyViolation,
		sarama.ErrMessageSizeTooLarge,
		sarama.ErrMessageSetSizeTooLarge,
		sarama.ErrInvalidRecord,
		sarama.ErrTopicAuthorizationFailed,
		sarama.ErrGroupAuthorizationFailed,
		sarama.ErrClusterAuthorizationFailed,
		sarama.ErrInvalidGroupId,
		sarama.ErrInvalidSessionTimeout,
		sarama.ErrUnsupportedVersion,
	} {
		if errors.Is(err, answer) {
			return true
		}
	}
	return false
}

// within runs f, which no context can end, and waits for it no longer than until ctx is cancelled.
func within(ctx context.Context, f func() error) error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// line returns an error as one line: an error that several brokers gave has as many.
func line(err error) string {
	var parts []string
	for part := range strings.Lines(err.Error()) {
		part = strings.Trim(part, "\t\n *")
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
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
