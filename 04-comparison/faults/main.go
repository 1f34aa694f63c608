// Command faults kills, pauses and cuts off brokers and programs while Kafka
// clients write and read, and counts what was lost, repeated and put out of order:
// with each client as its own first example shows it, with each made safe, and with
// the programs of this tutorial.
//
// Usage:
//
//	go run ./04-comparison/faults             runs every drill, and prints the tables
//	go run ./04-comparison/faults -quick      a few drills, one round
//	go run ./04-comparison/faults -clients sarama -drills leader-paused
//	go run ./04-comparison/faults -write      also keeps the results beside this program, and puts
//	                                          tables and chart into 04-comparison/FAULTS.md
//	go run ./04-comparison/faults -tables     makes tables and chart again from what was kept
//
// It starts three brokers of Apache Kafka on free ports, which takes Java and
// Kafka's jars (KAFKA_JARS); with -docker it uses the brokers of docker-compose.yml,
// after asking. Each result is kept when it is there, and a run that was stopped
// goes on where it was. Ctrl-C ends it, and everything that it started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"kafka-with-go/internal/apache"
	"kafka-with-go/internal/embedded"
	"kafka-with-go/internal/generated"
)

// Options are the flags.
type Options struct {
	Write, Tables, Quick, Fresh, Embedded, Docker, KeepJournals bool

	Ways     []Way
	Drills   []Drill
	Rounds   int
	Together int
	Rate     int
	Results  string
}

func main() {
	if work() {
		return // This process ran an errand, see worker.go.
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err == nil {
		err = run(ctx, o)
	}
	switch {
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "\nstopped: what was measured is kept, and the same command goes on from there")
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "error:", err)
		}
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o Options, err error) {
	f := flag.NewFlagSet("faults", flag.ContinueOnError)
	f.BoolVar(&o.Write, "write", false, "keep the results in "+committedResults+", and put tables and chart into "+chapter.Path)
	f.BoolVar(&o.Tables, "tables", false, "make tables and chart again from "+committedResults+" (with -results, print those of that file), and run nothing")
	f.BoolVar(&o.Quick, "quick", false, "one round of three drills: about seven minutes for all ways")
	f.BoolVar(&o.Fresh, "fresh", false, "forget the results that an earlier run kept")
	f.BoolVar(&o.Docker, "docker", false, "use the brokers of docker-compose.yml, which must run; it asks before it kills them")
	f.BoolVar(&o.Embedded, "embedded", false, "use the embedded cluster: it keeps one copy of a record, and can only be killed")
	f.BoolVar(&o.KeepJournals, "journals", false, "keep what the processes noted, and say where")
	names := f.String("clients", "", "only these, separated by commas: clients, ways such as kafka-go/Async, or \"as shown\", safe, program")
	list := f.String("drills", "", "only these, separated by commas: producers, consumers, "+strings.Join(drillIDs(), ", "))
	f.IntVar(&o.Rounds, "rounds", 3, "how many rounds")
	f.IntVar(&o.Together, "together", 8, "how many ways meet a blow at the same time, at most")
	f.IntVar(&o.Rate, "rate", 1500, "records a second that each producer is asked to write")
	f.StringVar(&o.Results, "results", "", "the file that keeps the results (\"\": .cache/faults.jsonl, or with -write the committed one)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	if o.Quick {
		o.Rounds = 1
		if *list == "" {
			*list = "leader-killed,leader-paused,member-killed"
		}
	}
	if o.Rounds < 1 || o.Together < 1 || o.Rate < keys {
		return o, fmt.Errorf("-rounds and -together are at least 1, and -rate %d", keys)
	}
	if o.Write && (o.Quick || o.Docker || o.Embedded) {
		return o, errors.New("-write keeps a run on Apache Kafka: it goes with none of -quick, -docker and -embedded")
	}
	if o.Docker && o.Embedded {
		return o, errors.New("-docker and -embedded are two clusters: choose one")
	}
	if o.Ways, err = chosen(*names); err != nil {
		return o, err
	}
	o.Drills, err = chosenDrills(*list)
	return o, err
}

