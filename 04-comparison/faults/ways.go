package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
)

// How says how a client is used.
type How string

const (
	AsShown How = "as shown" // as its own first example shows it
	Safe    How = "safe"     // with the settings of the chapter's advice
	Program How = "program"  // a program of this tutorial, the very file that a learner copies
)

// A Way is a client, and how it is used.
type Way struct {
	ID     string // of the flags and of the results
	Client string // of the five, for the chapter's sections
	How    How
	Name   string // in the tables

	adapter string        // the client's name among the adapters; "" for a program
	session time.Duration // how long its group waits for a dead member
	source  string        // of the code that it follows

	writes   []string // programs that write, by their folders
	consumes []string // programs that are members of a group; those that also write are in both
}

const (
	readmeOf = "its README"
	godocOf  = "its examples on pkg.go.dev"
)

// ways lists all ways, in the order of the tables.
func ways() []Way {
	var out []Way
	shown := func(client, adapter, id, name, source string, session time.Duration) {
		out = append(out, Way{ID: id, Client: client, How: AsShown, Name: name, adapter: adapter, source: source, session: session})
	}
	safe := func(client string) {
		out = append(out, Way{ID: client + "/safe", Client: client, How: Safe, Name: client + ", made safe", adapter: client,
			source: "internal/clients, way Matched", session: safeTuning().SessionTimeout})
	}
	program := func(client string, folders ...string) {
		w := Way{ID: strings.Join(folders, "+"), Client: client, How: Program, Name: strings.Join(folders, " and "), session: 10 * time.Second}
		w.source = w.Name + " (main.go)"
		w.writes, w.consumes = folders[:1], slices.Repeat(folders[len(folders)-1:], members)
		if len(folders) == 1 { // Each of them writes and consumes.
			w.writes = nil
		}
		out = append(out, w)
	}
	shown("kafka-go", "kafka-go, NewWriter", "kafka-go/NewWriter", "kafka-go, kafka.NewWriter", "the original listing's writer, and "+readmeOf+", ReadMessage", 30*time.Second)
	shown("kafka-go", "kafka-go", "kafka-go/Writer", "kafka-go, kafka.Writer{}", readmeOf+", Writer (without the balancer there, which only chooses between partitions)", 30*time.Second)
	shown("kafka-go", "kafka-go, Async", "kafka-go/Async", "kafka-go, Writer{Async: true}", readmeOf+", Writer, with Async and no Completion", 30*time.Second)
	safe("kafka-go")
	program("kafka-go", "01-producer", "02-consumer")
	program("kafka-go", "03-together")
	shown("sarama", "sarama, sync", "sarama/sync", "sarama, SyncProducer", godocOf+", SyncProducer", 10*time.Second)
	shown("sarama", "sarama", "sarama/async", "sarama, AsyncProducer", godocOf+", AsyncProducer (goroutines) and ConsumerGroup", 10*time.Second)
	safe("sarama")
	program("sarama", "04-comparison/sarama")
	shown("confluent-kafka-go", "confluent-kafka-go", "confluent-kafka-go/default", "confluent-kafka-go", readmeOf+" (but a full queue is waited for, where the README's producer drops the record)", 45*time.Second)
	safe("confluent-kafka-go")
	program("confluent-kafka-go", "04-comparison/confluent")
	shown("goka", "goka", "goka/default", "goka, EmitSync and a processor", readmeOf, 10*time.Second)
	safe("goka")
	program("goka", "04-comparison/goka")
	shown("franz-go", "franz-go", "franz-go/default", "franz-go", readmeOf, 45*time.Second)
	safe("franz-go")
	program("franz-go", "04-comparison/franz-go")
	return out
}

// sameConsumer lists ways whose consumer is another way's: they differ only in how they write.
var sameConsumer = map[string]bool{"kafka-go/NewWriter": true, "kafka-go/Async": true, "sarama/sync": true}

// safeTuning is Safe of the adapters, with a little more linger, so that several
// clients leave the brokers some processor. It has nothing to do with safety.
func safeTuning() clients.Tuning {
	t := clients.Safe()
	t.Linger = 10 * time.Millisecond
	return t
}

func (w Way) way() clients.Way {
	if w.How == Safe {
		return clients.Matched
	}
	return clients.Defaults
}

// settings lists what is set, as it is printed beside the results.
func (w Way) settings() []clients.Setting {
	if w.How == Program {
		return nil // They stand in the file.
	}
	c, err := all.ByName(w.adapter)
	if err != nil {
		return nil
	}
	return c.Settings(clients.Config{Way: w.way(), Tuning: safeTuning()})
}

// unavailable says why a way can't be tried in this binary.
func (w Way) unavailable() error {
	c, err := all.ByName(w.Client)
	if err != nil {
		return err
	}
	return c.Available()
}

// wayByID returns the way of that name.
func wayByID(id string) (Way, error) {
	for _, w := range ways() {
		if w.ID == id {
			return w, nil
		}
	}
	return Way{}, fmt.Errorf("there is no way %q", id)
}

// chosen returns the ways that match a list such as "sarama,franz-go/safe,safe":
// names of clients, of ways, and of how they are used.
func chosen(list string) ([]Way, error) {
	var out []Way
	matched := make(map[string]bool)
	names := strings.Split(list, ",")
	for _, w := range ways() {
		for _, name := range names {
			if list == "" || name == w.Client || name == w.ID || name == string(w.How) {
				matched[name] = true
				out = append(out, w)
				break
			}
		}
	}
	for _, name := range names {
		if list != "" && !matched[name] {
			var known []string
			for _, w := range ways() {
				known = append(known, w.ID)
			}
			return nil, fmt.Errorf("there is no client or way %q; there are %q, %q, %q, the clients' names, and %s",
				name, AsShown, Safe, Program, strings.Join(known, ", "))
		}
	}
	return out, nil
}
