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
)

// Kill kills a broker, and waits until the others go on without it: until then it
// counts as in sync, and another fault would be more than the cluster promises to bear.
func (r *Run) Kill(ctx context.Context, n int) error {
	if err := r.cluster.Kill(n); err != nil {
		return err
	}
	r.kills++
	r.note("broker %d is killed", n)
	if err := r.view.Without(ctx, n, r.topics()...); err != nil {
		return err
	}
	r.note("the others go on without broker %d", n)
	return nil
}

// Restart starts a broker, and waits until all replicas are in sync.
func (r *Run) Restart(ctx context.Context, n int) error {
	if err := r.cluster.StartBroker(n); err != nil {
		return err
	}
	r.note("broker %d is started", n)
	return r.whole(ctx)
}

func (r *Run) whole(ctx context.Context) error {
	if err := r.view.InSync(ctx, r.topics()...); err != nil {
		return err
	}
	r.note("all replicas are in sync")
	return r.noteController(ctx)
}

// noteController notes who leads the cluster now.
func (r *Run) noteController(ctx context.Context) error {
	n, err := r.view.Controller(ctx)
	if err != nil {
		return err
	}
	r.note("the controller is broker %d", n)
	return nil
}

// leader returns a broker that leads a third of the partitions and isn't the controller.
func (r *Run) leader(ctx context.Context) (int, error) {
	controller, err := r.view.Controller(ctx)
	if err != nil {
		return 0, err
	}
	r.note("the controller is broker %d", controller)
	return controller%3 + 1, nil
}

func (r *Run) killAndRestart(ctx context.Context, n int) error {
	if err := r.Kill(ctx, n); err != nil {
		return err
	}
	if err := kit.Sleep(ctx, hold); err != nil {
		return err
	}
	return r.Restart(ctx, n)
}

func killLeader(ctx context.Context, r *Run) error {
	n, err := r.leader(ctx)
	if err != nil {
		return err
	}
	return r.killAndRestart(ctx, n)
}

func killController(ctx context.Context, r *Run) error {
	n, err := r.view.Controller(ctx)
	if err != nil {
		return err
	}
	r.note("the controller is broker %d", n)
	return r.killAndRestart(ctx, n)
}

func killEach(ctx context.Context, r *Run) error {
	if err := r.noteController(ctx); err != nil {
		return err
	}
	for n := 1; n <= 3; n++ {
		if err := r.killAndRestart(ctx, n); err != nil {
			return err
		}
		if err := kit.Sleep(ctx, hold); err != nil {
			return err
		}
	}
	return nil
}

func pauseLeader(ctx context.Context, r *Run) error {
	n, err := r.leader(ctx)
	if err != nil {
		return err
	}
	c := r.cluster.(cluster.Pauser)
	if err := c.Pause(n); err != nil {
		return err
	}
	r.pauses++
	r.note("broker %d is paused", n)
	// It goes on also when the drill is interrupted.
	if err := errors.Join(kit.Sleep(ctx, freeze), c.Resume(n)); err != nil {
		return err
	}
	r.note("broker %d goes on", n)
	return r.whole(ctx)
}

func cutLeader(ctx context.Context, r *Run) error {
	n, err := r.leader(ctx)
	if err != nil {
		return err
	}
	if err := r.cluster.(cluster.Cutter).Cut(n); err != nil {
		return err
	}
	r.note("broker %d is cut off from the others", n)
	if err := kit.Sleep(ctx, split); err != nil {
		return err
	}
	if err := r.cluster.(cluster.Cutter).Heal(n); err != nil {
		return err
	}
	r.note("broker %d is with the others again", n)
	return r.whole(ctx)
}

