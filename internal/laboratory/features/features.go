// Package features executes what decides for or against a client: each yes of the matrix is
// done on brokers, and each no is what the client lacks or answers. The command that runs it
// is 04-comparison/features.
package features

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
)

// A client is an entry of the registry of clients, with what asks it.
type client struct {
	clients.Client
	driver driver
}

// drivers are the drivers of the clients, by the clients' names.
var drivers = map[string]driver{
	"kafka-go": kafkaGo{}, "sarama": saramaDriver{}, "confluent-kafka-go": confluentDriver,
	"goka": gokaDriver{}, "franz-go": franz{},
}

// available are the clients that this binary has.
func available() []client {
	var all []client
	for _, c := range clients.Available() {
		all = append(all, client{c, drivers[c.Name()]})
	}
	return all
}

// The answers of a cell. A row of facts has other words.
const (
	yes    = "yes"
	option = "option"
	no     = "no"
	notRun = "not run"
)

// A Cell is what was found of a feature and a client.
type Cell struct {
	Answer string
	Why    string `json:",omitempty"` // of a no: what the client lacks or answers
}

// Results are what the matrix is made of.
type Results struct {
	Date, Machine, Go string

	Cells map[string]map[string]Cell // by feature and client
}

// A feature is a row of the matrix. What it asks, and what is to be said of a client's
// answer, stands in features.md under its name.
type feature struct {
	name   string
	check  func(ctx context.Context, s *stage, c client) (Cell, error)
	source bool // it needs no broker: the sources and the compiler say it
	figure bool // it depends on the system and on Go: the kept cell is that of its day
}

// features are the rows, in the order of the matrix.
func features() []feature {
	var all []feature
	for _, subject := range [][]feature{
		groupFeatures, messageFeatures, securityFeatures, toolFeatures, moduleFeatures,
	} {
		all = append(all, subject...)
	}
	return all
}

var resultsFile = kit.ResultsFile{
	Path:    "04-comparison/features/results.json",
	Command: "go run ./04-comparison/features -write",
}

// Command executes the cells with the arguments of the command.
func Command(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("features", flag.ContinueOnError)
	write := f.Bool("write", false, "put the matrix into "+page.Path+" and "+chapter.Path)
	tables := f.Bool("tables", false, "make the matrix in these pages again with what was found before")
	pattern := f.String("rows", "", "execute only the rows whose names match, and keep the others as they are")
	if err := f.Parse(args); err != nil {
		return err
	}
	only, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("reading -rows: %w", err)
	}
	root, err := generated.Root()
	if err != nil {
		return err
	}
	var r Results
	err = resultsFile.Load(root, &r)
	if err != nil && (*tables || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if *tables {
		return r.publish(root)
	}
	if err := clients.Missing(); err != nil {
		return fmt.Errorf("the matrix needs all five clients: %w", err)
	}
	started := time.Now()
	r.Date, r.Machine, r.Go = kit.Today(), kit.Machine(), runtime.Version()
	rows := slices.DeleteFunc(features(), func(f feature) bool { return !only.MatchString(f.name) })
	cells, err := executeEmbedded(ctx, root, rows, func(what string) {
		fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(started).Seconds(), what)
	})
	if err != nil {
		return err
	}
	if r.Cells == nil {
		r.Cells = make(map[string]map[string]Cell)
	}
	maps.Copy(r.Cells, cells)
	if !*write {
		rows, err := measuredRows(root)
		if err == nil {
			fmt.Println(r.matrix(rows))
		}
		return err
	}
	return errors.Join(resultsFile.Save(root, r), r.publish(root))
}

// executeEmbedded executes features on an embedded cluster of their own.
func executeEmbedded(
	ctx context.Context, root string, rows []feature, progress func(string),
) (map[string]map[string]Cell, error) {
	cluster, err := embedded.Start(embedded.Options{})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	return execute(ctx, root, cluster.Addrs(), rows, progress)
}

// execute executes features with each client, several cells side by side: they mostly wait.
func execute(
	ctx context.Context, root string, brokers []string, rows []feature, progress func(string),
) (map[string]map[string]Cell, error) {
	s, err := newStage(ctx, root, brokers)
	if err != nil {
		return nil, err
	}
	defer s.close()
	cells := make(map[string]map[string]Cell)
	var mu sync.Mutex
	var failed []error
	cell := func(f feature, c client) error {
		limited, cancel := context.WithTimeout(ctx, 3*patience)
		defer cancel()
		cell, err := f.check(limited, s, c)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = append(failed, fmt.Errorf("%s, %s: %w", f.name, c.Name(), err))
		}
		cells[f.name][c.Name()] = cell
		progress(fmt.Sprintf("%s, %s: %s", f.name, c.Name(), cell.Answer))
		return nil
	}
	var work errgroup.Group
	work.SetLimit(16)
	for _, f := range rows {
		cells[f.name] = make(map[string]Cell)
		for _, c := range available() {
			if f.source {
				continue
			}
			work.Go(func() error { return cell(f, c) })
		}
	}
	err = work.Wait()
	// What the compiler says comes one after the other: it needs all processors.
	for _, f := range rows {
		for _, c := range available() {
			if f.source {
				err = errors.Join(err, cell(f, c))
			}
		}
	}
	return cells, errors.Join(append(failed, err)...)
}

// judged makes a cell of how an attempt ended: a lack or a refusal is a no.
func judged(answer string, err error) (Cell, error) {
	var missing lack
	if errors.As(err, &missing) {
		return Cell{no, missing.Error()}, nil
	}
	var answered refusal
	if errors.As(err, &answered) {
		return Cell{no, answered.Error()}, nil
	}
	return Cell{Answer: answer}, err
}

// attempt makes a cell of an attempt, which is an option if it needed more than the client.
func attempt(w wish, do func(wish) error) (Cell, error) {
	var mu sync.Mutex
	answer := yes
	w.extra = func() {
		mu.Lock()
		defer mu.Unlock()
		answer = option
	}
	err := do(w)
	mu.Lock()
	defer mu.Unlock()
	return judged(answer, err)
}
