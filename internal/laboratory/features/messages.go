package features

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// messageFeatures are about records, one by one.
var messageFeatures = []feature{
	{name: "idempotent producer", check: idempotent},
	{name: "transactions", check: transactions},
	{name: "reads only committed", check: committed},
	{name: "gzip, snappy, lz4, zstd", check: codecs},
}

// idempotent looks for a producer's id in what the client writes.
func idempotent(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "idempotent", 1)
	if err != nil {
		return Cell{}, err
	}
	for i, answer := range []string{yes, option} {
		w.idempotent = answer == option
		value := fmt.Sprint("record ", i)
		if err := c.driver.write(ctx, w, value); err != nil {
			return judged("", err)
		}
		records, err := s.records(ctx, w.topic, value)
		if err != nil {
			return Cell{}, err
		}
		if records[i].ProducerID >= 0 {
			return Cell{Answer: answer}, nil
		}
	}
	return Cell{no, "its batches carry no producer's id"}, nil
}

// The records of transactions that end so.
const (
	aborted   = "aborted"
	completed = "committed"
)

// transactions aborts one and commits one, and reads from outside what was committed.
func transactions(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "transactions", 1)
	if err != nil {
		return Cell{}, err
	}
	return attempt(w, func(w wish) error {
		if err := c.driver.transact(ctx, w, false, aborted); err != nil {
			return err
		}
		if err := c.driver.transact(ctx, w, true, completed); err != nil {
			return err
		}
		records, err := s.records(ctx, w.topic, completed, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
		if err != nil {
			return err
		}
		if string(records[0].Value) == aborted {
			return refusal{errors.New("a reader of committed records receives those of the aborted one")}
		}
		return nil
	})
}

// committed has the client read a topic with an aborted transaction before a committed one.
func committed(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "committed", 1)
	if err != nil {
		return Cell{}, err
	}
	outside := w
	outside.group = "outside-" + w.group
	if err := (franz{}).transact(ctx, outside, false, aborted); err != nil {
		return Cell{}, err
	}
	if err := (franz{}).transact(ctx, outside, true, completed); err != nil {
		return Cell{}, err
	}
	for _, answer := range []string{yes, option} {
		w.committed, w.group = answer == option, w.group+"-"+answer
		m := join(ctx, c.driver, w)
		if err := m.read(ctx, []string{completed}); err != nil {
			return judged("", err)
		}
		if !m.got[aborted] {
			return Cell{Answer: answer}, nil
		}
	}
	return Cell{no, "it receives the records of aborted transactions"}, nil
}

// codecs writes with each codec, looks at the batches from outside, and has another client read.
func codecs(ctx context.Context, s *stage, c client) (Cell, error) {
	w, err := s.wish(ctx, c, "codecs", 1)
	if err != nil {
		return Cell{}, err
	}
	return attempt(w, func(w wish) error {
		names := []string{"gzip", "snappy", "lz4", "zstd"} // In the order of their numbers, from 1.
		var values []string
		for _, name := range names {
			w.codec = name
			values = append(values, strings.Repeat(name, 500))
			if err := c.driver.write(ctx, w, values[len(values)-1]); err != nil {
				return err
			}
		}
		records, err := s.records(ctx, w.topic, values[len(values)-1])
		if err != nil {
			return err
		}
		for i, r := range records {
			if got := r.Attrs.CompressionType(); int(got) != i+1 {
				return refusal{fmt.Errorf("%s is written with codec %d", names[i], got)}
			}
		}
		all := available()
		at := slices.IndexFunc(all, func(other client) bool { return other.Name() == c.Name() })
		reader := all[(at+1)%len(all)]
		m := join(ctx, reader.driver, wish{brokers: w.brokers, topic: w.topic, group: w.group})
		if err := m.read(ctx, values); err != nil {
			return fmt.Errorf("reading with %s: %w", reader.Name(), err)
		}
		return nil
	})
}
