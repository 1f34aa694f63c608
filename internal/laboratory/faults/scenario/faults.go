package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

const (
	hold     = 3 * time.Second  // after a fault, and after the cluster is whole again
	freeze   = 12 * time.Second // longer than a broker's session, which is 9 s
	split    = 15 * time.Second
	minority = 12 * time.Second

	added = 4 // partitions
)

// A Step is a part of a fault: of one that happens to a run, or to a workload by itself.
type Step[T any] func(ctx context.Context, to T) error

// Sequence is one step after the other, until one fails.
func Sequence[T any](steps ...Step[T]) Step[T] {
	return func(ctx context.Context, to T) error {
		for _, s := range steps {
			if err := s(ctx, to); err != nil {
				return err
			}
		}
		return nil
	}
}

// Wait does nothing for a while.
func Wait[T any](d time.Duration) Step[T] {
	return func(ctx context.Context, _ T) error { return kit.Sleep(ctx, d) }
}

// The faults of brokers. A step that chooses a broker says to whom the next steps happen.
var (
	killAndRestart = Sequence(Kill, Wait[*Run](hold), Restart)

	killLeader      = Sequence(chooseLeader, killAndRestart)
	killController  = Sequence(chooseController, killAndRestart)
	killCoordinator = Sequence(chooseCoordinator, killAndRestart, Wait[*Run](hold))
	killEach        = Sequence(noteController,
		Choose(1), killAndRestart, Wait[*Run](hold),
		Choose(2), killAndRestart, Wait[*Run](hold),
		Choose(3), killAndRestart, Wait[*Run](hold))
	pauseLeader = Sequence(chooseLeader, pauseFor(freeze), whole)
	cutLeader   = Sequence(chooseLeader, cut, Wait[*Run](split), heal, whole)
	fillDisk    = Sequence(chooseLeader, fill, untilDead, untilWithout, Wait[*Run](hold), Restart)

	// One broker is left: the one that is the controller, which can't decide anything alone.
	// The second dies when the first is in no in-sync set any more.
	killTwo = Sequence(chooseLeader, Kill, killNext, Wait[*Run](minority), startNext, Restart)
)

// The faults of groups.
var (
	killMember  = Sequence(kill, waitForSession, begin, Wait[*workload.Workload](2*hold))
	pauseMember = Sequence(pauseForSession, Wait[*workload.Workload](4*hold))
	leaveOnce   = Sequence(leave, Wait[*workload.Workload](time.Second),
		begin, Wait[*workload.Workload](4*time.Second))
	comeAndGo = Sequence(leaveOnce, leaveOnce, leaveOnce, leaveOnce, leaveOnce, leaveOnce)

	// As a deployment does, the members are replaced one after the other.
	addPartitions = Sequence(createPartitions, Wait[*Run](30*time.Second),
		replace(0), Wait[*Run](4*hold), replace(1), Wait[*Run](4*hold))
)

// Each is a fault of each workload by itself, all at the same time.
func Each(fault Step[*workload.Workload]) Step[*Run] {
	return func(ctx context.Context, r *Run) error {
		return r.each(func(w *workload.Workload) error { return fault(ctx, w) })
	}
}

// Choose chooses a broker.
func Choose(n int) Step[*Run] {
	return func(_ context.Context, r *Run) error {
		r.broker = n
		return nil
	}
}

// noteController notes who leads the cluster now.
func noteController(ctx context.Context, r *Run) (err error) {
	if r.controller, err = r.view.Controller(ctx); err == nil {
		r.note("the controller is broker %d", r.controller)
	}
	return err
}

func chooseController(ctx context.Context, r *Run) error {
	err := noteController(ctx, r)
	r.broker = r.controller
	return err
}

// chooseLeader chooses a broker that leads a third of the partitions and isn't the controller.
func chooseLeader(ctx context.Context, r *Run) error {
	err := noteController(ctx, r)
	r.broker = next(r.controller)
	return err
}

// next is the broker after another one, in a circle.
func next(n int) int { return n%3 + 1 }

func chooseCoordinator(ctx context.Context, r *Run) (err error) {
	if r.broker, err = r.view.Coordinator(ctx, r.workloads[0].Group); err == nil {
		r.note("broker %d coordinates", r.broker)
	}
	return err
}

// happened notes what was done, unless it failed.
func (r *Run) happened(err error, format string, args ...any) error {
	if err == nil {
		r.note(format, args...)
	}
	return err
}

