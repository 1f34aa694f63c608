// Package all lists the five clients, in the order of the tables.
package all

import (
	"fmt"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/confluent"
	"kafka-with-go/internal/clients/franz"
	"kafka-with-go/internal/clients/goka"
	"kafka-with-go/internal/clients/kafkago"
	"kafka-with-go/internal/clients/sarama"
)

// Clients returns the five clients.
func Clients() []clients.Client {
	return []clients.Client{kafkago.Client{}, sarama.Client{}, confluent.Client{}, goka.Client{}, franz.Client{}}
}

// ByName returns the client of that name, also those that differ only in how
// their own examples write: kafka-go's deprecated writer and its asynchronous
// one, and sarama's synchronous producer.
func ByName(name string) (clients.Client, error) {
	for _, c := range append(Clients(), kafkago.Client{NewWriter: true}, kafkago.Client{Async: true}, sarama.Client{Sync: true}) {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("there is no client %q", name)
}
