package faults

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/faults/checker"
	"kafka-with-go/internal/laboratory/faults/history"
	"kafka-with-go/internal/laboratory/faults/report"
	"kafka-with-go/internal/laboratory/faults/scenario"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/kit"
)

// A plan is a run that is still to be made.
type plan struct {
	round int
	drill scenario.Drill
	ways  []workload.Way
}

// plans lists what isn't kept yet, round by round. Drills that take brokers with links come
// last in each, since they take another cluster.
func (o Options) plans(kept *report.Results, can func(scenario.Drill) bool) []plan {
	var out []plan
	var without, with []scenario.Drill
	for _, d := range o.Drills {
		switch {
		case !can(d):
		case d.Links:
			with = append(with, d)
		default:
			without = append(without, d)
		}
	}
	for round := 1; round <= o.Rounds; round++ {
		for _, d := range slices.Concat(without, with) {
			left := slices.DeleteFunc(slices.Clone(o.Ways), func(w workload.Way) bool {
				return !d.Takes(w) || kept.Has(d.ID, w.ID, round)
			})
			// Evenly shared, so that no few are alone.
			for n := (len(left) + o.Together - 1) / o.Together; n > 0; n-- {
				size := (len(left) + n - 1) / n
				out = append(out, plan{round, d, left[:size]})
				left = left[size:]
			}
		}
	}
	return out
}

// A runner runs drills on one cluster after the other.
type runner struct {
	o       Options
	root    string
	dir     string // for what the processes note
	pace    scenario.Pace
	cluster cluster.Cluster
	view    *cluster.View
	runs    int
}

// newRunner returns a runner without a cluster.
func newRunner(o Options, root string) (*runner, error) {
	dir, err := os.MkdirTemp("", "faults-")
	if err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	return &runner{o: o, root: root, dir: dir, pace: scenario.FullPace()}, nil
}

// open starts a cluster.
func (r *runner) open(ctx context.Context, start starter, links bool) (err error) {
	c, err := start(ctx, links)
	if err != nil {
		return err
	}
	r.cluster = c
	_, fake := c.(cluster.Embedded)
	r.view, err = cluster.NewView(ctx, r.cluster.Addrs(), !fake)
	return err
}

// closeCluster ends the cluster, if there is one.
func (r *runner) closeCluster() error {
	if r.view != nil {
		r.view.Close()
		r.view = nil
	}
	if r.cluster == nil {
		return nil
	}
	c := r.cluster
	r.cluster = nil
	return c.Close()
}

// measure runs all that isn't kept yet.
func (o Options) measure(ctx context.Context, root string, kept *report.Results, start starter) (err error) {
	r, err := newRunner(o, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.closeCluster(), os.RemoveAll(r.dir)) }()
	if err := r.open(ctx, start, false); err != nil {
		return err
	}
	can := func(d scenario.Drill) bool { return d.Can(r.cluster) }
	for _, d := range o.Drills {
		if !can(d) {
			fmt.Fprintf(os.Stderr, "left out, %s: this cluster can't do that\n", d.ID)
		}
	}
	plans := o.plans(kept, can)
	fmt.Fprintf(os.Stderr, "%s to do, about %s; what is measured is kept in %s\n",
		kit.Count(len(plans), "run"), minutes(takes(plans)), kept.Path)
	links, lastRound := false, 1
	begin := time.Now()
	for i, p := range plans {
		// A new round begins on fresh brokers: those with a long history come back slowly.
		if (p.drill.Links != links || p.round != lastRound) && !o.Docker {
			if err := errors.Join(r.closeCluster(), r.open(ctx, start, p.drill.Links)); err != nil {
				return err
			}
		}
		links, lastRound = p.drill.Links, p.round
		progress(plans, i, begin)
		outcomes, err := r.tryRun(ctx, p)
		if err != nil {
			return err
		}
		for _, one := range outcomes {
			fmt.Fprintf(os.Stderr, "  %-28s %s\n", one.Way, one.Sum())
			if err := kept.Keep(one.Result, one.history); err != nil {
				return err
			}
		}
	}
	return nil
}

// takes is how long plans take on a machine at rest.
func takes(plans []plan) (d time.Duration) {
	for _, p := range plans {
		d += time.Duration(p.drill.Seconds) * time.Second
	}
	return d
}

