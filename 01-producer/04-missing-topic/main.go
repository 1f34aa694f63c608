// This program writes to a topic that isn't there: to your cluster, whose brokers create no
// topic by themselves, and to a broker that creates a topic when a client asks for it.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	topic          = "missing-topic"
	broker1Address = "localhost:9093"
	broker2Address = "localhost:9094"
	broker3Address = "localhost:9095"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run writes to both.
func run(ctx context.Context) error {
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond) // All brokers have heard that it isn't there.
	fmt.Println("A write that fails is tried again for 2 s.")
	if err := onYourCluster(ctx); err != nil {
		return errors.Join(err, deleteTopic(ctx))
	}
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	return onOneThatCreates(ctx)
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

// onYourCluster writes before the topic is there, and creates it in two ways.
func onYourCluster(ctx context.Context) error {
	cluster := kafka.TCP(broker1Address, broker2Address, broker3Address)
	fmt.Println("\nYour cluster:")
	if err := produce(ctx, "a write", cluster, topic, false); err != nil {
		return err
	}
	if err := produce(ctx, "a write with AllowAutoTopicCreation", cluster, topic, true); err != nil {
		return err
	}
	if err := createTopic(ctx); err != nil {
		return err
	}
	if err := produce(ctx, "a write after createTopic", cluster, topic, false); err != nil {
		return err
	}
	if err := deleteTopic(ctx); err != nil {
		return err
	}
	if err := letBrokersDecide(ctx); err != nil {
		return err
	}
	return produce(ctx, "a write after createTopic with -1: the brokers decide", cluster, topic, false)
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

// letBrokersDecide creates the topic, and leaves it to the brokers how many partitions and
// replicas it has. A topic that they create by themselves gets the same numbers.
func letBrokersDecide(ctx context.Context) error {
	client := &kafka.Client{
		Addr: kafka.TCP(broker1Address, broker2Address, broker3Address),
		// After 5 s without an answer the request fails.
		Timeout: 5 * time.Second,
	}
	response, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{
			Topic: topic,
			// The brokers' setting num.partitions.
			NumPartitions: -1,
			// The brokers' setting default.replication.factor.
			ReplicationFactor: -1,
		}},
	})
	if err == nil {
		err = response.Errors[topic]
	}
	if err != nil {
		return fmt.Errorf("creating the topic %s: %w (look at the cluster's terminal)", topic, err)
	}
	return nil
}

// onOneThatCreates starts a broker with the settings that Kafka has if nobody sets them: it
// creates a topic when a client asks for it, with one partition on one broker.
func onOneThatCreates(ctx context.Context) error {
	broker, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.AllowAutoTopicCreation(), // auto.create.topics.enable=true
		kfake.DefaultNumPartitions(1),  // num.partitions=1
	)
	if err != nil {
		return fmt.Errorf("starting a broker in this process: %w", err)
	}
	defer broker.Close()
	address := kafka.TCP(broker.ListenAddrs()...)

	fmt.Println("\nA broker in this process that creates topics, as Kafka does if nobody forbids it:")
	if err := produce(ctx, "a write", address, topic, false); err != nil {
		return err
	}
	if err := produce(ctx, "a write with AllowAutoTopicCreation", address, topic, true); err != nil {
		return err
	}
	misspelt := topic + "s"
	what := fmt.Sprintf("the same, with a letter too many: %q", misspelt)
	if err := produce(ctx, what, address, misspelt, true); err != nil {
		return err
	}

	client := &kafka.Client{Addr: address, Transport: &kafka.Transport{}}
	cluster, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return fmt.Errorf("asking for the topics: %w", err)
	}
	var names []string
	for _, t := range cluster.Topics {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	fmt.Println("  Its topics are now:", strings.Join(names, ", "))
	return nil
}

// produce writes a record, and prints what came of it.
func produce(ctx context.Context, what string, cluster net.Addr, name string, create bool) error {
	fmt.Printf("  %s:\n", what)
	begin := time.Now()
	var first error
	for {
		// A transport keeps for seconds what it knows of topics. A new one knows nothing.
		transport := &kafka.Transport{}
		w := &kafka.Writer{
			Addr:      cluster,
			Transport: transport,
			Topic:     name,
			// The writer asks the brokers to create a topic that isn't there. Whether they do it,
			// and how many partitions and replicas it gets, is for the brokers to say.
			AllowAutoTopicCreation: create,
			// A write succeeds when all in-sync replicas have the record. By default it succeeds
			// before any broker has it, and nobody hears of a record that was lost.
			RequiredAcks: kafka.RequireAll,
			// A record waits this long for others to share a request with. The default is 1 s.
			BatchTimeout: time.Millisecond,
		}
		err := w.WriteMessages(ctx, kafka.Message{Key: []byte("some key"), Value: []byte("some value")})
		err = errors.Join(err, w.Close())
		transport.CloseIdleConnections()
		switch {
		case err == nil:
			if first != nil {
				fmt.Printf("    written after %.1f s\n", time.Since(begin).Seconds())
			} else {
				fmt.Println("    written")
			}
			return describe(ctx, cluster, name)
		case ctx.Err() != nil || refused(err):
			return fmt.Errorf("writing to %s: %w", name, err)
		case first == nil:
			first = err
			fmt.Println("   ", err)
		case time.Since(begin) > 2*time.Second:
			fmt.Println("    and so it stays")
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// describe prints how many partitions and replicas a topic has.
func describe(ctx context.Context, cluster net.Addr, name string) error {
	var topics []kafka.Topic
	for range 10 {
		client := &kafka.Client{Addr: cluster, Transport: &kafka.Transport{}}
		answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
		if err != nil {
			return fmt.Errorf("asking for the topic %s: %w", name, err)
		}
		topics = answer.Topics
		if topics[0].Error == nil {
			break
		}
		time.Sleep(200 * time.Millisecond) // This broker hasn't heard of the topic yet.
	}
	if topics[0].Error != nil {
		return fmt.Errorf("asking for the topic %s: %w", name, topics[0].Error)
	}
	partitions := topics[0].Partitions
	replicas := partitions[0].Replicas
	fmt.Printf("    partitions: %d, replicas of each: %d\n", len(partitions), len(replicas))
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
