package main

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

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/ledger"
)

const (
	keys             = 30                      // different keys of a lane, spread over its partitions
	partitions       = 3                       // of a topic that is written: every broker leads one
	shared           = 4                       // of a topic that a group shares
	members          = 2                       // of that group
	consumerRate     = 100                     // records a second for a group
	producerInterval = 2 * time.Millisecond    // between two records of a program that is drilled as a producer
	workTime         = time.Millisecond        // on a record
	settle           = 3 * time.Second         // that a group at rest gets to find where it starts
	warm             = 4 * time.Second         // of load before a blow
	overdue          = 2500 * time.Millisecond // an acknowledgement that takes longer before the blow: the machine is too busy
	drainPatience    = 75 * time.Second        // for what is in hand when the load has ended
)

// A lane is one way under test in a run: its topic, its group and its processes.
type lane struct {
	way   Way
	topic string
	group string
	dir   string // of its journals and programs

	processes []*process                 // by place: the members of a group come first
	starters  []func() (*process, error) // by place
	started   []*process                 // all that ever were
	feeder    *feeder                    // of a group of workers
	errs      []string                   // what went wrong beside the process

	mu      sync.Mutex
	rewinds int // times that a committed offset moved back
}

// open makes a lane's topic and programs ready, and starts nothing yet.
func (r *runner) open(ctx context.Context, side Side, w Way, n int) (*lane, error) {
	l := &lane{way: w, topic: fmt.Sprintf("drill-%d-%d", r.runs, n), dir: filepath.Join(r.dir, fmt.Sprintf("%d-%d", r.runs, n))}
	l.group = sameCoordinator(l.topic + "-group")
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	count := int32(partitions)
	if side == Consumers {
		count = shared
	}
	if err := r.view.create(ctx, l.topic, count); err != nil {
		return nil, err
	}
	if w.How == Program {
		return l, r.openPrograms(side, l)
	}
	e := errand{Way: w.ID, Brokers: r.cluster.Addrs(), Topic: l.topic, Group: l.group, Keys: keys, Rate: r.o.Rate}
	places := 1
	if side == Consumers {
		e.Consume, e.Work, places = true, workTime, members
		l.feeder = newFeeder(r.cluster.Addrs(), l.topic)
	}
	for range places {
		l.starters = append(l.starters, func() (*process, error) {
			mine := e
			mine.Journal = filepath.Join(l.dir, strconv.Itoa(len(l.started)))
			return startWorker(mine)
		})
	}
	return l, nil
}

// openPrograms builds the programs of a lane. Where the producer is the thing, there
// is one member, and one process of a program that does both.
func (r *runner) openPrograms(side Side, l *lane) error {
	folders := slices.Clone(l.way.consumes)
	if side == Producers {
		folders = folders[:1]
	}
	folders = append(folders, l.way.writes...)
	if side == Producers {
		slices.Reverse(folders) // What is killed is at the first place.
	}
	interval := producerInterval
	if side == Consumers {
		writers := len(l.way.writes)
		if writers == 0 { // Each member also writes.
			writers = members
		}
		interval = time.Second * time.Duration(writers) / consumerRate
	}
	built := make(map[string]string)
	for _, folder := range folders {
		if built[folder] == "" {
			dir := filepath.Join(l.dir, strconv.Itoa(len(built)))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("making a folder: %w", err)
			}
			path, err := build(r.root, dir, folder, r.cluster.Addrs(), l.topic, l.group, interval)
			if err != nil {
				return err
			}
			built[folder] = path
		}
		l.starters = append(l.starters, func() (*process, error) { return start(politely(built[folder]), "") })
	}
	return nil
}

// startAll starts a process at each place.
func (l *lane) startAll() error {
	l.processes = make([]*process, len(l.starters))
	for i := range l.starters {
		if err := l.begin(i); err != nil {
			return err
		}
	}
	return nil
}

func (l *lane) begin(place int) error {
	p, err := l.starters[place]()
	if err != nil {
		return err
	}
	l.processes[place] = p
	l.started = append(l.started, p)
	return nil
}

// leave lets a process end in good order. One that doesn't is killed, and that is said.
func (l *lane) leave(place int) error {
	p := l.processes[place]
	if err := p.stop(); err != nil && p.alive() {
		return fmt.Errorf("stopping %s: %w", l.way.ID, err)
	}
	if !p.wait(20 * time.Second) {
		l.errs = append(l.errs, "a process didn't end in good order within 20 s, and was killed")
		return p.kill()
	}
	return nil
}

// end ends all processes of a lane, however it is.
func (l *lane) end() error {
	var errs []error
	if l.feeder != nil {
		l.feeder.close()
	}
	for _, p := range l.started {
		if p.alive() {
			errs = append(errs, p.kill())
		}
	}
	return errors.Join(errs...)
}

