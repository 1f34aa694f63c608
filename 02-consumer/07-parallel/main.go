// This program works on the records of a partition in three ways: one at a time, with ten
// workers that each commit what they have done, and with ten workers that keep the order of
// each key and commit nothing before all that came earlier is done. Each way crashes once.
package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "parallel"
	groupID        = "parallel"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

const (
	records = 200 // numbered from 0; four in a row have the same key
	hanging = 20  // The work on this record hangs, the first time.
	workers = 10
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// A way receives records, works on them and commits them, until it has come to the end.
type way func(ctx context.Context, r *kafka.Reader, work worker) error

// A worker does the work on a record. It fails if the program "crashes" meanwhile.
type worker func(ctx context.Context, message kafka.Message) error

// run works on the same records in three ways.
func run(ctx context.Context) error {
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := produce(ctx); err != nil {
		return err
	}
	fmt.Printf("Work on each of %d records takes about 20 ms. With record %d in hand the program\n",
		records, hanging)
	fmt.Println("\"crashes\", and starts again. Each of the three ways takes some seconds:")
	fmt.Println("                      records    out of     committed      never   done")
	fmt.Println("                      a second   order      at the crash   done    twice")
	// Each start of this program takes groups of its own, so that it can be repeated.
	now := time.Now().Format("150405.000-")
	for i, way := range []struct {
		name string
		run  way
	}{
		{"one at a time", oneAtATime},
		{"ten, each commits", eachCommits},
		{"ten, in order", inOrder},
	} {
		group := groupID + "-" + now + strconv.Itoa(i)
		if err := crashOnce(ctx, way.name, group, way.run); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		if err := deleteGroup(ctx, group); err != nil {
			return err
		}
	}
	return deleteTopic(ctx)
}

// deleteTopic deletes the topic if it is there, so that each run begins with an empty one.
func deleteTopic(ctx context.Context) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	response, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err == nil {
		err = response.Errors[topic]
	}
	switch {
	case err == nil, errors.Is(err, kafka.UnknownTopicOrPartition):
		return nil
	case errors.Is(err, kafka.BrokerNotAvailable):
		// This is kafka-go's own error, when it reaches no broker.
		err = errors.New("no broker answers")
	}
	return fmt.Errorf("deleting the topic %s: %w (go run ./00-cluster starts a cluster)", topic, err)
}

// createTopic creates the topic if it isn't there. It returns when the cluster says
// that the topic exists.
func createTopic(ctx context.Context) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 2 s without an answer the request is made again, perhaps to another broker.
		Timeout: 2 * time.Second,
	}
	request := &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{
			Topic: topic,
			// Up to three members of a group can share three partitions. A topic that
			// is there already keeps the number of partitions that it has.
			NumPartitions: 3,
			// Each record lies on three brokers, so none is lost when one of them dies.
			ReplicationFactor: 3,
		}},
	}
	noAnswer := errors.New("no broker answers")
	deadline := time.Now().Add(8 * time.Second)
	var answer error // the cluster's last one
	for {
		response, err := client.CreateTopics(ctx, request)
		if err == nil {
			err = response.Errors[topic]
		}
		switch {
		case errors.Is(err, kafka.TopicAlreadyExists):
			return nil
		case ctx.Err() != nil:
			return nil // Ctrl-C came while the program was waiting.
		case err == nil:
			fmt.Printf("created the topic %s: it is new\n", topic)
			continue // The next answer is that it exists.
		case refused(err):
			return fmt.Errorf("creating the topic %q: %w (its name is at the top of this program, "+
				"its settings are in createTopic: change what the cluster refuses)", topic, err)
		case errors.Is(err, context.DeadlineExceeded),
			errors.Is(err, os.ErrDeadlineExceeded),
			errors.Is(err, kafka.BrokerNotAvailable):
			// These are kafka-go's own errors, when it hears nothing for 2 s or reaches no broker.
			err = noAnswer
		}
		if answer == nil {
			fmt.Printf("waiting to create the topic %s: %v\n", topic, err)
		}
		if answer == nil || err != noAnswer {
			answer = err // A real answer is kept, also when none comes after it.
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}

	// What to do depends on what the cluster has answered.
	advice := "the cluster has not been ready for 8 s: look at its terminal"
	switch {
	case errors.Is(answer, kafka.InvalidReplicationFactor):
		advice = "three replicas need three brokers, and all of them must run"
	case answer == noAnswer:
		advice = "go run ./00-cluster starts three brokers; if a cluster with stopped brokers " +
			"runs in another terminal, type start 1 there"
	}
	return fmt.Errorf("creating the topic %s on %s: %w (%s)", topic, client.Addr, answer, advice)
}

