// This program works on six records, of which one fails for ever and another one
// twice, and deals with a record that fails in four ways: which are never worked on?
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	topic          = "failed"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

// Records that failed are written to topics of their own.
var (
	retryTopic = topic + "-retry" // They are worked on again, a little later.
	deadTopic  = topic + "-dead"  // Somebody has to look at them.
)

// orders are the records of two customers, a and c. Both keys belong to the same
// partition, so they lie there in this order.
var orders = []string{"a1", "c1", "a2", "c2", "a3", "c3"}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run works on the records in four ways, each with a group of its own, and compares.
func run(ctx context.Context) error {
	if err := deleteTopics(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := createFailedTopics(ctx); err != nil {
		return err
	}
	if err := produce(ctx); err != nil {
		return err
	}
	// Each start of this program takes groups of its own, so that it can be repeated.
	prefix := topic + "-" + time.Now().Format("150405.000") + "-"

	fmt.Println("1. Not committed, so that it comes again:")
	skipping := newWorker(prefix + "skip")
	if err := skipping.consume(ctx, skipping.group, topic, 5, skipping.skip); err != nil {
		return err
	}
	fmt.Println("  The program ends, and starts again:")
	if err := skipping.consume(ctx, skipping.group, topic, 1, skipping.skip); err != nil {
		return err
	}

	fmt.Println("2. Tried again until it succeeds (for 2 s, here):")
	waiting := newWorker(prefix + "wait")
	for2s, cancel := context.WithTimeout(ctx, 2*time.Second)
	err := waiting.consume(for2s, waiting.group, topic, len(orders), waiting.tryForEver)
	cancel()
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}

	fmt.Println("3. Tried three times, and then written to a dead-letter topic:")
	trying := newWorker(prefix + "try")
	if err := trying.consume(ctx, trying.group, topic, len(orders), trying.tryThreeTimes); err != nil {
		return err
	}

	fmt.Println("4. Written to a retry topic at once:")
	later := newWorker(prefix + "later")
	if err := later.consume(ctx, later.group, topic, len(orders), later.tryLater); err != nil {
		return err
	}
	fmt.Println("  The consumer of the retry topic tries three times:")
	retryGroup := later.group + "-retry"
	if err := later.consume(ctx, retryGroup, retryTopic, 2, later.tryThreeTimes); err != nil {
		return err
	}

	workers := []*worker{skipping, waiting, trying, later}
	if err := compare(ctx, workers); err != nil {
		return err
	}
	if err := printDeadLetters(ctx); err != nil {
		return err
	}
	for _, w := range workers {
		if err := deleteGroup(ctx, w.group); err != nil {
			return err
		}
	}
	if err := deleteGroup(ctx, retryGroup); err != nil {
		return err
	}
	return deleteTopics(ctx)
}

// deleteTopics deletes the topics that are there, so that each run begins with empty ones.
func deleteTopics(ctx context.Context) error {
	topics := []string{topic, retryTopic, deadTopic}
	response, err := client().DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: topics})
	for _, name := range topics {
		if err == nil && !errors.Is(response.Errors[name], kafka.UnknownTopicOrPartition) {
			err = response.Errors[name]
		}
	}
	if errors.Is(err, kafka.BrokerNotAvailable) {
		// This is kafka-go's own error, when it reaches no broker.
		err = errors.New("no broker answers")
	}
	if err != nil {
		return fmt.Errorf("deleting the topics %s: %w (go run ./00-cluster starts a cluster)",
			strings.Join(topics, ", "), err)
	}
	return nil
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

// createFailedTopics creates the topics for records that failed.
func createFailedTopics(ctx context.Context) error {
	var configs []kafka.TopicConfig
	for _, name := range []string{retryTopic, deadTopic} {
		configs = append(configs, kafka.TopicConfig{
			Topic: name,
			// Few records fail, so one partition has room for them.
			NumPartitions: 1,
			// They are as safe here as in the topic that they come from.
			ReplicationFactor: 3,
		})
	}
	response, err := client().CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: configs})
	if err == nil {
		err = errors.Join(response.Errors[retryTopic], response.Errors[deadTopic])
	}
	if err != nil {
		return fmt.Errorf("creating the topics %s and %s: %w (start this program again)",
			retryTopic, deadTopic, err)
	}
	return nil
}

