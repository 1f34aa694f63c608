// Package clients is the registry of the five Kafka clients: all that the tools of chapter 4
// know of one, in one entry. A sixth client takes an adapter, a program that shows the
// tutorial's flow with it, and an entry here.
package clients

import (
	"fmt"
	"image/color"
	"time"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/clients/confluent"
	"kafka-with-go/internal/clients/franz"
	"kafka-with-go/internal/clients/goka"
	"kafka-with-go/internal/clients/kafkago"
	"kafka-with-go/internal/clients/sarama"
)

// A Client is an entry of the registry.
type Client struct {
	adapter.Client

	Module  string   // its module
	Package string   // the package that a program imports
	Related []string // further modules whose names count as the client's in a program

	Write string // the function that a record is handed to, as "Type.Method"
	Read  string // the function that a record comes out of

	// Programs are the programs of this tutorial that use the client, by their folders.
	// Where there are two, the first one writes and the second one reads. The last
	// program does both.
	Programs [][]string

	// Tuned is the code that the adapter has around the client in the way Tuned, or "" where
	// none is known that gains.
	Tuned struct{ Write, Read string }

	// Shown are the ways in which the client's own documentation shows it.
	Shown []Shown

	History History
	Color   color.Color // in charts; it can be told apart on white and on black
}

// Flow is the folder of the program that writes and reads with the client.
func (c Client) Flow() string { return c.Programs[len(c.Programs)-1][0] }

// Shown is how a client's own documentation shows it.
type Shown struct {
	ID      string // of flags and of results that are kept
	Name    string // in tables
	Adapter adapter.Client
	Source  string        // of the code that it follows
	Session time.Duration // how long its group waits for a dead member
	// SameConsumer is set where only the writing differs from the client's other ways.
	SameConsumer bool
}

// History is what the client's git history says. It can't be computed from the module: it
// was read from a clone, with the commands that 04-comparison/HISTORY.md names.
type History struct {
	First   string // day of the first commit
	Commits int    // in the year 2025, without merges and bots
	Authors int    // people who made them
}

const (
	readmeOf = "its README"
	godocOf  = "its examples on pkg.go.dev"
)

// All returns the clients, in the order of the tables.
func All() []Client { return registry }

