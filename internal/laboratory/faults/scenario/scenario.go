// Package scenario is what happens to workloads in the fault drill: the drills, and a run of
// one, in which several ways meet the same fault.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/faults/history"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

// A Pace is how long a run waits where nothing tells it to go on.
type Pace struct {
	Settle time.Duration // that a group at rest gets to find where it starts
	Warm   time.Duration // of load before the fault
	Hold   time.Duration // after the fault
}

// FullPace is that of results that are kept.
func FullPace() Pace { return Pace{Settle: 3 * time.Second, Warm: 4 * time.Second, Hold: hold} }

// A Run is one run of a drill: a few ways at the same time, who meet the same fault.
type Run struct {
	Drill   Drill
	Started time.Time // when the fault began

	pace      Pace
	cluster   cluster.Cluster
	view      *cluster.View
	workloads []*workload.Workload

	broker     int // to whom the next step happens
	controller int // when it was last asked for

	mu     sync.Mutex
	events []history.Event
	kills  int // of brokers
	pauses int
}

// NewRun returns a run of workloads that are open.
func NewRun(d Drill, p Pace, c cluster.Cluster, v *cluster.View, workloads []*workload.Workload) *Run {
	return &Run{Drill: d, pace: p, cluster: c, view: v, workloads: workloads, Started: time.Now()}
}

// Workloads are those that meet the fault.
func (r *Run) Workloads() []*workload.Workload { return r.workloads }

// Events are what was done to the cluster, and what it did then.
func (r *Run) Events() (events []history.Event, kills, pauses int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events, r.kills, r.pauses
}

func (r *Run) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seconds := float64(time.Since(r.Started).Milliseconds()/100) / 10
	r.events = append(r.events, history.Event{Seconds: seconds, What: fmt.Sprintf(format, args...)})
}

func (r *Run) topics() []string {
	var out []string
	for _, l := range r.workloads {
		out = append(out, l.Topic)
	}
	return out
}

// each does something with each workload, at the same time.
func (r *Run) each(do func(*workload.Workload) error) error {
	errs := make([]error, len(r.workloads))
	var all sync.WaitGroup
	for i, l := range r.workloads {
		all.Go(func() {
			if err := do(l); err != nil {
				errs[i] = fmt.Errorf("%s: %w", l.Way.ID, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// errBusy says that a workload wasn't clean before the fault, so the run says nothing.
var errBusy = errors.New("there were failures, or acknowledgements that took seconds, before anything was done: " +
	"this machine is too busy for so much at the same time (-together takes fewer, -rate less)")

// Do runs the drill: it starts the workloads, lets the fault happen to them, and waits until
// what is in hand is done. What was acknowledged up to the returned time should have been
// worked on.
func (r *Run) Do(ctx context.Context) (upTo time.Time, err error) {
	if err := r.warmUp(ctx); err != nil {
		return upTo, err
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	if r.Drill.Side == workload.Consumers {
		for _, l := range r.workloads {
			go l.WatchCommits(watching, r.view)
		}
	}
	r.Started = time.Now()
	if err := r.Drill.Fault(ctx, r); err != nil {
		return upTo, fmt.Errorf("%s: %w", r.Drill.ID, err)
	}
	if err := kit.Sleep(ctx, r.pace.Hold); err != nil {
		return upTo, err
	}
	if r.Drill.ID == ProducerKilled {
		return time.Now(), nil // It is dead; a consumer of its records is ended with the workload.
	}
	if err := r.each(func(l *workload.Workload) error { return l.StopLoad(ctx) }); err != nil {
		return upTo, err
	}
	upTo = workload.OverdueSince()
	return upTo, r.each(func(l *workload.Workload) error { return l.Finish(ctx) })
}

// warmUp starts everything, and waits until it is clean.
func (r *Run) warmUp(ctx context.Context) error {
	for _, l := range r.workloads {
		if err := l.Start(); err != nil {
			return err
		}
	}
	if r.Drill.Side == workload.Consumers {
		if err := r.formGroups(ctx); err != nil {
			return err
		}
	}
	if err := kit.Sleep(ctx, r.pace.Warm); err != nil {
		return err
	}
	if r.Drill.Side == workload.Consumers {
		err := r.each(func(l *workload.Workload) error {
			return r.view.HasCommitted(ctx, l.Group, l.Topic, workload.Shared)
		})
		if err != nil {
			return err
		}
	}
	// Programs join their groups and clients connect: that may take some seconds more.
	err := cluster.Until(ctx, "it runs cleanly", 45*time.Second, func(context.Context) error {
		return r.each((*workload.Workload).IsClean)
	})
	if err != nil && ctx.Err() == nil {
		return errors.Join(errBusy, err)
	}
	return err
}

// formGroups waits until the groups are at rest, and then feeds them.
func (r *Run) formGroups(ctx context.Context) error {
	err := r.each(func(l *workload.Workload) error {
		return r.view.AtRest(ctx, l.Group, l.Topic, workload.Members, workload.Shared)
	})
	if err != nil {
		return err
	}
	if err := kit.Sleep(ctx, r.pace.Settle); err != nil {
		return err
	}
	return r.each(func(l *workload.Workload) error { return l.Feed(ctx) })
}