func drillIDs() []string {
	var ids []string
	for _, d := range drills() {
		ids = append(ids, d.ID)
	}
	return ids
}

func chosenDrills(list string) ([]Drill, error) {
	names := strings.Split(list, ",")
	matched := make(map[string]bool)
	var out []Drill
	for _, d := range drills() {
		for _, name := range names {
			if list == "" || name == d.ID || name == string(d.Side) {
				matched[name] = true
				out = append(out, d)
				break
			}
		}
	}
	for _, name := range names {
		if list != "" && !matched[name] {
			return nil, fmt.Errorf("there is no drill %q; they are producers, consumers, %s", name, strings.Join(drillIDs(), ", "))
		}
	}
	return out, nil
}

func run(ctx context.Context, o Options) error {
	root, err := generated.Root()
	if err != nil {
		return err
	}
	committed := filepath.Join(root, filepath.FromSlash(committedResults))
	switch {
	case o.Tables && o.Results != "":
		k, err := load(o.Results)
		if err != nil {
			return err
		}
		fmt.Println(k.renderTables())
		return nil
	case o.Tables:
		k, err := load(committed)
		if err != nil {
			return err
		}
		return k.writeChapter(root)
	}
	var ways []Way
	for _, w := range o.Ways {
		if err := w.unavailable(); err != nil {
			fmt.Fprintf(os.Stderr, "left out, %s: %v\n", w.ID, err)
			continue
		}
		ways = append(ways, w)
	}
	o.Ways = ways
	open, name, err := opener(ctx, o)
	if err != nil {
		return err
	}
	path := o.Results
	switch {
	case path == "" && o.Write:
		path = committed
	case path == "":
		path = filepath.Join(root, ".cache", "faults.jsonl")
	}
	if o.Fresh {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forgetting the results: %w", err)
		}
	}
	k, err := keep(path, Setup{
		Date: time.Now().Format("2 January 2006"), Machine: machine(), Go: runtime.Version(), Cluster: name,
		Rate: o.Rate, Versions: versions(),
	})
	if err != nil {
		return err
	}
	if err := o.measure(ctx, root, k, open); err != nil {
		return err
	}
	if o.Write {
		return k.writeChapter(root)
	}
	fmt.Println(k.renderTables())
	return nil
}

// An open starts a cluster, with links between the brokers where they are asked for.
type open func(ctx context.Context, links bool) (cluster, error)

// opener chooses the cluster.
func opener(ctx context.Context, o Options) (start open, name string, err error) {
	switch {
	case o.Embedded:
		return func(context.Context, bool) (cluster, error) {
			c, err := embedded.Start(embedded.Options{})
			if err != nil {
				return nil, err
			}
			return inProcess{c}, nil
		}, "the embedded cluster", nil
	case o.Docker:
		c, err := findCompose(ctx, os.Stdin, os.Stderr)
		return func(context.Context, bool) (cluster, error) { return c, nil }, "Apache Kafka of docker-compose.yml", err
	}
	if why := apache.Unavailable(); why != "" {
		return nil, "", fmt.Errorf("the drill needs Apache Kafka: %s\nOr use the brokers of docker-compose.yml, with -docker; "+
			"or see how the clients do on the embedded cluster, with -embedded", why)
	}
	return func(ctx context.Context, links bool) (cluster, error) {
		c, err := apache.Start(ctx, apache.Options{Links: links, Log: os.Stderr})
		if err != nil {
			return nil, err // Not a nil *Cluster in an interface.
		}
		return c, nil
	}, "Apache Kafka " + apache.Version + ", three brokers on the same machine", nil
}

// A job is a run that is still to be made.
type job struct {
	round int
	drill Drill
	ways  []Way
}