func fillDisk(ctx context.Context, r *Run) error {
	n, err := r.leader(ctx)
	if err != nil {
		return err
	}
	c := r.cluster.(cluster.Filler)
	if err := c.FillDisk(n); err != nil {
		return err
	}
	r.note("the disk of broker %d is full", n)
	err = cluster.Until(ctx, "the broker is dead", cluster.Patience, func(context.Context) error {
		if c.PID(n) != 0 {
			return fmt.Errorf("broker %d lives", n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.note("broker %d died of it", n)
	if err := r.view.Without(ctx, n, r.topics()...); err != nil {
		return err
	}
	r.note("the others go on without broker %d", n)
	if err := kit.Sleep(ctx, hold); err != nil {
		return err
	}
	return r.Restart(ctx, n)
}

func killProducers(_ context.Context, r *Run) error {
	for _, l := range r.workloads {
		if err := l.First().Kill(); err != nil {
			return err
		}
	}
	r.note("the producers are killed")
	return nil
}

// killTwo leaves one broker: the one that is the controller, which can't decide
// anything alone. The second dies when the first is in no in-sync set any more.
func killTwo(ctx context.Context, r *Run) error {
	n, err := r.leader(ctx)
	if err != nil {
		return err
	}
	if err := r.Kill(ctx, n); err != nil {
		return err
	}
	second := n%3 + 1
	if err := r.cluster.Kill(second); err != nil {
		return err
	}
	r.kills++
	r.note("broker %d is killed, too", second)
	if err := kit.Sleep(ctx, minority); err != nil {
		return err
	}
	if err := r.cluster.StartBroker(second); err != nil {
		return err
	}
	r.note("broker %d is started", second)
	return r.Restart(ctx, n)
}

// Each is a fault of each workload by itself, all at the same time.
func Each(fault func(context.Context, *workload.Workload) error) func(context.Context, *Run) error {
	return func(ctx context.Context, r *Run) error {
		return r.each(func(l *workload.Workload) error { return fault(ctx, l) })
	}
}

func killMember(ctx context.Context, l *workload.Workload) error {
	if err := l.First().Kill(); err != nil {
		return err
	}
	if err := kit.Sleep(ctx, l.Way.Waits+5*time.Second); err != nil {
		return err
	}
	if err := l.Begin(0); err != nil {
		return err
	}
	return kit.Sleep(ctx, 2*hold)
}

func pauseMember(ctx context.Context, l *workload.Workload) error {
	p := l.First()
	if err := p.Pause(); err != nil {
		return err
	}
	if err := errors.Join(kit.Sleep(ctx, l.Way.Waits+5*time.Second), p.Resume()); err != nil {
		return err
	}
	return kit.Sleep(ctx, 4*hold)
}

func comeAndGo(ctx context.Context, l *workload.Workload) error {
	for range 6 {
		if err := l.Leave(ctx, 0); err != nil {
			return err
		}
		if err := kit.Sleep(ctx, time.Second); err != nil {
			return err
		}
		if err := l.Begin(0); err != nil {
			return err
		}
		if err := kit.Sleep(ctx, 4*time.Second); err != nil {
			return err
		}
	}
	return nil
}

func killCoordinator(ctx context.Context, r *Run) error {
	n, err := r.view.Coordinator(ctx, r.workloads[0].Group)
	if err != nil {
		return err
	}
	r.note("broker %d coordinates", n)
	if err := r.killAndRestart(ctx, n); err != nil {
		return err
	}
	return kit.Sleep(ctx, hold)
}

// added is how many partitions are added.
const added = 4

func addPartitions(ctx context.Context, r *Run) error {
	for _, l := range r.workloads {
		if _, err := r.view.CreatePartitions(ctx, added, l.Topic); err != nil {
			return fmt.Errorf("adding partitions: %w", err)
		}
	}
	r.note("partitions are added")
	err := r.each(func(l *workload.Workload) error { return l.Reach(ctx, workload.Shared) })
	if err != nil {
		return err
	}
	r.note("records are in the added partitions")
	if err := kit.Sleep(ctx, 30*time.Second); err != nil {
		return err
	}
	// As a deployment does: one after the other.
	for place := range workload.Members {
		err := r.each(func(l *workload.Workload) error {
			if err := l.Leave(ctx, place); err != nil {
				return err
			}
			return l.Begin(place)
		})
		if err != nil {
			return err
		}
		r.note("member %d is replaced", place+1)
		if err := kit.Sleep(ctx, 4*hold); err != nil {
			return err
		}
	}
	return nil
}
