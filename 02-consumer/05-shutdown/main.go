// This program runs a consumer in four processes, each of which ends in another way, and
// measures the time until the next consumer of the same group receives a record.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

const (
	topic          = "shutdown"
	groupID        = "shutdown"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

// An ending is a way in which a consumer ends.
type ending struct {
	name    string
	maxWait time.Duration // the consumer's
	how     string
}

var endings = []ending{
	{"Close, MaxWait 500 ms", 500 * time.Millisecond, "close"},
	{"Close, MaxWait 10 s (the default)", 10 * time.Second, "close"},
	{"log.Fatal: no Close", 500 * time.Millisecond, "exit"},
	{"kill -9: no Close", 500 * time.Millisecond, "kill"},
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run measures the four endings at the same time, each in a group of its own.
func run(ctx context.Context) error {
	// A consumer that is to end is this program in another process: handOver starts it.
	if len(os.Args) == 3 {
		return firstConsumer(ctx, os.Args[1], os.Args[2])
	}
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := produce(ctx); err != nil {
		return err
	}
	fmt.Println("Four consumers receive a record each, and end. When one has ended, the next one of")
	fmt.Println("its group starts. It takes about 17 s until the last of these receives something.")
	// Each start of this program takes groups of its own, so that it can be repeated.
	now := time.Now().Format("150405.000-")
	var groups []string
	rows := make([]string, len(endings))
	all, handingOver := errgroup.WithContext(ctx)
	for i := range endings {
		groups = append(groups, groupID+"-"+now+strconv.Itoa(i))
		all.Go(func() (err error) {
			rows[i], err = handOver(handingOver, i, groups[i])
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	fmt.Println("how the first one ends               ends after   the next one receives after")
	for _, row := range rows {
		fmt.Println(row)
	}
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	return deleteGroups(ctx, groups...)
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

// produce writes two records with the same key. So they lie in one partition, in this order.
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
	for _, value := range []string{"first", "second"} {
		message := kafka.Message{Key: []byte("some key"), Value: []byte(value)}
		if err := w.WriteMessages(ctx, message); err != nil {
			return fmt.Errorf("writing the %s record: %w", value, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("closing the writer: %w", err)
	}
	return nil
}

// handOver starts a process with the first consumer, ends it, starts the next consumer, and
// returns a row of the table.
func handOver(ctx context.Context, number int, group string) (row string, err error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	ending := endings[number]
	first := exec.CommandContext(ctx, self, strconv.Itoa(number), group)
	first.Stderr = os.Stderr
	stdin, err := first.StdinPipe()
	if err != nil {
		return "", fmt.Errorf("starting the first consumer: %w", err)
	}
	stdout, err := first.StdoutPipe()
	if err != nil {
		return "", fmt.Errorf("starting the first consumer: %w", err)
	}
	if err := first.Start(); err != nil {
		return "", fmt.Errorf("starting the first consumer: %w", err)
	}
	_, receiving := bufio.NewReader(stdout).ReadString('\n')

	told := time.Now()
	if ending.how == "kill" {
		err = first.Process.Kill()
	} else {
		err = stdin.Close()
	}
	ended := first.Wait()
	took := time.Since(told)
	if ending.how == "kill" {
		ended = nil // It says that the process was killed.
	}
	if err := errors.Join(receiving, err, ended); err != nil {
		return "", fmt.Errorf("the first consumer, %s: %w", ending.name, err)
	}

	next := newReader(group, 500*time.Millisecond)
	message, err := next.FetchMessage(ctx)
	if err != nil {
		return "", errors.Join(fmt.Errorf("receiving: %w", err), next.Close())
	}
	received := time.Since(told)
	if err := next.Close(); err != nil {
		return "", fmt.Errorf("closing the reader: %w", err)
	}
	if string(message.Value) != "second" {
		return "", fmt.Errorf("the next consumer receives the %s record", message.Value)
	}
	const times = "%-35s %6.1f s     %6.1f s"
	return fmt.Sprintf(times, ending.name, took.Seconds(), received.Seconds()), nil
}

// firstConsumer receives the first record, commits it, and ends when it is told to.
func firstConsumer(ctx context.Context, number, group string) error {
	i, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("choosing an ending: %w", err)
	}
	r := newReader(group, endings[i].maxWait)
	message, err := r.FetchMessage(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("receiving: %w", err), r.Close())
	}
	if err := r.CommitMessages(ctx, message); err != nil {
		return errors.Join(fmt.Errorf("committing: %w", err), r.Close())
	}
	fmt.Println("received") // handOver waits for this line, and then closes stdin.
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return errors.Join(fmt.Errorf("waiting: %w", err), r.Close())
	}

	if endings[i].how == "exit" {
		os.Exit(0) // The reader isn't closed.
	}
	return r.Close()
}

// newReader returns a reader that is a member of the group.
func newReader(group string, maxWait time.Duration) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{broker1Address, broker2Address, broker3Address},
		Topic:   topic,
		GroupID: group,
		// A group that has committed nothing starts at the oldest record.
		StartOffset: kafka.FirstOffset,
		// A fetch waits this long for records, and Close waits for it.
		MaxWait: maxWait,
		// A member of which nothing is heard for 15 s counts as dead. The default is 30 s.
		SessionTimeout: 15 * time.Second,
		// The member is heard of once a second. The default is 3 s.
		HeartbeatInterval: time.Second,
	})
}

// deleteGroups deletes the groups of this run. No member is left in them.
func deleteGroups(ctx context.Context, groups ...string) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	// One request may name only groups with the same coordinator, so each group has its own.
	for _, group := range groups {
		request := &kafka.DeleteGroupsRequest{GroupIDs: []string{group}}
		response, err := client.DeleteGroups(ctx, request)
		if err == nil {
			err = response.Errors[group]
		}
		if err != nil {
			return fmt.Errorf("deleting the group %s: %w", group, err)
		}
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
