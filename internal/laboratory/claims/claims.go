// Package claims tests the sentences with which kafka-go's introduction compared itself with
// other clients, reads or provokes each client's defaults, and shows what each client says to
// bad input. The command that runs it is 04-comparison/claims.
package claims

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
)

// Results are what the tables are made of.
type Results struct {
	Date    string // of the measuring
	Machine string
	Go      string

	Counted         map[string]Counted
	NewWriterIsOld  bool     // kafka.NewWriter is marked as deprecated
	ReadMessage     Function // of kafka-go's reader
	Runs            Runs
	RunRecords      int
	Builds          map[string]Build
	Crashes         map[string]Crash
	ProducerDefault Defaults
	ConsumerDefault Defaults
	BadInput        BadInput
}

var resultsFile = kit.ResultsFile{
	Path:    "04-comparison/claims/results.json",
	Command: "go run ./04-comparison/claims -write",
}

// options are the flags.
type options struct{ write, tables, cold bool }

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("claims", flag.ContinueOnError)
	f.BoolVar(&o.write, "write", false, "put the tables into "+chapter.Path)
	f.BoolVar(&o.tables, "tables", false, "count the sources again, and make the tables in "+chapter.Path+
		" again with what was measured before")
	f.BoolVar(&o.cold, "cold", true, "build each flow with an empty cache")
	return o, f.Parse(args)
}

// Command tests the claims with the arguments of the command.
func Command(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	root, err := generated.Root()
	if err != nil {
		return err
	}
	var r Results
	err = resultsFile.Load(root, &r)
	if err != nil && (o.tables || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if o.tables {
		err = r.count(root)
	} else {
		if err := clients.Missing(); err != nil && o.write {
			return fmt.Errorf("the tables need all five clients: %w", err)
		}
		started := time.Now()
		err = r.measure(ctx, root, o.cold, func(what string) {
			fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(started).Seconds(), what)
		})
	}
	if err != nil {
		return err
	}
	parts, err := r.parts()
	if err != nil {
		return err
	}
	if o.write || o.tables {
		return errors.Join(resultsFile.Save(root, r), chapter.Write(root, parts))
	}
	for _, name := range []string{"claims", "defaults", "bad input"} {
		fmt.Println(parts[name])
	}
	return nil
}

// measure counts and measures everything. Without cold, it leaves the figures of builds with
// an empty cache as they are.
func (r *Results) measure(ctx context.Context, root string, cold bool, progress func(string)) error {
	r.Date, r.Machine, r.Go, r.RunRecords = kit.Today(), kit.Machine(), runtime.Version(), 200_000
	progress("counting what the sources offer")
	if err := r.count(root); err != nil {
		return err
	}
	var err error
	if r.Runs, err = measureRuns(ctx, r.RunRecords, 2, progress); err != nil {
		return err
	}
	if r.Crashes, err = crashAll(ctx, progress); err != nil {
		return err
	}
	if r.ProducerDefault, r.ConsumerDefault, err = observeDefaults(ctx, progress); err != nil {
		return err
	}
	if r.BadInput, err = observeBadInput(ctx, 2, progress); err != nil {
		return err
	}
	r.Builds, err = buildAll(ctx, root, r.Builds, cold, progress)
	return err
}
