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
	Write, Tables, Recount, Control, Quick, Fresh, Embedded, Docker bool

	Ways     []workload.Way
	Drills   []scenario.Drill
	Rounds   int
	Together int
	Rate     int
	Results  string
}

func parse(args []string) (o Options, err error) {
	f := flag.NewFlagSet("faults", flag.ContinueOnError)
	f.BoolVar(&o.Write, "write", false,
		"keep the results in "+report.Committed+", and put tables and chart into "+report.Chapter.Path)
	f.BoolVar(&o.Tables, "tables", false, "make tables and chart again from "+report.Committed+
		" (with -results, print those of that file), and run nothing")
	f.BoolVar(&o.Recount, "recount", false,
		"as -tables, but first have the checker judge the kept histories again, and say what changed")
	f.BoolVar(&o.Control, "control", false, "each way alone on the brokers, in a round of a few drills; "+
		"with -write it is kept in "+report.Control)
	f.BoolVar(&o.Quick, "quick", false, "one round of three drills: about seven minutes for all ways")
	f.BoolVar(&o.Fresh, "fresh", false, "begin anew, and set aside what an earlier run kept")
	f.BoolVar(&o.Docker, "docker", false,
		"use the brokers of docker-compose.yml, which must run; it asks before it kills them")
	f.BoolVar(&o.Embedded, "embedded", false,
		"use the embedded cluster: it keeps one copy of a record, and can only be killed")
	names := f.String("clients", "",
		"only these, separated by commas: clients, ways such as kafka-go/Async, or \"as shown\", safe, program")
	list := f.String("drills", "",
		"only these, separated by commas: producers, consumers, "+strings.Join(drillIDs(), ", "))
	f.IntVar(&o.Rounds, "rounds", 3, "how many rounds")
	f.IntVar(&o.Together, "together", 8, "how many ways meet a fault at the same time, at most")
	f.IntVar(&o.Rate, "rate", 1500, "records a second that each producer is asked to write")
	f.StringVar(&o.Results, "results", "",
		"the `file` that keeps the results (one in .cache, or with -write the committed one); "+
			"the histories are kept beside it")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	if o.Quick || o.Control {
		o.Rounds = 1
	}
	switch {
	case *list != "":
	case o.Quick:
		*list = "leader-killed,leader-paused,member-killed"
	case o.Control:
		*list = "leader-paused,leader-cut-off,partitions-added"
	}
	if o.Control {
		o.Together = 1
		if *names == "" {
			*names = string(workload.AsShown) + "," + string(workload.Safe)
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
	if o.Tables || o.Recount {
		return o.again(root)
	}
	o.leaveOutMissing()
	start, setup, err := o.cluster(ctx)
	if err != nil {
		return err
	}
	results, said, err := report.Open(o.path(root), setup, o.Fresh)
	if err != nil {
		return err
	}
	if said != "" {
		fmt.Fprintln(os.Stderr, said)
	}
	if err := o.measure(ctx, root, results, start); err != nil {
		return err
	}
	return o.show(root, results)
}

// path is the file that keeps the results. Each kind of cluster has one of its own.
func (o Options) path(root string) string {
	name := map[bool]string{true: report.Control, false: report.Committed}[o.Control]
	switch {
	case o.Results != "":
		return o.Results
	case o.Write || o.Tables || o.Recount:
	case o.Embedded:
		name = ".cache/faults-embedded.jsonl"
	case o.Docker:
		name = ".cache/faults-docker.jsonl"
	case o.Control:
		name = ".cache/faults-control.jsonl"
	default:
		name = ".cache/faults.jsonl"
	}
	return filepath.Join(root, filepath.FromSlash(name))
}

// again makes the tables again from what was kept.
func (o Options) again(root string) error {
	results, err := report.Load(o.path(root))
	if err != nil {
		return err
	}
	if o.Recount {
		changed, of, err := results.Recount(o.Drills, judge)
		if err != nil {
			return err
		}
		for _, text := range changed {
			fmt.Println(text)
		}
		fmt.Printf("%s, %d judged again, %d changed\n", kit.Count(len(results.All), "result"), of, len(changed))
		if len(changed) > 0 {
			if err := results.Save(); err != nil {
				return err
			}
		}
	}
	o.Write = o.Results == ""
	return o.show(root, results)
}

// show prints the tables, or puts them into the pages, which are made of the control as well.
func (o Options) show(root string, results *report.Results) error {
	if !o.Write {
		text, err := results.Tables()
		fmt.Println(text)
		return err
	}
	o.Results, o.Control = "", !o.Control
	other, err := report.Load(o.path(root))
	if err != nil {
		return err
	}
	if !o.Control {
		results, other = other, results
	}
	return results.Write(root, other)
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

// cluster chooses the cluster, and says what is kept beside the results on it.
func (o Options) cluster(ctx context.Context) (start starter, setup report.Setup, err error) {
	setup = report.Setup{
		Date: kit.Today(), Machine: kit.Machine(), Go: runtime.Version(), Rate: o.Rate, GroupRate: workload.ConsumerRate, Versions: report.Versions(),
	}
	switch {
	case o.Embedded:
		setup.Cluster, setup.Copies = "the embedded cluster", 1
		return func(context.Context, bool) (cluster.Cluster, error) {
			c, err := embedded.Start(embedded.Options{})
			return cluster.Embedded{Cluster: c}, err
		}, setup, nil
	case o.Docker:
		setup.Cluster = "Apache Kafka of docker-compose.yml"
		c, err := cluster.FindCompose(ctx, os.Stdin, os.Stderr)
		return func(context.Context, bool) (cluster.Cluster, error) { return c, nil }, setup, err
	}
	if why := apache.Unavailable(); why != "" {
		return nil, setup, fmt.Errorf("the drill needs Apache Kafka: %s\n"+
			"Or use the brokers of docker-compose.yml, with -docker; or see how the clients do on the embedded cluster, with -embedded", why)
	}
	setup.Cluster = "Apache Kafka " + apache.Version + ", three brokers on the same machine"
	return func(ctx context.Context, links bool) (cluster.Cluster, error) {
		c, err := apache.Start(ctx, apache.Options{Links: links, Log: os.Stderr})
		if err != nil {
			return nil, err // Not a nil *Cluster in an interface.
		}
		return c, nil
	}, setup, nil
}
