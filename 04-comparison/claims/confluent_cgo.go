//go:build cgo && !(windows && arm64)

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

func unreadConfluent(_ context.Context, addrs []string) (Cell, error) {
	p, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": strings.Join(addrs, ","), "log_level": 0})
	if err != nil {
		return Cell{}, fmt.Errorf("making the producer: %w", err)
	}
	topic := benchTopic
	for i := range unread {
		err := p.Produce(&kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}, Value: []byte("value"),
		}, nil)
		if err != nil {
			return Cell{Value: "are returned by Produce"}, fmt.Errorf("record %d: %w", i, err)
		}
	}
	left := p.Flush(5000)
	kept := len(p.Events())
	p.Close()
	if left > 0 {
		return Cell{fmt.Sprintf("stay in memory (%d of %d), and Flush never gets to 0", kept, unread), "stops"}, nil
	}
	return silent, nil
}

func readConfluent(_ context.Context, addrs []string) (string, error) {
	c, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": strings.Join(addrs, ","), "log_level": 0})
	if err != nil {
		return refuses + tidy(err.Error()), nil
	}
	return "makes a consumer", c.Close()
}