// jobs lists what isn't kept yet, round by round. Drills that take brokers with
// links come last in each, since they take another cluster.
func (o Options) jobs(k *keeping, can func(Drill) bool) []job {
	var out []job
	ordered := slices.Clone(o.Drills)
	slices.SortStableFunc(ordered, func(a, b Drill) int { return boolInt(a.links) - boolInt(b.links) })
	for round := 1; round <= o.Rounds; round++ {
		for _, d := range ordered {
			if !can(d) {
				continue
			}
			var left []Way
			for _, w := range o.Ways {
				if d.takes(w) && !k.has(d.ID, w.ID, round) {
					left = append(left, w)
				}
			}
			// Evenly shared, so that no few are alone.
			for n := (len(left) + o.Together - 1) / o.Together; n > 0; n-- {
				size := (len(left) + n - 1) / n
				out = append(out, job{round, d, left[:size]})
				left = left[size:]
			}
		}
	}
	return out
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// takes tells whether a way takes part in a drill.
func (d Drill) takes(w Way) bool {
	return d.Side == Producers || !sameConsumer[w.ID]
}

// measure runs all that isn't kept yet.
func (o Options) measure(ctx context.Context, root string, k *keeping, start open) (err error) {
	dir, err := journals()
	if err != nil {
		return err
	}
	r := &runner{o: o, root: root, dir: dir}
	if o.KeepJournals {
		fmt.Fprintln(os.Stderr, "the journals are in", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if r.cluster, err = start(ctx, false); err != nil {
		return err
	}
	can := func(d Drill) bool { return d.needs == nil || d.needs(r.cluster) }
	for _, d := range o.Drills {
		if !can(d) {
			fmt.Fprintf(os.Stderr, "left out, %s: this cluster can't do that\n", d.ID)
		}
	}
	jobs := o.jobs(k, can)
	links, lastRound := false, 1
	begin := time.Now()
	for i, j := range jobs {
		// A new round begins on fresh brokers: those with a long history come back slowly.
		if (j.drill.links != links || j.round != lastRound) && !o.Docker {
			if err := r.close(); err != nil {
				return err
			}
			if r.cluster, err = start(ctx, j.drill.links); err != nil {
				return err
			}
		}
		links, lastRound = j.drill.links, j.round
		if r.view == nil {
			if r.view, err = newView(r.cluster.Addrs(), !o.Embedded); err != nil {
				return err
			}
		}
		o.progress(j, i, jobs, begin)
		results, err := r.run(ctx, j.drill, j.round, j.ways)
		for again := 0; err != nil && ctx.Err() == nil && again < 4; again++ {
			fmt.Fprintln(os.Stderr, "once more, since", err)
			results, err = r.run(ctx, j.drill, j.round, j.ways)
		}
		if err != nil {
			return err
		}
		for _, one := range results {
			fmt.Fprintf(os.Stderr, "  %-28s %s\n", one.Way, one.sum())
		}
		if err := k.add(results...); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) close() error {
	if r.view != nil {
		r.view.close()
		r.view = nil
	}
	if r.cluster == nil {
		return nil
	}
	c := r.cluster
	r.cluster = nil
	return c.Close()
}

// progress says what runs now, and how long all will take.
func (o Options) progress(j job, at int, jobs []job, begin time.Time) {
	left := 0
	for _, other := range jobs[at:] {
		left += other.drill.seconds
	}
	var ids []string
	for _, w := range j.ways {
		ids = append(ids, w.ID)
	}
	fmt.Fprintf(os.Stderr, "[%v, about %v left] run %d of %d, round %d, %s: %s\n", time.Since(begin).Round(time.Second),
		(time.Duration(left) * time.Second).Round(time.Minute), at+1, len(jobs), j.round, j.drill.ID, strings.Join(ids, ", "))
}

// machine describes this computer.
func machine() string {
	return fmt.Sprintf("%s/%s with %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}
