// Package bench measures the five clients on the same brokers, each in a process of its own
// and in turn, round by round: how fast they write and receive, how long a record takes, and
// what that costs. Beside them are Kafka's own tools, in Java, and what the machine could do
// without Kafka. The command that runs it is 04-comparison/bench.
package bench

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// Options are the flags.
type Options struct {
	Write, Tables, Quick, Embedded, Base bool

	Kinds   []load.Kind
	Names   []string // of the clients
	Brokers []string
	Profile string
	Pace    Pace
}

func parse(args []string) (o Options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.Write, "write", false, "keep what is measured, and put tables and charts into "+chapter.Path)
	f.BoolVar(&o.Tables, "tables", false, "make tables and charts again from what was kept, and measure nothing")
	f.BoolVar(&o.Quick, "quick", false, "one short round on the embedded cluster (or on -brokers), within a minute")
	f.BoolVar(&o.Embedded, "embedded", false, "use the embedded cluster even where Apache Kafka could be started")
	f.BoolVar(&o.Base, "base", false, "measure only 100 B from one goroutine, with three partitions")
	names := f.String("clients", "", "measure only these clients, separated by commas")
	brokers := f.String("brokers", "", "measure on these brokers, separated by commas")
	kinds := f.String("tasks", "produce,consume,latency", "measure only these")
	f.StringVar(&o.Profile, "profile", "", "profile each client once, into this folder, instead of measuring")
	f.IntVar(&o.Pace.Rounds, "rounds", 0, "how many rounds (0: 5, or 1 with -quick)")
	f.DurationVar(&o.Pace.For, "time", 0, "how long each process measures (0: 500ms, or 300ms with -quick)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for kind := range strings.SplitSeq(*kinds, ",") {
		if !slices.Contains([]load.Kind{load.Produce, load.Consume, load.Latency}, load.Kind(kind)) {
			return o, fmt.Errorf("there is no task %q; they are produce, consume and latency", kind)
		}
		o.Kinds = append(o.Kinds, load.Kind(kind))
	}
	o.setPace()
	whole := !o.Quick && !o.Base && *names == "" && *brokers == "" && len(o.Kinds) == 3
	if o.Write && o.Profile == "" && !whole {
		return o, errors.New("-write keeps a whole run: " +
			"it goes with none of -quick, -base, -tasks, -clients and -brokers")
	}
	if *brokers != "" {
		o.Brokers = strings.Split(*brokers, ",")
	}
	o.Names, err = chosen(*names)
	if err == nil && o.Write && len(o.Names) < len(clients.All()) {
		err = fmt.Errorf("the tables need all five clients: %w", clients.Missing())
	}
	return o, err
}

func (o *Options) setPace() {
	rounds, long := 5, 500*time.Millisecond
	if o.Quick {
		rounds, long, o.Embedded = 1, 300*time.Millisecond, true
	}
	if o.Pace.Rounds <= 0 {
		o.Pace.Rounds = rounds
	}
	if o.Pace.For <= 0 {
		o.Pace.For = long
	}
	o.Pace.Warm = o.Pace.For / 2
}

// chosen returns the names of clients that are asked for, and that this binary has.
func chosen(list string) (names []string, err error) {
	for _, c := range clients.All() {
		if list != "" && !slices.Contains(strings.Split(list, ","), c.Name()) {
			continue
		}
		if err := c.Available(); err != nil {
			fmt.Fprintln(os.Stderr, "left out:", err)
			continue
		}
		names = append(names, c.Name())
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no client is called %q; they are %s", list, strings.Join(clients.Names(), ", "))
	}
	return names, nil
}

