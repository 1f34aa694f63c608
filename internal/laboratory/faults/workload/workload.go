// Package workload is what Kafka clients do while something happens to them: in each workload
// one way of using a client writes, or shares the work of a group, in processes of its own.
package workload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/faults/checker"
	"kafka-with-go/internal/laboratory/faults/history"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/testing/overlay"
)

// A Side is what is under test.
type Side string

const (
	Producers Side = "producers"
	Consumers Side = "consumers"
)

const (
	Keys         = 30 // different keys of a workload, spread over its partitions
	Shared       = 4  // partitions of a topic that a group shares
	Members      = 2  // of that group
	ConsumerRate = 50 // records a second for a group: twice as many, each committed, are too many for two processors

	partitions       = 3                    // of a topic that is written: every broker leads one
	producerInterval = 2 * time.Millisecond // between two records of a program that only has to write
	workTime         = time.Millisecond     // on a record
	drainPatience    = 75 * time.Second     // for what is in hand when the load has ended

	// overdue is an acknowledgement that takes longer. If one is before the fault, the machine
	// is too busy.
	overdue = 2500 * time.Millisecond
)

// A Config says what a workload works with.
type Config struct {
	Root    string // of the repository
	Dir     string // for histories and programs
	Name    string // of its topic; no other workload has it
	Brokers []string
	Rate    int // records a second of a producer
}

// A Workload is one way under test: its topic, its group and its processes.
type Workload struct {
	Way   Way
	Side  Side
	Topic string
	Group string

	dir       string
	processes []*Process                 // by place: the members of a group come first
	starters  []func() (*Process, error) // by place
	started   []*Process                 // all that ever were
	feeder    *feeder                    // of a group of workers
	errs      []string                   // what went wrong beside the process

	mu      sync.Mutex
	rewinds int // times that a committed offset moved back
}

// Open makes a workload's topic and programs ready, and starts nothing yet. A workload that it
// returns beside an error has to be closed and removed, too.
func Open(ctx context.Context, v *cluster.View, side Side, w Way, c Config) (*Workload, error) {
	l := &Workload{Way: w, Side: side, Topic: c.Name, dir: filepath.Join(c.Dir, c.Name)}
	l.Group = sameCoordinator(l.Topic + "-group")
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	n := partitions
	if side == Consumers {
		n = Shared
	}
	if err := v.CreateTopic(ctx, l.Topic, n); err != nil {
		return l, err
	}
	if w.How == Program {
		return l, l.openPrograms(c)
	}
	j := job{Way: w.ID, Brokers: c.Brokers, Topic: l.Topic, Group: l.Group, Keys: Keys, Rate: c.Rate}
	places := 1
	if side == Consumers {
		j.Consume, j.Work, places = true, workTime, Members
		l.feeder = newFeeder(c.Brokers, l.Topic)
	}
	for range places {
		l.starters = append(l.starters, func() (*Process, error) {
			mine := j
			mine.History = filepath.Join(l.dir, strconv.Itoa(len(l.started)))
			return startWorker(mine)
		})
	}
	return l, nil
}

// openPrograms builds the programs of a workload.
func (l *Workload) openPrograms(c Config) error {
	folders, interval := l.programs()
	constants := overlay.On(c.Brokers, l.Topic, l.Group)
	constants["interval"] = fmt.Sprintf("%d * time.Millisecond", interval.Milliseconds())
	built := make(map[string]string)
	for _, folder := range folders {
		if built[folder] == "" {
			dir := filepath.Join(l.dir, strconv.Itoa(len(built)))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("making a folder: %w", err)
			}
			path, err := build(c.Root, dir, folder, constants)
			if err != nil {
				return err
			}
			built[folder] = path
		}
		l.starters = append(l.starters, func() (*Process, error) { return startProgram(built[folder]) })
	}
	return nil
}