// produce writes the records, and one more that says that it is the last. All lie in one
// partition, so that they come in the order of their numbers.
func produce(ctx context.Context) error {
	w := &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
		// All records lie in one partition, so that one member has them all.
		Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return 0 }),
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
	}
	var messages []kafka.Message
	for i := range records {
		messages = append(messages, kafka.Message{
			Key:   []byte(strconv.Itoa(i / 4)),
			Value: []byte(strconv.Itoa(i)),
		})
	}
	messages = append(messages, kafka.Message{Value: []byte("the end")})
	if err := w.WriteMessages(ctx, messages...); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	return nil
}

// crashOnce runs a way until it crashes, and then once more, to the end. It prints a row.
func crashOnce(ctx context.Context, name, group string, run way) error {
	j := &journal{done: make(map[int]int), key: make(map[string]int)}
	crashing, crash := context.WithCancel(ctx)
	defer crash()
	j.hangs = func() { time.AfterFunc(200*time.Millisecond, crash) }
	err := consume(crashing, group, run, j.work)
	if crashing.Err() == nil {
		return errors.Join(errors.New("it ended before the crash"), err)
	}
	committed, err := committed(ctx, group)
	if err != nil {
		return err
	}

	j.startAgain()
	if err := consume(ctx, group, run, j.work); err != nil {
		return err
	}
	never, twice := 0, 0
	for number := range records {
		switch j.done[number] {
		case 0:
			never++
		case 2:
			twice++
		}
	}
	rate := float64(j.count) / j.last.Sub(j.begin).Seconds()
	fmt.Printf("  %-19s %-10.0f %-10d %-14d %-7d %d\n",
		name, rate, j.disordered, committed, never, twice)
	return nil
}

// consume starts a reader of the group, and closes it when the way has ended.
func consume(ctx context.Context, group string, run way, work worker) error {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		// The group's committed offset says where the next start goes on.
		GroupID: group,
		// A group that has committed nothing starts at the oldest record.
		StartOffset: kafka.FirstOffset,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	err := run(ctx, r, work)
	// Closing commits nothing. It only spares us the wait for the dead member's session.
	return errors.Join(err, r.Close())
}

// oneAtATime commits a record after the work on it, and then receives the next.
func oneAtATime(ctx context.Context, r *kafka.Reader, work worker) error {
	return receive(ctx, r, func(message kafka.Message) error {
		if err := work(ctx, message); err != nil {
			return err
		}
		return commit(ctx, r, message)
	})
}

// eachCommits has ten records in hand. It isn't to be copied.
func eachCommits(ctx context.Context, r *kafka.Reader, work worker) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(workers)
	err := receive(ctx, r, func(message kafka.Message) error {
		all.Go(func() error {
			if err := work(ctx, message); err != nil {
				return err
			}
			return commit(ctx, r, message)
		})
		return nil
	})
	return errors.Join(err, all.Wait())
}

// A job is a record in hand.
type job struct {
	message kafka.Message
	done    chan struct{} // closed when the work on it is done
}

