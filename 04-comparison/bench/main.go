// Command bench measures the five clients on the same brokers, each in a
// process of its own and in turn, round by round: how fast they write and
// receive, how long a record takes, and what that costs. Beside them are
// Kafka's own tools, in Java, and what the machine could do without Kafka.
//
// Usage:
//
//	go run ./04-comparison/bench              measures, and prints the tables
//	go run ./04-comparison/bench -write       also keeps what was measured, and puts tables and charts
//	                                          into 04-comparison/README.md
//	go run ./04-comparison/bench -tables      makes tables and charts again from what was kept
//	go run ./04-comparison/bench -quick       is done within a minute, on the embedded cluster
//	go run ./04-comparison/bench -profile d   profiles each client once, into the folder d
//
// It starts Apache Kafka where Java and Kafka's jars are (KAFKA_JARS), uses the
// brokers that -brokers names, or else runs on the embedded cluster. Ctrl-C
// ends it, and leaves no topic behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"kafka-with-go/internal/apache"
	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
	"kafka-with-go/internal/generated"
)

// Options are the flags.
type Options struct {
	Write, Tables, Quick, Embedded bool
	Base                           bool
	Tasks                          []Task
	Names                          []string // of the clients
	Brokers                        []string
	Profile                        string
	Pace                           Pace

	root   string            // of the repository
	shares map[string]Shares // of the last profiles
}

func main() {
	if work() {
		return // This process ran an errand, see errand.go.
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
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "\nstopped: the topics of the benchmark are deleted")
	}
}

func parse(args []string) (o Options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.Write, "write", false, "keep what is measured, and put tables and charts into "+readme)
	f.BoolVar(&o.Tables, "tables", false, "make tables and charts again from what was kept, and measure nothing")
	f.BoolVar(&o.Quick, "quick", false, "one short round on the embedded cluster (or on -brokers), within a minute")
	f.BoolVar(&o.Embedded, "embedded", false, "use the embedded cluster even where Apache Kafka could be started")
	names := f.String("clients", "", "measure only these clients, separated by commas")
	brokers := f.String("brokers", "", "measure on these brokers, separated by commas")
	f.BoolVar(&o.Base, "base", false, "measure only 100 B from one goroutine, with three partitions")
	tasks := f.String("tasks", "produce,consume,latency", "measure only these")
	f.StringVar(&o.Profile, "profile", "", "profile each client once, into this folder, instead of measuring")
	f.IntVar(&o.Pace.Rounds, "rounds", 0, "how many rounds (0: 5, or 1 with -quick)")
	f.DurationVar(&o.Pace.For, "time", 0, "how long each process measures (0: 500ms, or 300ms with -quick)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for _, t := range strings.Split(*tasks, ",") {
		if !slices.Contains([]Task{Produce, Consume, Latency}, Task(t)) {
			return o, fmt.Errorf("there is no task %q; they are produce, consume and latency", t)
		}
		o.Tasks = append(o.Tasks, Task(t))
	}
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
	if o.Write && o.Profile == "" && (o.Quick || o.Base || *names != "" || *brokers != "" || len(o.Tasks) < 3) {
		return o, errors.New("-write keeps a whole run: it goes with none of -quick, -base, -tasks, -clients and -brokers")
	}
	if *brokers != "" {
		o.Brokers = strings.Split(*brokers, ",")
	}
	for _, c := range all.Clients() {
		if *names != "" && !slices.Contains(strings.Split(*names, ","), c.Name()) {
			continue
		}
		if err := c.Available(); err != nil {
			if o.Write {
				return o, fmt.Errorf("the tables need all five clients: %w", err)
			}
			fmt.Fprintln(os.Stderr, "left out:", err)
			continue
		}
		o.Names = append(o.Names, c.Name())
	}
	if len(o.Names) == 0 {
		return o, fmt.Errorf("no client is called %q; they are %s", *names, strings.Join(clientNames(), ", "))
	}
	return o, nil
}

// clientNames lists the five clients, in the order of the tables.
func clientNames() []string {
	var names []string
	for _, c := range all.Clients() {
		names = append(names, c.Name())
	}
	return names
}

func run(ctx context.Context, o Options) (err error) {
	root, err := generated.Root()
	if err != nil {
		return err
	}
	if o.Tables {
		r, err := load(root)
		if err != nil {
			return err
		}
		return r.writeAll(root)
	}
	c, err := open(ctx, o.Brokers, o.Embedded, os.Stderr)
	if err != nil && ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() {
		if ctx.Err() != nil {
			err = nil // After Ctrl-C only what is left behind is an error.
		}
		err = errors.Join(err, c.close())
	}()
	fmt.Fprintf(os.Stderr, "on %s. %s\n", c.name, c.worth)
	if o.Profile != "" {
		shares, err := profileAll(ctx, c, o.Names, o.Profile)
		if err != nil {
			return err
		}
		fmt.Print(renderShares(shares))
		if !o.Write {
			return nil
		}
		kept, err := load(root)
		if err != nil {
			return err
		}
		kept.Shares = shares
		return errors.Join(kept.save(root), kept.writeAll(root))
	}
	if kept, err := load(root); err == nil {
		o.shares = kept.Shares
	}
	o.root = root
	r, err := measure(ctx, c, o)
	if err != nil {
		return err
	}
	if !o.Write {
		fmt.Println(r.render())
		return nil
	}
	return r.writeAll(root)
}