// Command runs the benchmark with the arguments of its command.
func Command(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	root, err := generated.Root()
	if err != nil {
		return err
	}
	var kept Results
	err = resultsFile.Load(root, &kept)
	if o.Tables {
		return errors.Join(err, kept.write(root))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := open(ctx, o.Brokers, o.Embedded, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "on %s. %s\n", b.name, b.worth)
	if o.Profile != "" {
		err = o.profile(ctx, b, root, kept)
	} else {
		err = o.measureAndReport(ctx, b, root, kept)
	}
	if ctx.Err() != nil {
		err = nil // After Ctrl-C only what is left behind is an error.
	}
	return errors.Join(err, b.close())
}

// profile profiles the clients, and keeps where their time goes beside what was measured.
func (o Options) profile(ctx context.Context, b *brokers, root string, kept Results) error {
	shares, err := profileAll(ctx, b, o.Names, o.Profile)
	if err != nil {
		return err
	}
	fmt.Print(Results{Shares: shares}.SharesTable())
	if !o.Write {
		return nil
	}
	if kept.Cases == nil {
		return errors.New("nothing was measured yet that the profiles could be kept with: " + resultsFile.Command)
	}
	kept.Shares = shares
	return errors.Join(resultsFile.Save(root, kept), kept.write(root))
}

func (o Options) measureAndReport(ctx context.Context, b *brokers, root string, kept Results) error {
	keep := func(Results) error { return nil }
	if o.Write {
		keep = func(r Results) error { return resultsFile.Save(root, r) }
	}
	r, err := o.measure(ctx, b, kept.Shares, keep)
	if err != nil {
		return err
	}
	if o.Write {
		return r.write(root)
	}
	text, err := r.render("tables")
	fmt.Println(text)
	return err
}

// measure runs all rounds, and has what was measured so far kept after each.
func (o Options) measure(
	ctx context.Context, b *brokers, shares map[string]Shares, keep func(Results) error,
) (Results, error) {
	java := apache.Unavailable() == ""
	if !java {
		fmt.Fprintln(os.Stderr, "without Java's tools:", apache.Unavailable())
	}
	r := Results{
		Date: kit.Today(), Machine: kit.Machine(), Go: runtime.Version(), Java: kit.JavaVersion(),
		Cluster: b.name, Worth: b.worth, Milliseconds: int(o.Pace.For.Milliseconds()),
		Versions: versions(), Settings: settings(o.Names), Shares: shares, Cases: o.plan(java),
	}
	sources, err := b.fillAll(ctx, r.Cases)
	if err != nil {
		return r, err
	}
	p := newProgress(o.Pace.Rounds * len(r.Cases))
	for round := range o.Pace.Rounds {
		for _, i := range order(r.Cases, round) {
			one := &r.Cases[i]
			p.next(round, o.Pace.Rounds, one)
			m, err := b.measure(ctx, *one, o.Pace, sources[one.Point])
			for again := 0; err != nil && ctx.Err() == nil && again < 3; again++ {
				fmt.Fprintf(os.Stderr, "\nonce again, since %v\n", err)
				m, err = b.measure(ctx, *one, o.Pace, sources[one.Point])
			}
			if err != nil {
				return r, fmt.Errorf("%v: %w", *one, err)
			}
			one.Rounds = append(one.Rounds, m)
		}
		r.Rounds = round + 1
		if err := keep(r); err != nil {
			return r, err
		}
	}
	p.done()
	return r, nil
}

// order is the order of the cases in a round: those that are compared with each other stay
// together, and each round begins with another of them.
func order(cases []Case, round int) []int {
	var out []int
	for from := 0; from < len(cases); {
		to := from
		for to < len(cases) && cases[to].Kind == cases[from].Kind && cases[to].Point == cases[from].Point {
			to++
		}
		for i := range to - from {
			out = append(out, from+(i+round)%(to-from))
		}
		from = to
	}
	return out
}

// A progress prints one line that is written over again and again.
type progress struct {
	begin   time.Time
	all, at int
}

func newProgress(all int) *progress { return &progress{begin: time.Now(), all: all} }

func (p *progress) next(round, rounds int, one *Case) {
	left := "?"
	if p.at > 5 {
		each := time.Since(p.begin) / time.Duration(p.at)
		left = (each * time.Duration(p.all-p.at)).Round(time.Second).String()
	}
	p.at++
	fmt.Fprintf(os.Stderr, "\r\x1b[Kround %d of %d, %d of %d, %s left: %v",
		round+1, rounds, p.at, p.all, left, one)
}

func (p *progress) done() {
	fmt.Fprintf(os.Stderr, "\r\x1b[Kmeasured in %v\n", time.Since(p.begin).Round(time.Second))
}