// progress says what runs now, and how long all will take: once some have run, by how long
// they took here.
func progress(plans []plan, at int, begin time.Time) {
	took, left := time.Since(begin), takes(plans[at:])
	if past := takes(plans[:at]); past > 0 {
		left = time.Duration(float64(left) * took.Seconds() / past.Seconds())
	}
	p := plans[at]
	fmt.Fprintf(os.Stderr, "[%v, about %s left] run %d of %d, round %d, %s: %s\n", took.Round(time.Second),
		minutes(left), at+1, len(plans), p.round, p.drill.ID, strings.Join(ids(p.ways), ", "))
}

func minutes(d time.Duration) string { return kit.Count(int(math.Ceil(d.Minutes())), "minute") }

func ids(ways []workload.Way) []string {
	var out []string
	for _, w := range ways {
		out = append(out, w.ID)
	}
	return out
}

// tryRun runs a plan, a few times if it must: a busy machine can spoil a run.
func (r *runner) tryRun(ctx context.Context, p plan) (outcomes []outcome, err error) {
	for range 5 {
		if outcomes, err = r.run(ctx, p.drill, p.round, p.ways); err == nil || ctx.Err() != nil {
			break
		}
		fmt.Fprintln(os.Stderr, "once more, since", err)
	}
	return outcomes, err
}

// run runs a drill for a few ways. It leaves the cluster whole and without the topics.
func (r *runner) run(
	ctx context.Context, d scenario.Drill, round int, ways []workload.Way,
) (outcomes []outcome, err error) {
	r.runs++
	workloads := make([]*workload.Workload, len(ways))
	defer func() { err = errors.Join(err, r.clean(context.WithoutCancel(ctx), workloads)) }()
	var opening errgroup.Group
	opening.SetLimit(runtime.NumCPU()) // Programs are built.
	for n, way := range ways {
		opening.Go(func() (err error) {
			workloads[n], err = workload.Open(ctx, r.view, d.Side, way, workload.Config{
				Root: r.root, Dir: r.dir, Name: fmt.Sprintf("drill-%d-%d", r.runs, n),
				Brokers: r.cluster.Addrs(), Rate: r.o.Rate,
			})
			return err
		})
	}
	if err := opening.Wait(); err != nil {
		return nil, err
	}
	run := scenario.NewRun(d, r.pace, r.cluster, r.view, workloads)
	upTo, err := run.Do(ctx)
	if err != nil {
		return nil, err
	}
	events, kills, pauses := run.Events()
	for _, w := range workloads {
		h, err := w.History(ctx, r.cluster.Addrs(), upTo)
		if err != nil {
			return nil, fmt.Errorf("counting %s: %w", w.Way.ID, err)
		}
		h.Drill, h.Round = d.ID, round
		one := outcome{history: h.Pack()}
		if one.Result, err = judge(h.Pack().Unpack()); err != nil {
			return nil, err
		}
		one.Together, one.At = len(ways), run.Started.UTC().Format(time.RFC3339)
		one.Events, one.Kills, one.Pauses = events, kills, pauses
		one.Rewinds, one.Says = w.Rewinds(), w.Said()
		outcomes = append(outcomes, one)
	}
	return outcomes, nil
}

// An outcome is a result, and the history that it was judged by.
type outcome struct {
	report.Result
	history history.Line
}

// judge has the checker judge a history. It needs nothing else, so that a history that was
// kept can be judged again.
func judge(h history.Run) (one report.Result, err error) {
	one = report.Result{Drill: h.Drill, Way: h.Way, Round: h.Round}
	way, err := workload.ByID(h.Way)
	if err != nil {
		return one, err
	}
	// Where one process does both, its consumer died with the producer.
	if !h.Writes || way.How == workload.Program && h.Drill != scenario.ProducerKilled {
		c := checker.Consuming(h)
		one.Consumed = &c
	}
	if h.Writes {
		w := checker.Writing(h)
		one.Written = &w
		one.Verifier, _ = history.ReaderFor(way.Client)
	}
	return one, nil
}

// clean brings the cluster back to how it was found.
func (r *runner) clean(ctx context.Context, workloads []*workload.Workload) error {
	ctx, cancel := context.WithTimeout(ctx, cluster.Patience)
	defer cancel()
	var errs []error
	for _, w := range workloads {
		if w == nil {
			continue // It couldn't be opened.
		}
		errs = append(errs, w.Close())
		// A table is goka's, and only there if goka made it.
		if _, err := r.view.DeleteTopics(ctx, w.Topic, w.Group+"-table"); err != nil {
			errs = append(errs, fmt.Errorf("deleting a topic: %w", err))
		}
		if err := w.Remove(); err != nil {
			errs = append(errs, fmt.Errorf("removing what was noted: %w", err))
		}
	}
	return errors.Join(errs...)
}