// programs are the folders of the programs that run, and the time between two records that
// one writes. Where the producer is the thing, there is one member, and one process of a
// program that does both; and what is killed is at the first place.
func (l *Workload) programs() (folders []string, interval time.Duration) {
	w := l.Way
	if l.Side == Producers {
		return append(slices.Clone(w.writes), w.consumes[0]), producerInterval
	}
	writers := len(w.writes)
	if writers == 0 {
		writers = Members // Each member also writes.
	}
	return slices.Concat(w.consumes, w.writes), time.Second * time.Duration(writers) / ConsumerRate
}

// Start starts a process at each place.
func (l *Workload) Start() error {
	l.processes = make([]*Process, len(l.starters))
	for i := range l.starters {
		if err := l.Begin(i); err != nil {
			return err
		}
	}
	return nil
}

// Feed starts to feed a group of workers. Programs feed themselves.
func (l *Workload) Feed(ctx context.Context) error {
	if l.feeder == nil {
		return nil
	}
	return l.feeder.start(ctx)
}

// Reach waits until the added partitions from a number on have records. A program's own
// producer notices them when it does.
func (l *Workload) Reach(ctx context.Context, partition int32) error {
	if l.feeder == nil {
		return nil
	}
	return l.feeder.reach(ctx, partition)
}

// Begin starts a process at a place, where there is none any more.
func (l *Workload) Begin(place int) error {
	p, err := l.starters[place]()
	if err != nil {
		return err
	}
	l.processes[place] = p
	l.started = append(l.started, p)
	return nil
}

// First is the process that is killed, paused and replaced.
func (l *Workload) First() *Process { return l.processes[0] }

// Started are all processes that ever were.
func (l *Workload) Started() []*Process { return l.started }

// Leave lets a process end in good order. One that doesn't is killed, and that is said.
func (l *Workload) Leave(ctx context.Context, place int) error {
	return l.end(ctx, place, 20*time.Second, "a process didn't end in good order within %v, and was killed")
}

// end ends a process in good order, or kills it after a while. What is said of that has the time.
func (l *Workload) end(ctx context.Context, place int, long time.Duration, says string) error {
	p := l.processes[place]
	if err := p.stop(); err != nil && p.Alive() {
		return fmt.Errorf("stopping %s: %w", l.Way.ID, err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.Ended():
		return nil
	case <-time.After(long):
		l.errs = append(l.errs, fmt.Sprintf(says, long))
		return p.Kill()
	}
}

// Close ends all processes, however it is.
func (l *Workload) Close() error {
	var errs []error
	if l.feeder != nil {
		l.feeder.close()
	}
	for _, p := range l.started {
		if p.Alive() {
			errs = append(errs, p.Kill())
		}
	}
	return errors.Join(errs...)
}

// Remove removes what the workload keeps on this machine.
func (l *Workload) Remove() error { return os.RemoveAll(l.dir) }

// entries returns what all processes noted, in the order of time.
func (l *Workload) entries() ([]history.Entry, error) {
	var all []history.Entry
	if l.feeder != nil {
		all = l.feeder.acknowledged()
	}
	for _, p := range l.started {
		entries, err := p.noted()
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b history.Entry) int { return a.At.Compare(b.At) })
	return all, nil
}

// consumes tells whether the workload has consumers.
func (l *Workload) consumes() bool { return l.feeder != nil || l.Way.How == Program }

// keys is how many keys the order is kept for, or 0 for each partition.
func (l *Workload) keys() int {
	if l.Way.How == Program {
		return 0
	}
	return Keys
}

// History is all that a checker needs to judge the workload.
func (l *Workload) History(ctx context.Context, brokers []string, upTo time.Time) (history.Run, error) {
	run := history.Run{Way: l.Way.ID, Writes: l.Side == Producers, Keys: l.keys(), UpTo: upTo}
	var err error
	if run.Entries, err = l.entries(); err != nil || l.Side == Consumers {
		return run, err
	}
	_, read := history.ReaderFor(l.Way.Client)
	ctx, cancel := context.WithTimeout(ctx, cluster.Patience)
	defer cancel()
	run.Log, err = history.ReadLog(ctx, brokers, l.Topic, read)
	return run, err
}

