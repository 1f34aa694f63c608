//go:build !cgo || (windows && arm64)

package confluent

import (
	"errors"

	"kafka-with-go/internal/clients"
)

var errMissing = errors.New("confluent-kafka-go isn't in this binary: " +
	"it wraps librdkafka, a library in C, and was built without cgo (CGO_ENABLED=1 and a C compiler are needed)")

// Available implements clients.Client.
func (Client) Available() error { return errMissing }

// NewProducer implements clients.Client.
func (Client) NewProducer(clients.Config, func(*clients.Record, error)) (clients.Producer, error) {
	return nil, errMissing
}

// NewConsumer implements clients.Client.
func (Client) NewConsumer(clients.Config) (clients.Consumer, error) { return nil, errMissing }