// produce writes the orders, one after the other, each with its customer as the key.
func produce(ctx context.Context) error {
	w := writer()
	for _, order := range orders {
		message := kafka.Message{Topic: topic, Key: []byte(order[:1]), Value: []byte(order)}
		if err := w.WriteMessages(ctx, message); err != nil {
			return fmt.Errorf("writing %s: %w", order, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	return nil
}

// A worker is a member of a group of its own, and notes what it has done.
type worker struct {
	group    string
	attempts map[string]int // at each order
	done     []string       // the orders that it has worked on, in this order
	dead     []string       // the orders in the dead-letter topic
	failed   *kafka.Writer  // writes the records that failed
}

func newWorker(group string) *worker {
	return &worker{group: group, attempts: make(map[string]int), failed: writer()}
}

// work does what an order asks for. That never succeeds with a2, and with c2 it does at
// the third attempt, as when a service is away for a moment.
func (w *worker) work(m kafka.Message) error {
	order := string(m.Value)
	w.attempts[order]++
	switch {
	case order == "a2":
		return errors.New("the amount is not a number")
	case order == "c2" && w.attempts[order] < 3:
		return errors.New("the bank does not answer")
	}
	w.done = append(w.done, order)
	fmt.Printf("  %s done\n", order)
	return nil
}

// skip leaves a record that fails as it is, and doesn't commit it.
func (w *worker) skip(_ context.Context, m kafka.Message) (commit bool, err error) {
	reason := w.work(m)
	if reason != nil {
		fmt.Printf("  %s failed, and isn't committed: %v\n", m.Value, reason)
	}
	return reason == nil, nil
}

// tryForEver tries a record until it succeeds.
func (w *worker) tryForEver(ctx context.Context, m kafka.Message) (commit bool, err error) {
	for w.work(m) != nil {
		pause(ctx, 100*time.Millisecond)
		if ctx.Err() != nil {
			fmt.Printf("  %s failed %d times\n", m.Value, w.attempts[string(m.Value)])
			return false, ctx.Err()
		}
	}
	return true, nil
}

// tryThreeTimes tries a record three times, and then sets it aside.
func (w *worker) tryThreeTimes(ctx context.Context, m kafka.Message) (commit bool, err error) {
	var reason error
	for range 3 {
		reason = w.work(m)
		if reason == nil {
			return true, nil
		}
		pause(ctx, 100*time.Millisecond)
	}
	err = w.setAside(ctx, deadTopic, m, reason)
	if err != nil {
		return false, err // Whoever commits now loses the record.
	}
	w.dead = append(w.dead, string(m.Value))
	return true, nil
}

// tryLater writes a record that fails to the retry topic.
func (w *worker) tryLater(ctx context.Context, m kafka.Message) (commit bool, err error) {
	reason := w.work(m)
	if reason == nil {
		return true, nil
	}
	err = w.setAside(ctx, retryTopic, m, reason)
	return err == nil, err
}

// setAside writes a record to another topic, with the place that it comes from and the
// reason as headers. It returns when all in-sync replicas have it.
func (w *worker) setAside(ctx context.Context, to string, m kafka.Message, reason error) error {
	from := fmt.Sprintf("%s, partition %d, offset %d", m.Topic, m.Partition, m.Offset)
	err := w.failed.WriteMessages(ctx, kafka.Message{
		Topic: to,
		Key:   m.Key,
		Value: m.Value,
		Headers: append(slices.Clone(m.Headers),
			kafka.Header{Key: "from", Value: []byte(from)},
			kafka.Header{Key: "reason", Value: []byte(reason.Error())}),
	})
	if err != nil {
		return fmt.Errorf("writing %s to %s: %w", m.Value, to, err)
	}
	fmt.Printf("  %s failed, and is in %s\n", m.Value, to)
	return nil
}

// consume receives n records, and deals with each in one way.
func (w *worker) consume(ctx context.Context, group, from string, n int,
	deal func(context.Context, kafka.Message) (commit bool, err error)) error {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   from,
		// The group's committed offset says where the next start goes on.
		GroupID: group,
		// A group that has committed nothing starts at the oldest record.
		StartOffset: kafka.FirstOffset,
		// After a failure the reader waits a second, and joins the group again. The default is 5 s.
		JoinGroupBackoff: time.Second,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	for range n {
		m, err := r.FetchMessage(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("receiving from %s: %w", from, err), r.Close())
		}
		commit, err := deal(ctx, m)
		if err == nil && commit {
			// A commit is one number: the group goes on behind this record after a restart.
			err = r.CommitMessages(ctx, m)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("working on %s: %w", m.Value, err), r.Close())
		}
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("closing the reader: %w", err)
	}
	return nil
}

// compare prints what became of the orders in each way.
func compare(ctx context.Context, workers []*worker) error {
	names := []string{"not committed", "tried for ever", "dead-letter topic", "retry topic"}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "a failed record\tdone, in order\tdead letter\tmissing\tlag\torder per key")
	for i, w := range workers {
		missing := slices.DeleteFunc(slices.Clone(orders), func(order string) bool {
			return slices.Contains(w.done, order) || slices.Contains(w.dead, order)
		})
		behind, err := lag(ctx, w.group)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", names[i],
			words(w.done), words(w.dead), words(missing), behind, orderPerKey(w.done))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}
	return nil
}