var registry = []Client{
	{
		Client:  kafkago.Client{},
		Module:  "github.com/segmentio/kafka-go",
		Package: "github.com/segmentio/kafka-go",
		Write:   "Writer.WriteMessages", Read: "Reader.FetchMessage",
		Programs: [][]string{{"01-producer", "02-consumer"}, {"03-together"}},
		Tuned: struct{ Write, Read string }{
			Write: "256 records a call; the metadata of the topic is kept for a second",
			Read:  "offsets are handed over ten times a second",
		},
		Shown: []Shown{
			{
				ID: "kafka-go/NewWriter", Name: "kafka-go, kafka.NewWriter",
				Adapter: kafkago.Client{NewWriter: true},
				Source:  "the original listing's writer, and " + readmeOf + ", ReadMessage",
				Session: 30 * time.Second, SameConsumer: true,
			},
			{
				ID: "kafka-go/Writer", Name: "kafka-go, kafka.Writer{}",
				Adapter: kafkago.Client{},
				Source: readmeOf + ", Writer (without the balancer there, " +
					"which only chooses between partitions)",
				Session: 30 * time.Second,
			},
			{
				ID: "kafka-go/Async", Name: "kafka-go, Writer{Async: true}",
				Adapter: kafkago.Client{Async: true},
				Source:  readmeOf + ", Writer, with Async and no Completion",
				Session: 30 * time.Second, SameConsumer: true,
			},
		},
		History: History{First: "2017-05-09", Commits: 11, Authors: 7},
		Color:   color.RGBA{0x2f, 0x81, 0xd6, 255},
	},
	{
		Client:  sarama.Client{},
		Module:  "github.com/IBM/sarama",
		Package: "github.com/IBM/sarama",
		Write:   "AsyncProducer.Input", Read: "ConsumerGroupClaim.Messages",
		Programs: [][]string{{"04-comparison/sarama"}},
		Tuned:    struct{ Write, Read string }{Write: "messages are used again"},
		Shown: []Shown{
			{
				ID: "sarama/sync", Name: "sarama, SyncProducer",
				Adapter: sarama.Client{Sync: true},
				Source:  godocOf + ", SyncProducer",
				Session: 10 * time.Second, SameConsumer: true,
			},
			{
				ID: "sarama/async", Name: "sarama, AsyncProducer",
				Adapter: sarama.Client{},
				Source:  godocOf + ", AsyncProducer (goroutines) and ConsumerGroup",
				Session: 10 * time.Second,
			},
		},
		History: History{First: "2013-07-05", Commits: 140, Authors: 26},
		Color:   color.RGBA{0xd9, 0x77, 0x06, 255},
	},
	{
		Client:  confluent.Client{},
		Module:  "github.com/confluentinc/confluent-kafka-go/v2",
		Package: "github.com/confluentinc/confluent-kafka-go/v2/kafka",
		Write:   "Producer.Produce", Read: "Consumer.ReadMessage",
		Programs: [][]string{{"04-comparison/confluent"}},
		Tuned:    struct{ Write, Read string }{Read: "offsets of 100 records are stored at once, and before a rebalance"},
		Shown: []Shown{{
			ID: "confluent-kafka-go/default", Name: "confluent-kafka-go",
			Adapter: confluent.Client{},
			Source: readmeOf + " (but a full queue is waited for, " +
				"where the README's producer drops the record)",
			Session: 45 * time.Second,
		}},
		History: History{First: "2016-07-13", Commits: 90, Authors: 16},
		Color:   color.RGBA{0x1f, 0x9d, 0x55, 255},
	},
	{
		Client:  goka.Client{},
		Module:  "github.com/lovoo/goka",
		Package: "github.com/lovoo/goka",
		Related: []string{"github.com/IBM/sarama"},
		Write:   "Emitter.Emit", Read: "ProcessCallback",
		Programs: [][]string{{"04-comparison/goka"}},
		Shown: []Shown{{
			ID: "goka/default", Name: "goka, EmitSync and a processor",
			Adapter: goka.Client{},
			Source:  readmeOf,
			Session: 10 * time.Second,
		}},
		History: History{First: "2017-03-28", Commits: 8, Authors: 5},
		Color:   color.RGBA{0xd6, 0x45, 0x8f, 255},
	},
	{
		Client:  franz.Client{},
		Module:  "github.com/twmb/franz-go",
		Package: "github.com/twmb/franz-go/pkg/kgo",
		Related: []string{"github.com/twmb/franz-go/pkg/kadm", "github.com/twmb/franz-go/pkg/kmsg"},
		Write:   "Client.Produce", Read: "Client.PollFetches",
		Programs: [][]string{{"04-comparison/franz-go"}},
		Tuned:    struct{ Write, Read string }{Write: "records and their promises are used again"},
		Shown: []Shown{{
			ID: "franz-go/default", Name: "franz-go",
			Adapter: franz.Client{},
			Source:  readmeOf,
			Session: 45 * time.Second,
		}},
		History: History{First: "2019-03-18", Commits: 350, Authors: 46},
		Color:   color.RGBA{0x8b, 0x6c, 0xe6, 255},
	},
}

// Available returns the clients that this binary has.
func Available() []Client {
	var out []Client
	for _, c := range registry {
		if c.Available() == nil {
			out = append(out, c)
		}
	}
	return out
}

// Missing says which client this binary doesn't have and why, or nil.
func Missing() error {
	for _, c := range registry {
		if err := c.Available(); err != nil {
			return err
		}
	}
	return nil
}

// Names lists the clients, in the order of the tables.
func Names() []string {
	var names []string
	for _, c := range registry {
		names = append(names, c.Name())
	}
	return names
}

// ByName returns the client of that name.
func ByName(name string) (Client, error) {
	for _, c := range registry {
		if c.Name() == name {
			return c, nil
		}
	}
	return Client{}, fmt.Errorf("there is no client %q", name)
}

// Adapter returns the adapter of that name, also one that only writes in another way, such
// as kafka-go's deprecated writer.
func Adapter(name string) (adapter.Client, error) {
	for _, c := range registry {
		for _, s := range c.Shown {
			if s.Adapter.Name() == name {
				return s.Adapter, nil
			}
		}
	}
	return nil, fmt.Errorf("there is no client %q", name)
}
