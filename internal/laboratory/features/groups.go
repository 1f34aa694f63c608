package features

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/cluster/groups"
)

// groupFeatures are about members that share the work.
var groupFeatures = []feature{
	{name: "cooperative rebalancing", check: cooperative},
	{name: "static membership", check: static},
	{name: "KIP-848 groups", check: newProtocol},
	{name: "share groups", check: share},
}

// feed writes records into each partition from outside, and returns their values.
func (s *stage) feed(ctx context.Context, topic, name string) ([]string, error) {
	var records []*kgo.Record
	var values []string
	for i := range 30 {
		value := fmt.Sprint(name, " ", i)
		values = append(values, value)
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(value), Value: []byte(value)})
	}
	return values, s.outside.ProduceSync(ctx, records...).FirstErr()
}

// inGroup has members read what is fed, does more, and ends them.
func (s *stage) inGroup(
	ctx context.Context, c client, w wish, do func(first *member, start func(wish) *member) error,
) error {
	var members []*member
	start := func(w wish) *member {
		members = append(members, join(ctx, c.driver, w))
		return members[len(members)-1]
	}
	first := start(w)
	values, err := s.feed(ctx, w.topic, "first")
	if err == nil {
		err = has(ctx, values, first)
	}
	if err == nil {
		err = do(first, start)
	}
	for _, m := range members {
		leaving := m.leave()
		if err == nil {
			err = leaving
		}
	}
	return err
}

// cooperative has a second member join, and counts what the first one gives up: one of
// three partitions moves, and with the older way all three are given up.
func cooperative(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "cooperative", 3)
	if err != nil {
		return Cell{}, err
	}
	for _, answer := range []string{yes, option} {
		w.group += "-" + answer
		if answer == option {
			w.protocol = "cooperative"
		}
		kept := 0
		err := s.inGroup(ctx, c, w, func(first *member, start func(wish) *member) error {
			second := start(w)
			if _, err := s.shared(ctx, w.group, 2); err != nil {
				return err
			}
			values, err := s.feed(ctx, w.topic, answer)
			if err == nil {
				err = has(ctx, values, first, second)
			}
			kept = 3 - first.gaveUp()
			return err
		})
		if err != nil {
			return judged("", err)
		}
		if kept > 0 && kept < 3 {
			return Cell{Answer: answer}, nil
		}
	}
	return Cell{no, "a member gives up all of its partitions when another one joins"}, nil
}

// static ends a member with a name and starts it again, while another one reads on: that
// one gives nothing up, and the group's description has the names.
func static(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "static", 3)
	if err != nil {
		return Cell{}, err
	}
	w.instance = "one"
	return attempt(w, func(w wish) error {
		return s.inGroup(ctx, c, w, func(first *member, start func(wish) *member) error {
			w.instance = "two"
			second := start(w)
			g, err := s.shared(ctx, w.group, 2)
			if err != nil {
				return err
			}
			for _, name := range []string{"one", "two"} {
				if !slices.ContainsFunc(g.Members, func(m groups.Member) bool { return m.InstanceID == name }) {
					return fmt.Errorf("the group has no member %q: %+v", name, g.Members)
				}
			}
			before := first.gaveUp()
			if err := second.leave(); err != nil {
				return err
			}
			second.ended <- nil // It is asked for its end once more.
			again := start(w)
			values, err := s.feed(ctx, w.topic, "again")
			if err == nil {
				err = has(ctx, values, first, again)
			}
			if n := first.gaveUp() - before; n > 0 && err == nil {
				err = refusal{fmt.Errorf("another member gives up %d partitions meanwhile", n)}
			}
			return err
		})
	})
}

// newProtocol joins a group of the new protocol, which the group's kind shows.
func newProtocol(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "new-protocol", 3)
	if err != nil {
		return Cell{}, err
	}
	w.protocol = "consumer"
	return judged(option, s.inGroup(ctx, c, w, func(*member, func(wish) *member) error {
		g, err := s.group(ctx, w.group)
		if err == nil && g.Kind != groups.Consumer {
			err = fmt.Errorf("the group is a %s", g.Kind.Words())
		}
		return err
	}))
}

// share joins a share group and acknowledges what it gets, so that the group's place moves on.
func share(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "share", 3)
	if err != nil {
		return Cell{}, err
	}
	w.protocol = "share"
	if err := s.shareFromStart(ctx, w.group); err != nil {
		return Cell{}, err
	}
	err = s.inGroup(ctx, c, w, func(*member, func(wish) *member) error { return nil })
	if err != nil {
		return judged("", err)
	}
	return judged(yes, until(ctx, func() error {
		described, err := s.admin.DescribeShareGroupOffsets(ctx, w.group)
		if err != nil {
			return err
		}
		// Where the group starts moves on later; what isn't acknowledged yet is its lag.
		offsets := described[w.group].Offsets.Sorted()
		left := int64(0)
		for _, o := range offsets {
			left += o.Lag
		}
		if len(offsets) != 3 || left != 0 {
			return fmt.Errorf("%d records aren't acknowledged: %+v", left, described[w.group])
		}
		return nil
	}))
}

// shareFromStart lets a share group begin with the oldest record: by default it begins with
// the next one to come.
func (s *stage) shareFromStart(ctx context.Context, group string) error {
	setting := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	setting.Name, setting.Value = "share.auto.offset.reset", kmsg.StringPtr("earliest")
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	resource.Configs = append(resource.Configs, setting)
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	request.Resources = append(request.Resources, resource)
	answer, err := request.RequestWith(ctx, s.outside)
	if err != nil {
		return err
	}
	for _, r := range answer.Resources {
		err = errors.Join(err, kerr.ErrorForCode(r.ErrorCode))
	}
	return err
}
