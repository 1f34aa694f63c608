package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// A Side is what a drill is about.
type Side string

const (
	Producers Side = "producers"
	Consumers Side = "consumers"
)

// A Drill is a bad day.
type Drill struct {
	ID    string
	Side  Side
	Short string // a column's head
	Title string // a whole sentence's subject

	needs func(cluster) bool // nil for what every cluster can do
	links bool               // the brokers have to be started with links
	// seconds is about how long a round takes, for the progress line.
	seconds int

	strike func(ctx context.Context, s *scene) error
}

// producerKilled is the drill after which a program that consumes, too, is dead.
const producerKilled = "producer-killed"

const (
	hold     = 3 * time.Second  // after a blow, and after the cluster is whole again
	freeze   = 12 * time.Second // longer than a broker's session, which is 9 s
	split    = 15 * time.Second
	minority = 12 * time.Second
)

func canPause(c cluster) bool { _, ok := c.(pauser); return ok }
func canCut(c cluster) bool   { _, ok := c.(cutter); return ok }
func canFill(c cluster) bool  { _, ok := c.(filler); return ok }

// drills lists all drills, in the order of the tables.
func drills() []Drill {
	return []Drill{
		{ID: "leader-killed", Side: Producers, Short: "leader killed", Title: "the leader of a third of the partitions killed (-9), and restarted",
			seconds: 40, strike: killLeader},
		{ID: "each-in-turn", Side: Producers, Short: "each in turn", Title: "every broker killed (-9) and restarted, one after the other",
			seconds: 90, strike: killEach},
		{ID: "controller-killed", Side: Producers, Short: "controller killed", Title: "the controller killed (-9), and restarted",
			seconds: 40, strike: killController},
		{ID: "leader-paused", Side: Producers, Short: "leader paused", Title: "a leader paused for 12 s, and continued",
			seconds: 35, needs: canPause, strike: pauseLeader},
		{ID: "leader-cut-off", Side: Producers, Short: "leader cut off", Title: "a leader cut off from the other brokers for 15 s, but not from the client",
			seconds: 45, needs: canCut, links: true, strike: cutLeader},
		{ID: "disk-full", Side: Producers, Short: "disk full", Title: "a leader's disk full, until it died of that and was restarted with room",
			seconds: 45, needs: canFill, strike: fillDisk},
		{ID: producerKilled, Side: Producers, Short: "producer killed", Title: "the producing process killed (-9)",
			seconds: 15, strike: killProducers},
		{ID: "two-gone", Side: Producers, Short: "two of three gone", Title: "two brokers of three killed (-9), and restarted after 12 s",
			seconds: 60, strike: killTwo},
		{ID: "member-killed", Side: Consumers, Short: "member killed", Title: "a member killed (-9), and another started when its session was over",
			seconds: 80, strike: forLanes(killMember)},
		{ID: "member-paused", Side: Consumers, needs: func(cluster) bool { return runtime.GOOS != "windows" }, Short: "member paused", Title: "a member paused for 5 s more than its session, and continued",
			seconds: 90, strike: forLanes(pauseMember)},
		{ID: "comes-and-goes", Side: Consumers, Short: "comes and goes", Title: "a member that left and came back every few seconds, six times",
			seconds: 60, strike: forLanes(comeAndGo)},
		{ID: "coordinator-killed", Side: Consumers, Short: "coordinator killed", Title: "the group's coordinator killed (-9), and restarted",
			seconds: 50, strike: killCoordinator},
		{ID: "partitions-added", Side: Consumers, Short: "partitions added", Title: "four partitions added to four, and after 30 s both members replaced, one after the other, as a deployment does",
			seconds: 80, strike: addPartitions},
	}
}

