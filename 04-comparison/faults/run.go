package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kafka-with-go/internal/ledger"
)

// A scene is one run of a drill: a few ways at the same time, in lanes of their own,
// who meet the same blow.
type scene struct {
	cluster cluster
	view    *view
	drill   Drill
	lanes   []*lane

	mu     sync.Mutex
	begin  time.Time
	events []Event
	kills  int // of brokers
	pauses int
}

// An Event is what was done to the cluster, or what it did then.
type Event struct {
	Seconds float64 // since the blow
	What    string
}

func (s *scene) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds := float64(time.Since(s.begin).Milliseconds()/100) / 10
	s.events = append(s.events, Event{seconds, fmt.Sprintf(format, args...)})
}

func (s *scene) topics() []string {
	var out []string
	for _, l := range s.lanes {
		out = append(out, l.topic)
	}
	return out
}

func (s *scene) inEachLane(do func(*lane) error) error {
	errs := make([]error, len(s.lanes))
	var all sync.WaitGroup
	for i, l := range s.lanes {
		all.Go(func() {
			if err := do(l); err != nil {
				errs[i] = fmt.Errorf("%s: %w", l.way.ID, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// A runner runs drills on one cluster.
type runner struct {
	o       Options
	root    string
	dir     string // for what the processes note
	cluster cluster
	view    *view
	runs    int
}

// errBusy says that a lane wasn't clean before the blow, so the run says nothing.
var errBusy = errors.New("there were failures, or acknowledgements that took seconds, before anything was done: " +
	"this machine is too busy for so much at the same time (-together takes fewer, -rate less)")

// run runs a drill for a few ways. It leaves the cluster whole and without the topics.
func (r *runner) run(ctx context.Context, d Drill, round int, ws []Way) (results []Result, err error) {
	r.runs++
	s := &scene{cluster: r.cluster, view: r.view, drill: d, begin: time.Now()}
	defer func() {
		for _, l := range s.lanes {
			err = errors.Join(err, l.end())
		}
		err = errors.Join(err, r.clean(context.WithoutCancel(ctx), s))
	}()
	for n, w := range ws {
		l, err := r.open(ctx, d.Side, w, n)
		if err != nil {
			return nil, err
		}
		s.lanes = append(s.lanes, l)
	}
	if err := r.warmUp(ctx, s); err != nil {
		return nil, err
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	if d.Side == Consumers {
		for _, l := range s.lanes {
			go l.watchCommits(watching, r.view)
		}
	}
	s.begin = time.Now()
	if err := d.strike(ctx, s); err != nil {
		return nil, fmt.Errorf("%s: %w", d.ID, err)
	}
	if err := sleep(ctx, hold); err != nil {
		return nil, err
	}
	upTo, err := r.finish(ctx, s)
	if err != nil {
		return nil, err
	}
	stopWatching()
	for _, l := range s.lanes {
		one := Result{
			Drill: d.ID, Way: l.way.ID, Round: round, Together: len(s.lanes), At: s.begin.UTC().Format(time.RFC3339),
			Events: s.events, Kills: s.kills, Pauses: s.pauses, Rewinds: l.rewound(), Says: l.said(),
		}
		if err := l.count(ctx, r, d, upTo, &one); err != nil {
			return nil, fmt.Errorf("counting %s: %w", l.way.ID, err)
		}
		results = append(results, one)
	}
	return results, nil
}

// count compares what the lane noted with what lies in the log.
func (l *lane) count(ctx context.Context, r *runner, d Drill, upTo time.Time, one *Result) error {
	entries, err := l.entries()
	if err != nil {
		return err
	}
	if l.consumes() && d.ID != producerKilled { // Where one process does both, its consumer died with it.
		acked, worked, err := l.acknowledged(upTo)
		if err != nil {
			return err
		}
		c := ledger.CountConsumed(acked, worked, l.key())
		one.Consumed = &c
	}
	if d.Side == Consumers {
		return nil
	}
	name, read := ledger.ReaderFor(l.way.Client)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	log, err := read(ctx, r.cluster.Addrs(), l.topic)
	if err != nil {
		return err
	}
	var written []ledger.Entry
	for _, e := range entries {
		if e.Kind == ledger.Worked {
			continue
		}
		if l.way.How == Program { // It prints only that a record is written.
			written = append(written, ledger.Entry{Kind: ledger.Handed, Number: e.Number, At: e.At})
		}
		written = append(written, e)
	}
	w := ledger.CountWritten(written, log, l.key())
	one.Written, one.Verifier = &w, name
	return nil
}

// warmUp starts everything, and waits until it is clean.
func (r *runner) warmUp(ctx context.Context, s *scene) error {
	for _, l := range s.lanes {
		if err := l.startAll(); err != nil {
			return err
		}
	}
	if s.drill.Side == Consumers {
		err := s.inEachLane(func(l *lane) error {
			return r.view.assigned(ctx, l.group, l.topic, members, shared)
		})
		if err != nil {
			return err
		}
		if err := sleep(ctx, settle); err != nil {
			return err
		}
		for _, l := range s.lanes {
			if l.feeder != nil {
				if err := l.feeder.start(ctx); err != nil {
					return err
				}
			}
		}
	}
	if err := sleep(ctx, warm); err != nil {
		return err
	}
	if s.drill.Side == Consumers {
		err := s.inEachLane(func(l *lane) error { return r.view.hasCommitted(ctx, l.group, l.topic, shared) })
		if err != nil {
			return err
		}
	}
	// Programs join their groups and clients connect: that may take some seconds more.
	err := until(ctx, "it runs cleanly", 45*time.Second, func(context.Context) error {
		return s.inEachLane(func(l *lane) error { return l.isClean(s.drill.Side) })
	})
	if err != nil && ctx.Err() == nil {
		return errors.Join(errBusy, err)
	}
	return err
}

// isClean says what isn't as it should be before the blow.
func (l *lane) isClean(side Side) error {
	if l.consumes() {
		acked, worked, err := l.acknowledged(time.Now().Add(-overdue))
		if err != nil {
			return err
		}
		if c := ledger.CountConsumed(acked, worked, l.key()); c.Never > 0 || c.Acked == 0 {
			return fmt.Errorf("of %d records %d are not worked on", c.Acked, c.Never)
		}
		if side == Consumers {
			return nil
		}
	}
	entries, err := l.entries()
	if err != nil {
		return err
	}
	waiting := make(map[int]time.Time)
	acked := 0
	for _, e := range entries {
		switch e.Kind {
		case ledger.Handed:
			waiting[e.Number] = e.At
		case ledger.Acked:
			acked++
			delete(waiting, e.Number)
		case ledger.Failed, ledger.Refused:
			return fmt.Errorf("a record failed: %v", l.said())
		}
	}
	if acked == 0 {
		return fmt.Errorf("nothing is acknowledged yet: %v", l.said())
	}
	for _, since := range waiting {
		if time.Since(since) > overdue {
			return fmt.Errorf("%d records wait, one for %v", len(waiting), time.Since(since).Round(time.Millisecond))
		}
	}
	return nil
}

// finish ends the load and waits for what is in hand. Of programs that produce and
// consume at the same time, what was acknowledged up to the returned time should
// have been worked on.
func (r *runner) finish(ctx context.Context, s *scene) (upTo time.Time, err error) {
	if s.drill.ID == producerKilled {
		return time.Now(), nil // It is dead; a consumer of its records is ended with the lane.
	}
	err = s.inEachLane(func(l *lane) error {
		switch {
		case s.drill.Side == Producers && l.way.How != Program:
			return l.drain(ctx)
		case l.feeder != nil:
			if err := l.feeder.stop(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return upTo, err
	}
	return time.Now().Add(-overdue), s.inEachLane(func(l *lane) error {
		if !l.consumes() {
			return nil
		}
		if err := l.catchUp(ctx, time.Now().Add(-overdue)); err != nil {
			return err
		}
		for place, p := range l.processes {
			if p.alive() {
				if err := l.leave(place); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// drain lets a producer finish. One that doesn't is killed: then nobody will ever
// learn of the records that it has in hand.
func (l *lane) drain(ctx context.Context) error {
	p := l.processes[0]
	if err := p.stop(); err != nil && p.alive() {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ended:
		return nil
	case <-time.After(drainPatience):
		l.errs = append(l.errs, fmt.Sprintf("it didn't finish within %v after the load had ended, and was killed", drainPatience))
		return p.kill()
	}
}

// catchUp waits until all that was acknowledged is worked on, or nothing is any more
// for longer than a dead member's session: then the rest never will be.
func (l *lane) catchUp(ctx context.Context, upTo time.Time) error {
	idle := l.way.session + 10*time.Second
	since, before := time.Now(), -1
	for {
		acked, worked, err := l.acknowledged(upTo)
		if err != nil {
			return err
		}
		never := ledger.CountConsumed(acked, worked, l.key()).Never
		if never == 0 || time.Since(since) > idle {
			return nil
		}
		if never != before {
			since, before = time.Now(), never
		}
		if err := sleep(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// watchCommits counts how often a committed offset of the group moves back.
func (l *lane) watchCommits(ctx context.Context, v *view) {
	reached := make(map[int32]int64)
	for sleep(ctx, 200*time.Millisecond) == nil {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		offsets, err := v.committed(asking, l.group, l.topic)
		cancel()
		if err != nil {
			continue // The coordinator may be dead.
		}
		l.mu.Lock()
		for p, offset := range offsets {
			if offset < reached[p] {
				l.rewinds++
			}
			reached[p] = offset
		}
		l.mu.Unlock()
	}
}

func (l *lane) rewound() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rewinds
}

// clean brings the cluster back to how it was found.
func (r *runner) clean(ctx context.Context, s *scene) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, l := range s.lanes {
		// A table is goka's, and only there if goka made it.
		if _, err := r.view.adm.DeleteTopics(ctx, l.topic, l.group+"-table"); err != nil {
			return fmt.Errorf("deleting a topic: %w", err)
		}
		if !r.o.KeepJournals {
			if err := os.RemoveAll(l.dir); err != nil {
				return fmt.Errorf("removing the journals: %w", err)
			}
		}
	}
	return nil
}

// journals returns where the processes of a run note what happens.
func journals() (string, error) {
	dir, err := os.MkdirTemp("", "faults-")
	if err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	return filepath.Abs(dir)
}