// afterRound keeps what was measured so far.
func (o Options) afterRound(r Results) error {
	if !o.Write {
		return nil
	}
	return r.save(o.root)
}

// measure runs all rounds.
func measure(ctx context.Context, c *cluster, o Options) (Results, error) {
	java := apache.Unavailable() == ""
	if !java {
		fmt.Fprintln(os.Stderr, "without Java's tools:", apache.Unavailable())
	}
	r := Results{
		Date: time.Now().Format("2 January 2006"), Machine: machine(), Go: runtime.Version(),
		Java:    javaVersion(),
		Cluster: c.name, Worth: c.worth, Rounds: o.Pace.Rounds, Milliseconds: int(o.Pace.For.Milliseconds()),
		Versions: versions(), Settings: settings(o.Names), Shares: o.shares, Cases: o.plan(java),
	}
	type source struct {
		topic   string
		records int
	}
	sources := make(map[Point]source)
	for _, one := range r.Cases {
		if _, ok := sources[one.Point]; ok || one.Task != Consume {
			continue
		}
		fmt.Fprintf(os.Stderr, "writing records to receive (%v)\n", one.Point)
		topic, records, err := c.fill(ctx, one.Point)
		if err != nil {
			return r, err
		}
		sources[one.Point] = source{topic, records}
	}
	p := newProgress(o.Pace.Rounds * len(r.Cases))
	for round := range o.Pace.Rounds {
		for _, i := range order(r.Cases, round) {
			one := &r.Cases[i]
			p.next(round, o.Pace.Rounds, one)
			s := sources[one.Point]
			m, err := c.measure(ctx, *one, o.Pace, s.topic, s.records)
			for again := 0; err != nil && ctx.Err() == nil && again < 3; again++ {
				fmt.Fprintf(os.Stderr, "\nonce again, since %v\n", err)
				m, err = c.measure(ctx, *one, o.Pace, s.topic, s.records)
			}
			if err != nil {
				return r, fmt.Errorf("%v: %w", *one, err)
			}
			one.Rounds = append(one.Rounds, m)
		}
		r.Rounds = round + 1
		if err := o.afterRound(r); err != nil {
			return r, err
		}
	}
	p.done()
	return r, nil
}

// order is the order of the cases in a round: those that are compared with each
// other stay together, and each round begins with another of them.
func order(cases []Case, round int) []int {
	var out []int
	for from := 0; from < len(cases); {
		to := from
		for to < len(cases) && cases[to].Task == cases[from].Task && cases[to].Point == cases[from].Point {
			to++
		}
		for i := range to - from {
			out = append(out, from+(i+round)%(to-from))
		}
		from = to
	}
	return out
}

// measure measures a case once.
func (c *cluster) measure(ctx context.Context, one Case, pace Pace, source string, stored int) (m Measure, err error) {
	topic, group, records := source, "", 0
	if one.Task == Produce || one.Task == Latency && one.Client != limitName {
		if topic, err = c.topic(ctx, one.Point.Partitions); err != nil {
			return m, err
		}
		defer func() { err = errors.Join(err, c.remove(context.WithoutCancel(ctx), topic)) }()
	}
	if one.Task == Consume || one.Task == Latency {
		group = c.group()
	}
	if one.Task == Consume {
		records = stored
	}
	if one.Client == javaName {
		var rate float64
		if n := len(one.Rounds); n > 0 && one.Task != Latency {
			rate = one.Rounds[n-1].Rate
		}
		return javaRun{
			task: one.Task, brokers: c.addrs, topic: topic, group: group, point: one.Point,
			records: javaRecords(one.Task, one.Point, pace.For, rate, stored),
		}.run(ctx)
	}
	e := errand{
		Task: one.Task, Client: one.Client, Brokers: c.addrs, Topic: topic, Group: group, Point: one.Point,
		Way: clients.Matched, Alone: one.Way == oneByOne, Tuning: tuning(one.Task, one.Point.Size),
		Warm: pace.Warm, For: pace.For, Records: records,
	}
	if one.Way == oneByOne {
		e.Tuning.KeepMetadata = 0
	}
	if one.Way == asDefaults {
		e.Way = clients.Defaults
	}
	if one.Client == limitName {
		e.Task, e.Alone = Limit, one.Task == Latency
	}
	return e.start(ctx)
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
	fmt.Fprintf(os.Stderr, "\r\x1b[Kround %d of %d, %d of %d, %s left: %v", round+1, rounds, p.at, p.all, left, one)
}

func (p *progress) done() {
	fmt.Fprintf(os.Stderr, "\r\x1b[Kmeasured in %v\n", time.Since(p.begin).Round(time.Second))
}