// kill kills a broker, and waits until the others go on without it: until then it
// counts as in sync, and another blow would be more than the cluster promises to bear.
func (s *scene) kill(ctx context.Context, n int) error {
	if err := s.cluster.Kill(n); err != nil {
		return err
	}
	s.kills++
	s.note("broker %d is killed", n)
	if err := s.view.shrunk(ctx, n, s.topics()...); err != nil {
		return err
	}
	s.note("the others go on without broker %d", n)
	return nil
}

// restart starts a broker, and waits until all replicas are in sync.
func (s *scene) restart(ctx context.Context, n int) error {
	if err := s.cluster.StartBroker(n); err != nil {
		return err
	}
	s.note("broker %d is started", n)
	return s.whole(ctx)
}

func (s *scene) whole(ctx context.Context) error {
	if err := s.view.full(ctx, s.topics()...); err != nil {
		return err
	}
	s.note("all replicas are in sync")
	return s.noteController(ctx)
}

// noteController notes who leads the cluster now.
func (s *scene) noteController(ctx context.Context) error {
	n, err := s.view.controller(ctx)
	if err != nil {
		return err
	}
	s.note("the controller is broker %d", n)
	return nil
}

// leader returns a broker that leads a third of the partitions and isn't the controller.
func (s *scene) leader(ctx context.Context) (int, error) {
	controller, err := s.view.controller(ctx)
	if err != nil {
		return 0, err
	}
	s.note("the controller is broker %d", controller)
	return controller%3 + 1, nil
}

func (s *scene) killAndRestart(ctx context.Context, n int) error {
	if err := s.kill(ctx, n); err != nil {
		return err
	}
	if err := sleep(ctx, hold); err != nil {
		return err
	}
	return s.restart(ctx, n)
}

func killLeader(ctx context.Context, s *scene) error {
	n, err := s.leader(ctx)
	if err != nil {
		return err
	}
	return s.killAndRestart(ctx, n)
}

func killController(ctx context.Context, s *scene) error {
	n, err := s.view.controller(ctx)
	if err != nil {
		return err
	}
	s.note("the controller is broker %d", n)
	return s.killAndRestart(ctx, n)
}

func killEach(ctx context.Context, s *scene) error {
	if err := s.noteController(ctx); err != nil {
		return err
	}
	for n := 1; n <= 3; n++ {
		if err := s.killAndRestart(ctx, n); err != nil {
			return err
		}
		if err := sleep(ctx, hold); err != nil {
			return err
		}
	}
	return nil
}

func pauseLeader(ctx context.Context, s *scene) error {
	n, err := s.leader(ctx)
	if err != nil {
		return err
	}
	if err := s.cluster.(pauser).Pause(n); err != nil {
		return err
	}
	s.pauses++
	s.note("broker %d is paused", n)
	sleepErr := sleep(ctx, freeze)
	if err := s.cluster.(pauser).Resume(n); err != nil {
		return err
	}
	if sleepErr != nil {
		return sleepErr
	}
	s.note("broker %d goes on", n)
	return s.whole(ctx)
}

func cutLeader(ctx context.Context, s *scene) error {
	n, err := s.leader(ctx)
	if err != nil {
		return err
	}
	if err := s.cluster.(cutter).Cut(n); err != nil {
		return err
	}
	s.note("broker %d is cut off from the others", n)
	if err := sleep(ctx, split); err != nil {
		return err
	}
	if err := s.cluster.(cutter).Heal(n); err != nil {
		return err
	}
	s.note("broker %d is with the others again", n)
	return s.whole(ctx)
}