// Said returns the errors that the processes told of, each once.
func (l *Workload) Said() []string {
	out := slices.Clone(l.errs)
	for _, p := range l.started {
		for _, text := range p.said() {
			if !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	const most = 8
	return out[:min(len(out), most)]
}

// unfinished is what was acknowledged up to a time, and what of it nobody has worked on.
func (l *Workload) unfinished(upTo time.Time) (checker.Consumed, error) {
	entries, err := l.entries()
	return checker.Consuming(history.Run{Entries: entries, Keys: l.keys(), UpTo: upTo}), err
}

// IsClean says what isn't as it should be before the fault.
func (l *Workload) IsClean() error {
	if l.consumes() {
		c, err := l.unfinished(time.Now().Add(-overdue))
		if err != nil {
			return err
		}
		if c.Never > 0 || c.Acked == 0 {
			return fmt.Errorf("of %d records %d are not worked on", c.Acked, c.Never)
		}
	}
	if l.Side == Consumers {
		return nil
	}
	return l.writesCleanly()
}

func (l *Workload) writesCleanly() error {
	entries, err := l.entries()
	if err != nil {
		return err
	}
	waiting := make(map[int]time.Time)
	acked := 0
	for _, e := range entries {
		switch e.Kind {
		case history.Handed:
			waiting[e.Number] = e.At
		case history.Acked:
			acked++
			delete(waiting, e.Number)
		case history.Failed, history.Refused:
			return fmt.Errorf("a record failed: %v", l.Said())
		}
	}
	if acked == 0 {
		return fmt.Errorf("nothing is acknowledged yet: %v", l.Said())
	}
	for _, since := range waiting {
		if time.Since(since) > overdue {
			return fmt.Errorf("%d records wait, one for %v", len(waiting), time.Since(since).Round(time.Millisecond))
		}
	}
	return nil
}

// StopLoad ends what is written, and waits for what is in hand. A producer that doesn't
// finish is killed: then nobody will ever learn of the records that it has in hand.
func (l *Workload) StopLoad(ctx context.Context) error {
	if l.Side == Producers && l.Way.How != Program {
		return l.end(ctx, 0, drainPatience,
			"it didn't finish within %v after the load had ended, and was killed")
	}
	if l.feeder != nil {
		return l.feeder.stop(ctx)
	}
	return nil
}

// Finish lets the consumers catch up with what was acknowledged some time ago, and then ends
// all processes.
func (l *Workload) Finish(ctx context.Context) error {
	if !l.consumes() {
		return nil
	}
	if err := l.catchUp(ctx, OverdueSince()); err != nil {
		return err
	}
	for place, p := range l.processes {
		if !p.Alive() {
			continue
		}
		if err := l.Leave(ctx, place); err != nil {
			return err
		}
	}
	return nil
}

// OverdueSince is the time before which an acknowledged record should have been worked on.
// Of programs that produce and consume at the same time, what is younger may be in hand.
func OverdueSince() time.Time { return time.Now().Add(-overdue) }

// catchUp waits until all that was acknowledged is worked on, or nothing is any more for
// longer than a dead member's session: then the rest never will be.
func (l *Workload) catchUp(ctx context.Context, upTo time.Time) error {
	idle := l.Way.Waits + 10*time.Second
	since, before := time.Now(), -1
	for {
		c, err := l.unfinished(upTo)
		if err != nil {
			return err
		}
		if c.Never == 0 || time.Since(since) > idle {
			return nil
		}
		if c.Never != before {
			since, before = time.Now(), c.Never
		}
		if err := kit.Sleep(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// WatchCommits counts how often a committed offset of the group moves back, until ctx ends.
func (l *Workload) WatchCommits(ctx context.Context, v *cluster.View) {
	reached := make(map[int32]int64)
	for kit.Sleep(ctx, 200*time.Millisecond) == nil {
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		offsets, err := v.Committed(asking, l.Group, l.Topic)
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

// Rewinds is how often a committed offset was seen to move back.
func (l *Workload) Rewinds() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rewinds
}
