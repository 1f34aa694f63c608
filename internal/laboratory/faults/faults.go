// Package faults kills, pauses and cuts off brokers and programs while Kafka clients write and
// read, and counts what was lost, repeated and put out of order. The command that runs it is
// 04-comparison/faults.
//
// Its packages use one another in one direction: a scenario happens to workloads, which note
// a history, which a checker judges, of which a report is made.
package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/faults/report"
	"kafka-with-go/internal/laboratory/faults/scenario"
	"kafka-with-go/internal/laboratory/faults/workload"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
)

// Options are the flags.
type Options struct {
	Write, Tables, Quick, Fresh, Embedded, Docker, KeepNotes bool

	Ways      []workload.Way
	Drills    []scenario.Drill
	Rounds    int
	Together  int
	Rate      int
	Results   string
	Histories string
}

func parse(args []string) (o Options, err error) {
	f := flag.NewFlagSet("faults", flag.ContinueOnError)
	f.BoolVar(&o.Write, "write", false,
		"keep the results in "+report.Committed+", and put tables and chart into "+report.Chapter.Path)
	f.BoolVar(&o.Tables, "tables", false, "make tables and chart again from "+report.Committed+
		" (with -results, print those of that file), and run nothing")
	f.BoolVar(&o.Quick, "quick", false, "one round of three drills: about seven minutes for all ways")
	f.BoolVar(&o.Fresh, "fresh", false, "forget the results that an earlier run kept")
	f.BoolVar(&o.Docker, "docker", false,
		"use the brokers of docker-compose.yml, which must run; it asks before it kills them")
	f.BoolVar(&o.Embedded, "embedded", false,
		"use the embedded cluster: it keeps one copy of a record, and can only be killed")
	f.BoolVar(&o.KeepNotes, "journals", false, "keep what the processes noted, and say where")
	f.StringVar(&o.Histories, "histories", "",
		"keep in this `folder`, compressed, what was noted in each run, so that it can be judged again")
	names := f.String("clients", "",
		"only these, separated by commas: clients, ways such as kafka-go/Async, or \"as shown\", safe, program")
	list := f.String("drills", "",
		"only these, separated by commas: producers, consumers, "+strings.Join(drillIDs(), ", "))
	f.IntVar(&o.Rounds, "rounds", 3, "how many rounds")
	f.IntVar(&o.Together, "together", 8, "how many ways meet a fault at the same time, at most")
	f.IntVar(&o.Rate, "rate", 1500, "records a second that each producer is asked to write")
	f.StringVar(&o.Results, "results", "",
		"the file that keeps the results (\"\": .cache/faults.jsonl, or with -write the committed one)")
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
	if err := o.check(); err != nil {
		return o, err
	}
	if o.Ways, err = workload.Chosen(*names); err != nil {
		return o, err
	}
	o.Drills, err = chosenDrills(*list)
	return o, err
}

// check says what can't be meant.
func (o Options) check() error {
	if o.Rounds < 1 || o.Together < 1 || o.Rate < workload.Keys {
		return fmt.Errorf("-rounds and -together are at least 1, and -rate %d", workload.Keys)
	}
	if o.Write && (o.Quick || o.Docker || o.Embedded) {
		return errors.New("-write keeps a run on Apache Kafka: it goes with none of -quick, -docker and -embedded")
	}
	if o.Docker && o.Embedded {
		return errors.New("-docker and -embedded are two clusters: choose one")
	}
	return nil
}

func drillIDs() []string {
	var ids []string
	for _, d := range scenario.Drills() {
		ids = append(ids, d.ID)
	}
	return ids
}

// chosenDrills returns the drills of a list of names and sides. An empty list is all of them.
func chosenDrills(list string) ([]scenario.Drill, error) {
	if list == "" {
		return scenario.Drills(), nil
	}
	names := strings.Split(list, ",")
	out := slices.DeleteFunc(scenario.Drills(), func(d scenario.Drill) bool {
		return !slices.Contains(names, d.ID) && !slices.Contains(names, string(d.Side))
	})
	known := append([]string{string(workload.Producers), string(workload.Consumers)}, drillIDs()...)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no drill %q; they are %s", name, strings.Join(known, ", "))
		}
	}
	return out, nil
}

// Command runs the fault drill with the arguments of its command.
func Command(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	root, err := generated.Root()
	if err != nil {
		return err
	}
	committed := filepath.Join(root, filepath.FromSlash(report.Committed))
	if o.Tables {
		return o.tables(root, committed)
	}
	o.leaveOutMissing()
	start, name, err := o.cluster(ctx)
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
	results, err := report.Open(path, report.Setup{
		Date: kit.Today(), Machine: kit.Machine(), Go: runtime.Version(), Cluster: name,
		Rate: o.Rate, Versions: report.Versions(),
	})
	if err != nil {
		return err
	}
	if err := o.measure(ctx, root, results, start); err != nil {
		return err
	}
	if o.Write {
		return results.Write(root)
	}
	text, err := results.Tables()
	fmt.Println(text)
	return err
}

// tables makes the tables again from what was kept.
func (o Options) tables(root, committed string) error {
	path := committed
	if o.Results != "" {
		path = o.Results
	}
	results, err := report.Load(path)
	if err != nil {
		return err
	}
	if o.Results == "" {
		return results.Write(root)
	}
	text, err := results.Tables()
	fmt.Println(text)
	return err
}

// leaveOutMissing leaves out the ways whose client isn't in this binary, and says so.
func (o *Options) leaveOutMissing() {
	o.Ways = slices.DeleteFunc(o.Ways, func(w workload.Way) bool {
		err := w.Unavailable()
		if err != nil {
			fmt.Fprintf(os.Stderr, "left out, %s: %v\n", w.ID, err)
		}
		return err != nil
	})
}

// A starter starts a cluster, with links between the brokers where they are asked for.
type starter func(ctx context.Context, links bool) (cluster.Cluster, error)

// cluster chooses the cluster.
func (o Options) cluster(ctx context.Context) (start starter, name string, err error) {
	switch {
	case o.Embedded:
		return func(context.Context, bool) (cluster.Cluster, error) {
			c, err := embedded.Start(embedded.Options{})
			return cluster.Embedded{Cluster: c}, err
		}, "the embedded cluster", nil
	case o.Docker:
		c, err := cluster.FindCompose(ctx, os.Stdin, os.Stderr)
		start := func(context.Context, bool) (cluster.Cluster, error) { return c, nil }
		return start, "Apache Kafka of docker-compose.yml", err
	}
	if why := apache.Unavailable(); why != "" {
		return nil, "", fmt.Errorf("the drill needs Apache Kafka: %s\n"+
			"Or use the brokers of docker-compose.yml, with -docker; or see how the clients do on the embedded cluster, with -embedded", why)
	}
	return func(ctx context.Context, links bool) (cluster.Cluster, error) {
		c, err := apache.Start(ctx, apache.Options{Links: links, Log: os.Stderr})
		if err != nil {
			return nil, err // Not a nil *Cluster in an interface.
		}
		return c, nil
	}, "Apache Kafka " + apache.Version + ", three brokers on the same machine", nil
}