func fillDisk(ctx context.Context, s *scene) error {
	n, err := s.leader(ctx)
	if err != nil {
		return err
	}
	c := s.cluster.(filler)
	if err := c.FillDisk(n); err != nil {
		return err
	}
	s.note("the disk of broker %d is full", n)
	err = until(ctx, "the broker is dead", patience, func(context.Context) error {
		if c.PID(n) != 0 {
			return fmt.Errorf("broker %d lives", n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.note("broker %d died of it", n)
	if err := s.view.shrunk(ctx, n, s.topics()...); err != nil {
		return err
	}
	s.note("the others go on without broker %d", n)
	if err := sleep(ctx, hold); err != nil {
		return err
	}
	return s.restart(ctx, n)
}

func killProducers(_ context.Context, s *scene) error {
	for _, l := range s.lanes {
		if err := l.processes[0].kill(); err != nil {
			return err
		}
	}
	s.note("the producers are killed")
	return nil
}

// killTwo leaves one broker: the one that is the controller, which can't decide
// anything alone. The second dies when the first is in no in-sync set any more.
func killTwo(ctx context.Context, s *scene) error {
	n, err := s.leader(ctx)
	if err != nil {
		return err
	}
	if err := s.kill(ctx, n); err != nil {
		return err
	}
	second := n%3 + 1
	if err := s.cluster.Kill(second); err != nil {
		return err
	}
	s.kills++
	s.note("broker %d is killed, too", second)
	if err := sleep(ctx, minority); err != nil {
		return err
	}
	if err := s.cluster.StartBroker(second); err != nil {
		return err
	}
	s.note("broker %d is started", second)
	return s.restart(ctx, n)
}

// forLanes has each lane struck by itself, all at the same time.
func forLanes(strike func(ctx context.Context, l *lane) error) func(ctx context.Context, s *scene) error {
	return func(ctx context.Context, s *scene) error {
		return s.inEachLane(func(l *lane) error { return strike(ctx, l) })
	}
}

func killMember(ctx context.Context, l *lane) error {
	if err := l.processes[0].kill(); err != nil {
		return err
	}
	if err := sleep(ctx, l.way.session+5*time.Second); err != nil {
		return err
	}
	if err := l.begin(0); err != nil {
		return err
	}
	return sleep(ctx, 2*hold)
}

func pauseMember(ctx context.Context, l *lane) error {
	if err := l.processes[0].pause(); err != nil {
		return err
	}
	sleepErr := sleep(ctx, l.way.session+5*time.Second)
	if err := l.processes[0].resume(); err != nil {
		return err
	}
	if sleepErr != nil {
		return sleepErr
	}
	return sleep(ctx, 4*hold)
}

func comeAndGo(ctx context.Context, l *lane) error {
	for range 6 {
		if err := l.leave(0); err != nil {
			return err
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
		if err := l.begin(0); err != nil {
			return err
		}
		if err := sleep(ctx, 4*time.Second); err != nil {
			return err
		}
	}
	return nil
}

func killCoordinator(ctx context.Context, s *scene) error {
	n, err := s.view.coordinator(ctx, s.lanes[0].group)
	if err != nil {
		return err
	}
	s.note("broker %d coordinates", n)
	if err := s.killAndRestart(ctx, n); err != nil {
		return err
	}
	return sleep(ctx, hold)
}

// added is how many partitions are added.
const added = 4

func addPartitions(ctx context.Context, s *scene) error {
	for _, l := range s.lanes {
		if _, err := s.view.adm.CreatePartitions(ctx, added, l.topic); err != nil {
			return fmt.Errorf("adding partitions: %w", err)
		}
	}
	s.note("partitions are added")
	err := s.inEachLane(func(l *lane) error {
		if l.feeder == nil {
			return nil // A program's own producer notices them when it does.
		}
		return l.feeder.reach(ctx, shared)
	})
	if err != nil {
		return err
	}
	s.note("records are in the added partitions")
	if err := sleep(ctx, 30*time.Second); err != nil {
		return err
	}
	// As a deployment does: one after the other.
	for place := range members {
		err := s.inEachLane(func(l *lane) error {
			if err := l.leave(place); err != nil {
				return err
			}
			return l.begin(place)
		})
		if err != nil {
			return err
		}
		s.note("member %d is replaced", place+1)
		if err := sleep(ctx, 4*hold); err != nil {
			return err
		}
	}
	return nil
}

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
