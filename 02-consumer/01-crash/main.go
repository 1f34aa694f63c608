// This program starts consumers that commit at different times, kills each with a
// record in hand, and starts it again: which records are lost, and which come twice?
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "crash"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
	records        = 20
	inHand         = 14                     // the record in which each consumer is killed
	work           = 100 * time.Millisecond // on each record
)

// The consumers differ in when they commit.
const (
	beforeTheWork = "before the work"
	afterTheWork  = "after the work"
	everySecond   = "every second"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	start := run
	if len(os.Args) == 3 {
		// This is one of the consumers: the program has started itself again, to kill it.
		start = func(ctx context.Context) error { return consume(ctx, os.Args[1], os.Args[2]) }
	}
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run kills three consumers in the middle of their work, at the same time.
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
	fmt.Printf("Three consumers work on the records 1 to %d. Each is killed with record %d in hand,\n"+
		"and started again. The group notices after 6 s that a member has died. Wait for 10 s.\n",
		records, inHand)

	ways := []string{beforeTheWork, afterTheWork, everySecond}
	tallies := make([]*tally, len(ways))
	groups := make([]string, len(ways))
	// Each start of this program takes groups of its own, so that it can be repeated.
	now := time.Now().Format("150405.000")
	each, eachCtx := errgroup.WithContext(ctx)
	for i, way := range ways {
		groups[i] = topic + "-" + now + "-" + strings.ReplaceAll(way, " ", "-")
		tallies[i] = &tally{begun: make(map[int]int), done: make(map[int]int)}
		each.Go(func() error { return crash(eachCtx, way, groups[i], tallies[i]) })
	}
	if err := each.Wait(); err != nil {
		return err
	}

	table := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "commits\tlost\tcome twice")
	for i, way := range ways {
		lost := numbers(func(n int) bool { return tallies[i].done[n] == 0 })
		twice := numbers(func(n int) bool { return tallies[i].begun[n] > 1 })
		fmt.Fprintf(table, "%s\t%s\t%s\n", way, lost, twice)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the table: %w", err)
	}

	for _, group := range groups {
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

// produce writes the records, all with the same key. So they lie in one partition, in this order.
func produce(ctx context.Context) error {
	w := &kafka.Writer{
		Addr:  kafka.TCP(broker1Address, broker2Address, broker3Address),
		Topic: topic,
		// The key decides the partition, as in Java's client. By default it decides nothing.
		Balancer: kafka.Murmur2Balancer{},
		// A write succeeds when all in-sync replicas have the record. By default it succeeds
		// before any broker has it, and nobody hears of a record that was lost.
		RequiredAcks: kafka.RequireAll,
		// A record waits this long for others to share a request with. By default it waits a second.
		BatchTimeout: time.Millisecond,
	}
	var messages []kafka.Message
	for n := 1; n <= records; n++ {
		messages = append(messages,
			kafka.Message{Key: []byte("some key"), Value: []byte(strconv.Itoa(n))})
	}
	if err := w.WriteMessages(ctx, messages...); err != nil {
		return fmt.Errorf("writing the records: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	return nil
}

// A tally counts, for each record, how often the work on it was begun and how often it was done.
type tally struct {
	begun, done map[int]int
}

// crash starts a consumer, kills it, and starts it again, until it has done the last record.
func crash(ctx context.Context, way, group string, t *tally) error {
	for _, killed := range []bool{true, false} {
		if err := startConsumer(ctx, way, group, killed, t); err != nil {
			return fmt.Errorf("the consumer that commits %s: %w", way, err)
		}
	}
	return nil
}

// startConsumer starts this program as a consumer, counts what it prints, and waits for its end.
func startConsumer(ctx context.Context, way, group string, killed bool, t *tally) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	consumer := exec.CommandContext(ctx, self, way, group)
	consumer.Stderr = os.Stderr
	output, err := consumer.StdoutPipe()
	if err != nil {
		return fmt.Errorf("reading what it prints: %w", err)
	}
	if err := consumer.Start(); err != nil {
		return fmt.Errorf("starting it: %w", err)
	}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var what string
		var n int
		_, err := fmt.Sscan(lines.Text(), &what, &n)
		if err != nil {
			return fmt.Errorf("reading the line %q: %w", lines.Text(), err)
		}
		switch what {
		case "begun":
			t.begun[n]++
		case "done":
			t.done[n]++
		}
		if killed && what == "begun" && n == inHand {
			// This is kill -9: the consumer can't do anything any more.
			if err := consumer.Process.Kill(); err != nil {
				return fmt.Errorf("killing it: %w", err)
			}
		}
	}
	err = consumer.Wait()
	if err != nil && !killed {
		return fmt.Errorf("waiting for its end: %w", err)
	}
	return nil
}

// consume receives records, works on them, and commits them in one of the ways.
func consume(ctx context.Context, way, group string) error {
	config := kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		// The group's committed offset says where the next start goes on.
		GroupID: group,
		// A group that has committed nothing starts at the oldest record.
		StartOffset: kafka.FirstOffset,
		// A member of which nothing is heard for 6 s counts as dead. The default is 30 s, and Kafka
		// allows no less than 6 s.
		SessionTimeout: 6 * time.Second,
		// The member is heard of once a second. The default is 3 s.
		HeartbeatInterval: time.Second,
		// After a failure the reader waits a second, and joins the group again. The default is 5 s.
		JoinGroupBackoff: time.Second,
		// A fetch waits this long for records, and Close waits for it. The default is 10 s.
		MaxWait: 500 * time.Millisecond,
	}
	if way == everySecond {
		// CommitMessages only notes the offset, and the reader sends it once a second. By default
		// CommitMessages sends it, and waits for the answer.
		config.CommitInterval = time.Second
	}
	r := kafka.NewReader(config)
	for {
		receive := r.FetchMessage
		if way == beforeTheWork {
			receive = r.ReadMessage // It commits the record, and then returns it.
		}
		message, err := receive(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("receiving: %w", err), r.Close())
		}

		fmt.Printf("begun %s\n", message.Value)
		time.Sleep(work)
		fmt.Printf("done %s\n", message.Value)

		if way != beforeTheWork {
			if err := r.CommitMessages(ctx, message); err != nil {
				return errors.Join(fmt.Errorf("committing: %w", err), r.Close())
			}
		}
		if string(message.Value) == strconv.Itoa(records) {
			break
		}
	}
	// Close commits what is only noted, and leaves the group. After kill -9 nobody does that.
	if err := r.Close(); err != nil {
		return fmt.Errorf("closing the reader: %w", err)
	}
	return nil
}

// numbers returns those of the records that want chooses, as one text.
func numbers(want func(n int) bool) string {
	var chosen []string
	for n := 1; n <= records; n++ {
		if want(n) {
			chosen = append(chosen, strconv.Itoa(n))
		}
	}
	if chosen == nil {
		return "none"
	}
	return strings.Join(chosen, " ")
}

// deleteGroup deletes a group, which has no member any more.
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