// inOrder has ten workers too. All records of a key have the same worker, so they are done one
// after the other. And a record is committed when it and all that came before it are done.
func inOrder(ctx context.Context, r *kafka.Reader, work worker) error {
	all, ctx := errgroup.WithContext(ctx)
	var queues [workers]chan job
	for i := range queues {
		queues[i] = make(chan job, 100)
		all.Go(func() error {
			for job := range queues[i] {
				if err := work(ctx, job.message); err != nil {
					return err
				}
				close(job.done)
			}
			return nil
		})
	}
	// What is in hand, in the order in which it came. When this is full, nothing is received.
	inHand := make(chan job, 100)
	all.Go(func() error {
		for job := range inHand {
			select {
			case <-job.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := commit(ctx, r, job.message); err != nil {
				return err
			}
		}
		return nil
	})

	err := receive(ctx, r, func(message kafka.Message) error {
		next := job{message, make(chan struct{})}
		hash := fnv.New32a()
		hash.Write(message.Key)
		for _, queue := range []chan job{inHand, queues[hash.Sum32()%workers]} {
			select {
			case queue <- next:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	close(inHand)
	for _, queue := range queues {
		close(queue)
	}
	return errors.Join(err, all.Wait())
}

// receive receives records and hands them over one by one, until the last has come.
func receive(ctx context.Context, r *kafka.Reader, handle func(kafka.Message) error) error {
	for {
		message, err := r.FetchMessage(ctx)
		if err != nil {
			return fmt.Errorf("receiving: %w", err)
		}
		if string(message.Value) == "the end" {
			return nil
		}
		if err := handle(message); err != nil {
			return err
		}
	}
}

// commit commits a record, and with it all that lie before it in its partition.
func commit(ctx context.Context, r *kafka.Reader, message kafka.Message) error {
	if err := r.CommitMessages(ctx, message); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// A journal notes on which records the work was done.
type journal struct {
	mu         sync.Mutex
	done       map[int]int    // by number, how many times
	key        map[string]int // by key, the highest number since the start
	disordered int            // how many were done after a later one of their key
	hangs      func()         // is called when the record that hangs is in hand; nil after the crash
	// How many were done since the start, and from when to when.
	count       int
	begin, last time.Time
}

// startAgain forgets what was noted since the last start.
func (j *journal) startAgain() {
	j.key, j.hangs, j.count, j.begin = make(map[string]int), nil, 0, time.Time{}
}

// work takes 11 to 30 ms, depending on the record.
func (j *journal) work(ctx context.Context, message kafka.Message) error {
	number, err := strconv.Atoi(string(message.Value))
	if err != nil {
		return fmt.Errorf("working: %w", err)
	}
	takes := time.Duration(11+7*number%20) * time.Millisecond
	j.mu.Lock()
	if j.begin.IsZero() {
		j.begin = time.Now()
	}
	if number == hanging && j.hangs != nil {
		j.hangs()
		takes = time.Hour
	}
	j.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ctx.Err()
	}

	j.mu.Lock()
	defer j.mu.Unlock()
	j.done[number]++
	j.count++
	j.last = time.Now()
	key := string(message.Key)
	if number < j.key[key] {
		j.disordered++
	}
	j.key[key] = max(j.key[key], number)
	return nil
}

// committed returns the offset that the group has committed, which is the number of the record
// at which it goes on.
func committed(ctx context.Context, group string) (int64, error) {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	response, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{
		GroupID: group,
		Topics:  map[string][]int{topic: {0}},
	})
	if err == nil {
		err = response.Error
	}
	if err == nil {
		err = response.Topics[topic][0].Error
	}
	if err != nil {
		return 0, fmt.Errorf("asking for the committed offset: %w", err)
	}
	return response.Topics[topic][0].CommittedOffset, nil
}

// deleteGroup deletes a group in which no member is left.
func deleteGroup(ctx context.Context, group string) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	request := &kafka.DeleteGroupsRequest{GroupIDs: []string{group}}
	response, err := client.DeleteGroups(ctx, request)
	if err == nil {
		err = response.Errors[group]
	}
	if err != nil {
		return fmt.Errorf("deleting the group %s: %w", group, err)
	}
	return nil
}

// refused tells whether an error is an answer that the cluster would give again and
// again. All other failures may mend themselves, as when a broker comes back.
func refused(err error) bool {
	var each kafka.WriteErrors // from a write, one for each of its records
	if errors.As(err, &each) {
		err = each[0]
	}
	var answer kafka.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer {
	case kafka.InvalidTopic, kafka.InvalidPartitionNumber, kafka.InvalidConfiguration,
		kafka.PolicyViolation, kafka.InvalidRequest, kafka.UnsupportedVersion,
		kafka.MessageSizeTooLarge, kafka.RecordListTooLarge, kafka.InvalidRecord,
		kafka.InvalidRequiredAcks, kafka.InvalidSessionTimeout, kafka.TopicAuthorizationFailed,
		kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return true
	default:
		return false
	}
}