// Kill kills the broker, and waits until the others go on without it: until then it counts
// as in sync, and another fault would be more than the cluster promises to bear.
func Kill(ctx context.Context, r *Run) error {
	if err := r.happened(r.cluster.Kill(r.broker), "broker %d is killed", r.broker); err != nil {
		return err
	}
	r.kills++
	return untilWithout(ctx, r)
}

func untilWithout(ctx context.Context, r *Run) error {
	err := r.view.Without(ctx, r.broker, r.topics()...)
	return r.happened(err, "the others go on without broker %d", r.broker)
}

// Restart starts the broker, and waits until all replicas are in sync.
func Restart(ctx context.Context, r *Run) error {
	if err := r.happened(r.cluster.StartBroker(r.broker), "broker %d is started", r.broker); err != nil {
		return err
	}
	return whole(ctx, r)
}

func whole(ctx context.Context, r *Run) error {
	err := r.happened(r.view.InSync(ctx, r.topics()...), "all replicas are in sync")
	if err != nil {
		return err
	}
	return noteController(ctx, r)
}

func killNext(_ context.Context, r *Run) error {
	second := next(r.broker)
	r.kills++
	return r.happened(r.cluster.Kill(second), "broker %d is killed, too", second)
}

func startNext(_ context.Context, r *Run) error {
	second := next(r.broker)
	return r.happened(r.cluster.StartBroker(second), "broker %d is started", second)
}

// pauseFor pauses the broker. It goes on also when the drill is interrupted.
func pauseFor(d time.Duration) Step[*Run] {
	return func(ctx context.Context, r *Run) error {
		c := r.cluster.(cluster.Pauser)
		if err := r.happened(c.Pause(r.broker), "broker %d is paused", r.broker); err != nil {
			return err
		}
		r.pauses++
		err := errors.Join(kit.Sleep(ctx, d), c.Resume(r.broker))
		return r.happened(err, "broker %d goes on", r.broker)
	}
}

func cut(_ context.Context, r *Run) error {
	err := r.cluster.(cluster.Cutter).Cut(r.broker)
	return r.happened(err, "broker %d is cut off from the others", r.broker)
}

func heal(_ context.Context, r *Run) error {
	err := r.cluster.(cluster.Cutter).Heal(r.broker)
	return r.happened(err, "broker %d is with the others again", r.broker)
}

func fill(_ context.Context, r *Run) error {
	err := r.cluster.(cluster.Filler).FillDisk(r.broker)
	return r.happened(err, "the disk of broker %d is full", r.broker)
}

func untilDead(ctx context.Context, r *Run) error {
	err := cluster.Until(ctx, "the broker is dead", cluster.Patience, func(context.Context) error {
		if r.cluster.(cluster.Filler).PID(r.broker) != 0 {
			return fmt.Errorf("broker %d lives", r.broker)
		}
		return nil
	})
	return r.happened(err, "broker %d died of it", r.broker)
}

func killProducers(_ context.Context, r *Run) error {
	err := r.each(func(w *workload.Workload) error { return w.First().Kill() })
	return r.happened(err, "the producers are killed")
}

func createPartitions(ctx context.Context, r *Run) error {
	for _, w := range r.workloads {
		if _, err := r.view.CreatePartitions(ctx, added, w.Topic); err != nil {
			return fmt.Errorf("adding partitions: %w", err)
		}
	}
	r.note("partitions are added")
	err := r.each(func(w *workload.Workload) error { return w.Reach(ctx, workload.Shared) })
	return r.happened(err, "records are in the added partitions")
}

// replace replaces a member of each group.
func replace(place int) Step[*Run] {
	return func(ctx context.Context, r *Run) error {
		err := r.each(func(w *workload.Workload) error {
			if err := w.Leave(ctx, place); err != nil {
				return err
			}
			return w.Begin(place)
		})
		return r.happened(err, "member %d is replaced", place+1)
	}
}

// What happens to the first member of a group.

func kill(_ context.Context, w *workload.Workload) error { return w.First().Kill() }

func begin(_ context.Context, w *workload.Workload) error { return w.Begin(0) }

func leave(ctx context.Context, w *workload.Workload) error { return w.Leave(ctx, 0) }

// waitForSession waits until nobody waits for the member any more.
func waitForSession(ctx context.Context, w *workload.Workload) error {
	return kit.Sleep(ctx, w.Way.Waits+5*time.Second)
}

// pauseForSession pauses the member. It goes on also when the drill is interrupted.
func pauseForSession(ctx context.Context, w *workload.Workload) error {
	if err := w.First().Pause(); err != nil {
		return err
	}
	return errors.Join(waitForSession(ctx, w), w.First().Resume())
}
