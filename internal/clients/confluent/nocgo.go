//go:build !cgo || (windows && arm64)

package confluent

import (
	"context"
	"errors"

	"kafka-with-go/internal/clients/adapter"
)

var errMissing = errors.New("confluent-kafka-go isn't in this binary: " +
	"it wraps librdkafka, a library in C, and was built without cgo (CGO_ENABLED=1 and a C compiler are needed)")

// Available implements adapter.Client.
func (Client) Available() error { return errMissing }

// NewProducer implements adapter.Client.
func (Client) NewProducer(adapter.Config, func(*adapter.Record, error)) (adapter.Producer, error) {
	return nil, errMissing
}

// NewConsumer implements adapter.Client.
func (Client) NewConsumer(adapter.Config) (adapter.Consumer, error) { return nil, errMissing }

// ReadWithoutGroup implements adapter.Client.
func (Client) ReadWithoutGroup(context.Context, []string, string) (string, error) {
	return "", errMissing
}

// IgnoreErrors implements adapter.Client.
func (Client) IgnoreErrors(context.Context, []string, string, int) (adapter.Ignored, error) {
	return adapter.Ignored{}, errMissing
}

// ErrorOf implements adapter.Client.
func (Client) ErrorOf(int16) error { return errMissing }
