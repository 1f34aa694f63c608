package features

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
)

// toolFeatures are about what stands around writing and reading.
var toolFeatures = []feature{
	{name: "creates topics", check: administers(createTopic)},
	{name: "describes and changes settings", check: administers(describeConfig, alterConfig)},
	{name: "deletes records", check: administers(deleteRecords)},
	{name: "describes and deletes groups", check: administers(describeGroup, deleteGroup)},
	{name: "metrics", check: metrics},
	{name: "hooks for tracing", check: hook},
	{name: "double for tests", check: double, source: true},
}

// The operations that an administrator asks for, and what is changed.
const (
	createTopic    = "create-topic"
	describeConfig = "describe-config"
	alterConfig    = "alter-config"
	deleteRecords  = "delete-records"
	describeGroup  = "describe-group"
	deleteGroup    = "delete-group"

	alteredConfig = "retention.ms"
	alteredValue  = "123456789"
)

// administers has the client do operations, and looks from outside at what came of them.
func administers(operations ...string) func(context.Context, *stage, client) (Cell, error) {
	return func(ctx context.Context, s *stage, c client) (Cell, error) {
		partitions := int32(3)
		if operations[0] == createTopic {
			partitions = 0
		}
		w, err := s.wish(ctx, c, operations[0], partitions)
		if err != nil {
			return Cell{}, err
		}
		if err := s.prepare(ctx, w, operations[0]); err != nil {
			return Cell{}, err
		}
		return attempt(w, func(w wish) error {
			for _, operation := range operations {
				if err := c.driver.administer(ctx, w, operation); err != nil {
					return err
				}
				if err := until(ctx, func() error { return s.done(ctx, w, operation) }); err != nil {
					return fmt.Errorf("after %s: %w", operation, err)
				}
			}
			return nil
		})
	}
}

// prepare has a record in partition 0 to delete, or a group to describe.
func (s *stage) prepare(ctx context.Context, w wish, operation string) error {
	switch operation {
	case deleteRecords:
		_, err := s.feed(ctx, w.topic, "record")
		return err
	case describeGroup:
		offsets := make(kadm.Offsets)
		offsets.AddOffset(w.topic, 0, 0, -1)
		return s.admin.CommitAllOffsets(ctx, w.group, offsets)
	}
	return nil
}

// done is an error while an operation has no effect.
func (s *stage) done(ctx context.Context, w wish, operation string) error {
	switch operation {
	case createTopic:
		topics, err := s.admin.ListTopics(ctx, w.topic)
		if err == nil && len(topics[w.topic].Partitions) != 3 {
			err = errors.New("the topic hasn't three partitions")
		}
		return err
	case alterConfig:
		described, err := s.admin.DescribeTopicConfigs(ctx, w.topic)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(described[0].Configs, func(c kadm.Config) bool {
			return c.Key == alteredConfig && c.MaybeValue() == alteredValue
		}) {
			return errors.New("the setting hasn't changed")
		}
	case deleteRecords:
		starts, err := s.admin.ListStartOffsets(ctx, w.topic)
		if o, _ := starts.Lookup(w.topic, 0); err == nil && o.Offset != 1 {
			err = fmt.Errorf("partition 0 begins at %d", o.Offset)
		}
		return err
	case deleteGroup:
		listed, err := s.admin.ListGroups(ctx)
		if _, there := listed[w.group]; err == nil && there {
			err = errors.New("the group is still there")
		}
		return err
	}
	return nil
}

func metrics(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "metrics", 3)
	if err != nil {
		return Cell{}, err
	}
	return attempt(w, func(w wish) error { return c.driver.metrics(ctx, w) })
}

func hook(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "hook", 3)
	if err != nil {
		return Cell{}, err
	}
	return attempt(w, func(w wish) error { return c.driver.hook(ctx, w) })
}

func double(ctx context.Context, _ *stage, c client) (Cell, error) {
	return judged(yes, c.driver.double(ctx))
}
