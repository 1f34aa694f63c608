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
	"maps"
	"os"
	"path/filepath"
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
	Write, Tables, Quick, Embedded, Base, Fresh bool

	Kinds   []load.Kind
	Names   []string // of the clients
	Brokers []string
	Profile string
	Pace    Pace
}

// allKinds are what -tasks may name.
var allKinds = []load.Kind{load.Produce, load.Consume, load.Latency}

func parse(args []string) (o Options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.Write, "write", false, "keep what is measured, and put tables and charts into "+page.Path)
	f.BoolVar(&o.Tables, "tables", false, "make tables and charts again from what was kept, and measure nothing")
	f.BoolVar(&o.Quick, "quick", false, "one short round on the embedded cluster (or on -brokers), within a minute")
	f.BoolVar(&o.Embedded, "embedded", false, "use the embedded cluster even where Apache Kafka could be started")
	f.BoolVar(&o.Base, "base", false, "measure only 100 B from one goroutine, with three partitions")
	f.BoolVar(&o.Fresh, "fresh", false, "forget what a run that was interrupted has measured")
	names := f.String("clients", "", "measure only these clients, separated by commas")
	brokers := f.String("brokers", "", "measure on these brokers, separated by commas")
	kinds := f.String("tasks", "produce,consume,latency", "measure only these")
	f.StringVar(&o.Profile, "profile", "", "profile each client once, into this folder, instead of measuring")
	f.IntVar(&o.Pace.Rounds, "rounds", 0, "how many rounds (0: 7, or 1 with -quick)")
	f.DurationVar(&o.Pace.For, "time", 0, "how long each process measures (0: 2s, or 300ms with -quick)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for kind := range strings.SplitSeq(*kinds, ",") {
		if !slices.Contains(allKinds, load.Kind(kind)) {
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
	rounds, long := 7, 2*time.Second
	if o.Quick {
		rounds, long, o.Embedded = 1, 300*time.Millisecond, true
	}
	if o.Pace.Rounds <= 0 {
		o.Pace.Rounds = rounds
	}
	if o.Pace.For <= 0 {
		o.Pace.For = long
	}
	o.Pace.Warm = o.Pace.For / 4
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
	if o.Tables {
		var kept Results
		err := resultsFile.Load(root, &kept)
		return errors.Join(err, kept.write(root))
	}
	b, err := open(ctx, o.Brokers, o.Embedded, os.Stderr)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "on %s\n", b.name)
	if o.Profile != "" {
		err = o.profile(ctx, b)
	} else {
		err = o.measureAndReport(ctx, b, root)
	}
	if ctx.Err() != nil {
		err = nil // After Ctrl-C only what is left behind is an error.
	}
	return errors.Join(err, b.close())
}

// profile profiles the processor time of each client once, writing and receiving.
func (o Options) profile(ctx context.Context, b *brokers) error {
	if err := os.MkdirAll(o.Profile, 0o755); err != nil {
		return fmt.Errorf("making the folder of the profiles: %w", err)
	}
	from, err := b.fill(ctx, base)
	if err != nil {
		return err
	}
	for _, name := range o.Names {
		for _, kind := range []load.Kind{load.Produce, load.Consume} {
			path := filepath.Join(o.Profile, name+"-"+string(kind)+".pprof")
			fmt.Printf("go tool pprof -top %s\n", path)
			one := Case{Kind: kind, Point: base, Client: name, Way: asShipped, profile: path}
			if _, err := b.measure(ctx, one, o.Pace, from); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o Options) measureAndReport(ctx context.Context, b *brokers, root string) error {
	var before Results
	keep := func(Results) error { return nil }
	if o.Write {
		keep = func(r Results) error { return unfinishedFile.Save(root, r) }
		err := unfinishedFile.Load(root, &before)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if o.Fresh {
		before = Results{}
	}
	r, err := o.measure(ctx, b, before, keep)
	if err != nil && o.Write {
		fmt.Fprintln(os.Stderr, "\nWhat was measured is kept: the same command goes on with it.")
	}
	if err != nil {
		return err
	}
	if o.Write {
		err := errors.Join(resultsFile.Save(root, r), r.write(root))
		return errors.Join(err, os.Remove(filepath.Join(root, unfinishedFile.Path)))
	}
	parts := r.parts()
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		fmt.Printf("%s\n\n%s\n", name, parts[name])
	}
	return nil
}

// measure runs all rounds, but for what an earlier run of the same has measured, and has what was
// measured so far kept after each process.
func (o Options) measure(ctx context.Context, b *brokers, before Results, keep func(Results) error) (Results, error) {
	java := apache.Unavailable() == ""
	if !java {
		fmt.Fprintln(os.Stderr, "without Java's tools:", apache.Unavailable())
	}
	r := Results{
		Date: kit.Today(), Machine: kit.Machine(), Go: runtime.Version(), Java: kit.JavaVersion(),
		Cluster: b.name, Milliseconds: int(o.Pace.For.Milliseconds()), Rounds: o.Pace.Rounds,
		Versions: versions(), Settings: settings(o.Names), Cases: o.plan(java),
	}
	r.goOn(before)
	sources, err := b.fillAll(ctx, r.Cases)
	if err != nil {
		return r, err
	}
	begin, earlier := time.Now(), r.Seconds
	p := newProgress(os.Stderr, o.Pace.Rounds, len(r.Cases))
	for round := range o.Pace.Rounds {
		for _, i := range order(r.Cases, round) {
			one := &r.Cases[i]
			if p.next(round, one); len(one.Rounds) > round {
				continue
			}
			m, err := b.measure(ctx, *one, o.Pace, sources[one.Point])
			for again := 0; err != nil && ctx.Err() == nil && again < 3; again++ {
				fmt.Fprintf(os.Stderr, "\nonce again, since %v\n", err)
				m, err = b.measure(ctx, *one, o.Pace, sources[one.Point])
			}
			if err != nil {
				return r, fmt.Errorf("%v: %w", *one, err)
			}
			one.Rounds = append(one.Rounds, m)
			r.Seconds = earlier + time.Since(begin).Seconds()
			if err := keep(r); err != nil {
				return r, err
			}
		}
	}
	fmt.Fprintln(os.Stderr, "\nmeasured in "+r.took())
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

// A progress says how far it is: in one line that is written over again and again on a terminal,
// and in a line for each round elsewhere.
type progress struct {
	out              *os.File
	begin            time.Time
	rounds, each, at int
	round            int // that was said
	terminal         bool
}

func newProgress(out *os.File, rounds, each int) *progress {
	info, err := out.Stat()
	return &progress{
		out: out, begin: time.Now(), rounds: rounds, each: each, round: -1,
		terminal: err == nil && info.Mode()&os.ModeCharDevice != 0,
	}
}

func (p *progress) next(round int, one *Case) {
	left := "?"
	if p.at > 5 {
		each := time.Since(p.begin) / time.Duration(p.at)
		left = (each * time.Duration(p.rounds*p.each-p.at)).Round(time.Second).String()
	}
	p.at++
	switch {
	case p.terminal:
		fmt.Fprintf(p.out, "\r\x1b[Kround %d of %d, %d of %d, %s left: %v",
			round+1, p.rounds, p.at, p.rounds*p.each, left, one)
	case round != p.round:
		fmt.Fprintf(p.out, "round %d of %d, %s left\n", round+1, p.rounds, left)
		p.round = round
	}
}