// words returns orders as one text.
func words(orders []string) string {
	if len(orders) == 0 {
		return "none"
	}
	return strings.Join(orders, " ")
}

// orderPerKey tells whether what each customer ordered was done in the order in which it
// was written.
func orderPerKey(done []string) string {
	last := make(map[byte]string) // by customer
	for _, order := range done {
		customer := order[0]
		if order < last[customer] {
			return last[customer] + " before " + order
		}
		last[customer] = order
	}
	return "kept"
}

// lag returns how far the group's commits are behind the end of the log.
func lag(ctx context.Context, group string) (int, error) {
	response, err := client().OffsetFetch(ctx, &kafka.OffsetFetchRequest{
		GroupID: group,
		Topics:  map[string][]int{topic: {0, 1, 2}},
	})
	if err == nil {
		err = response.Error
	}
	if err != nil {
		return 0, fmt.Errorf("fetching the offsets of the group %s: %w", group, err)
	}
	lag := len(orders) // All lie in one partition. The two others have nothing to commit.
	for _, partition := range response.Topics[topic] {
		lag -= max(int(partition.CommittedOffset), 0)
	}
	return lag, nil
}

// printDeadLetters prints what is in the dead-letter topic.
func printDeadLetters(ctx context.Context) error {
	fmt.Printf("In the topic %s lie:\n", deadTopic)
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers:   []string{broker1Address, broker2Address, broker3Address},
		Topic:     deadTopic,
		Partition: 0, // Without a group, a reader reads one partition, from its beginning.
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	})
	for range 2 {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("receiving from %s: %w", deadTopic, err), r.Close())
		}
		fmt.Printf("  %s\n", m.Value)
		for _, header := range m.Headers {
			fmt.Printf("    %s: %s\n", header.Key, header.Value)
		}
	}
	if err := r.Close(); err != nil {
		return fmt.Errorf("closing the reader: %w", err)
	}
	return nil
}

// deleteGroup deletes a group, which has no member any more.
func deleteGroup(ctx context.Context, group string) error {
	request := &kafka.DeleteGroupsRequest{GroupIDs: []string{group}}
	response, err := client().DeleteGroups(ctx, request)
	if err == nil {
		err = response.Errors[group]
	}
	if err != nil {
		return fmt.Errorf("deleting the group %s: %w", group, err)
	}
	return nil
}

// client returns a client for what is neither written nor read.
func client() *kafka.Client {
	return &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
}

// writer returns a writer for all three topics: each record says which.
func writer() *kafka.Writer {
	return &kafka.Writer{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
	}
}

// pause waits for a time, or until ctx is cancelled.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
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
