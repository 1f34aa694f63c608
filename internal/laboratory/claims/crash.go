package claims

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/wire"
)

// A Crash is what would become of the records if a consumer with its defaults died now, and
// another one went on where the group has committed.
type Crash struct {
	Repeated int // worked on, and not committed: they come again
	Lost     int // committed, and not worked on: they never come
}

const (
	crashRecords = 600
	crashAfter   = 2250 * time.Millisecond // of work: between two commits of whoever commits each second
	crashWork    = 20 * time.Millisecond   // on each record
)

// crashAll looks at a consumer of each client in the middle of its work, once.
func crashAll(ctx context.Context) (map[string]Crash, error) {
	return together(func(c clients.Client) (Crash, error) { return crashOne(ctx, c) })
}

func crashOne(ctx context.Context, c adapter.Client) (crash Crash, err error) {
	cluster, err := wire.Start(wire.Options{Topic: testTopic})
	if err != nil {
		return crash, err
	}
	defer cluster.Close()
	if err := fill(ctx, cluster, 0, crashRecords); err != nil {
		return crash, err
	}
	var worked atomic.Int64
	end, err := member(ctx, c, cluster, true, func(*adapter.Record) {
		time.Sleep(crashWork)
		worked.Add(1)
	})
	if err != nil {
		return crash, err
	}
	defer adapter.CloseSoon(end)
	if !until(cluster, 2*patience, func([]wire.Request) bool { return worked.Load() > 0 }) {
		return crash, errors.New("no record came")
	}
	time.Sleep(crashAfter)
	beyond := int(worked.Load() - max(0, lastCommitted(cluster)))
	return Crash{Repeated: max(0, beyond), Lost: max(0, -beyond)}, nil
}