// entries returns what all processes of the lane noted, in the order of time.
func (l *lane) entries() ([]ledger.Entry, error) {
	var all []ledger.Entry
	for _, p := range l.started {
		entries, err := p.ledger()
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b ledger.Entry) int { return a.At.Compare(b.At) })
	return all, nil
}

// key is the order that the lane's records should keep.
func (l *lane) key() ledger.KeyOf {
	if l.way.How == Program {
		return ledger.OneKey
	}
	return ledger.ByKeys(keys)
}

// acknowledged returns what the lane's producers were told, up to a time, and what
// its consumers worked on.
func (l *lane) acknowledged(upTo time.Time) (acked, worked []ledger.Entry, err error) {
	entries, err := l.entries()
	if err != nil {
		return nil, nil, err
	}
	if l.feeder != nil {
		acked = l.feeder.acknowledged()
	}
	for _, e := range entries {
		switch e.Kind {
		case ledger.Acked:
			acked = append(acked, e)
		case ledger.Worked:
			worked = append(worked, e)
		}
	}
	acked = slices.DeleteFunc(acked, func(e ledger.Entry) bool { return e.At.After(upTo) })
	return acked, worked, nil
}

// said returns the errors that the lane's processes told of, each once.
func (l *lane) said() []string {
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

// consumes tells whether the lane has consumers in this drill.
func (l *lane) consumes() bool { return l.feeder != nil || l.way.How == Program }

// A feeder writes the records that a group works on: at a steady rate, each once.
type feeder struct {
	brokers []string
	topic   string

	mu     sync.Mutex
	cl     *kgo.Client
	cancel context.CancelFunc
	done   chan struct{}
	acked  []ledger.Entry
}

func newFeeder(brokers []string, topic string) *feeder {
	return &feeder{brokers: brokers, topic: topic}
}

func (f *feeder) start(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.brokers...), kgo.DefaultProduceTopic(f.topic), kgo.MetadataMinAge(time.Second))
	if err != nil {
		return fmt.Errorf("making the feeding producer: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	f.cl, f.cancel, f.done = cl, cancel, make(chan struct{})
	f.mu.Unlock()
	go func() {
		defer close(f.done)
		begin := time.Now()
		for n := 0; ; n++ {
			if sleep(ctx, time.Until(begin.Add(time.Second*time.Duration(n)/consumerRate))) != nil {
				return
			}
			record := &kgo.Record{Key: []byte("key-" + strconv.Itoa(n%keys)), Value: ledger.Value(n)}
			cl.Produce(context.WithoutCancel(ctx), record, func(r *kgo.Record, err error) {
				if err != nil {
					return // It isn't acknowledged, so nobody has to work on it.
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				f.acked = append(f.acked, ledger.Entry{Kind: ledger.Acked, Number: n, Partition: r.Partition, Offset: r.Offset, At: time.Now()})
			})
		}
	}()
	return nil
}

// reach has the feeder see partitions that were added, and returns when it has
// written to one of them: to one with that number or a higher one.
func (f *feeder) reach(ctx context.Context, partition int32) error {
	return until(ctx, "the feeding producer writes to added partitions", patience, func(context.Context) error {
		for _, e := range f.acknowledged() {
			if e.Partition >= partition {
				return nil
			}
		}
		f.cl.ForceMetadataRefresh()
		return errors.New("it writes to the old ones")
	})
}

// stop ends the load, and waits for what is in hand.
func (f *feeder) stop(ctx context.Context) error {
	f.cancel()
	<-f.done
	if err := f.cl.Flush(ctx); err != nil {
		return fmt.Errorf("finishing to feed: %w", err)
	}
	return nil
}

func (f *feeder) close() {
	f.mu.Lock()
	cl := f.cl
	f.mu.Unlock()
	if cl == nil {
		return
	}
	f.cancel()
	<-f.done
	cl.Close()
}

func (f *feeder) acknowledged() []ledger.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.acked)
}

// sameCoordinator appends to a group's name what gives all groups one coordinator:
// that of partition 0 of the topic with the groups' commits, chosen by Java's hash
// of the name. So one blow meets all groups.
func sameCoordinator(group string) string {
	for i := 0; ; i++ {
		if name := group + "-" + strconv.Itoa(i); (javaHash(name)&0x7fffffff)%3 == 0 {
			return name
		}
	}
}

// javaHash is the hash of a string in Java, for one of ASCII.
func javaHash(s string) (hash int32) {
	for _, c := range []byte(s) {
		hash = 31*hash + int32(c)
	}
	return hash
}
