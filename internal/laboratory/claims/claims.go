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
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/laboratory/generated"
	"kafka-with-go/internal/laboratory/kit"
)

// Results are what the pages are made of. What is measured is kept round by round.
type Results struct {
	Date    string // of the measuring
	Machine string
	Go      string
	Counted map[string]Counted

	RunRecords int
	Runs       []Runs
	Crashes    []map[string]Crash
	Defaults   []Defaults
	BadInput   []BadInput

	Codes map[string]map[string]string // what error codes are in the clients' words: by code, by client
}

var (
	resultsFile = kit.ResultsFile{
		Path:    "04-comparison/claims/results.json",
		Command: "go run ./04-comparison/claims -write",
	}
	// unfinishedFile keeps what was measured when the command was stopped.
	unfinishedFile = kit.ResultsFile{Path: "04-comparison/claims/unfinished.json", Command: resultsFile.Command}
)

// options are the flags.
type options struct{ write, tables, fresh bool }

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("claims", flag.ContinueOnError)
	f.BoolVar(&o.write, "write", false, "put what is measured into "+history.Path+", "+defaultsPage.Path+" and "+errorsPage.Path)
	f.BoolVar(&o.tables, "tables", false, "count the sources again, and make the pages anew")
	f.BoolVar(&o.fresh, "fresh", false, "forget what was measured before the command was stopped")
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
	if err := clients.Missing(); err != nil && o.write {
		return fmt.Errorf("the tables need all five clients: %w", err)
	}
	var r Results
	if o.tables {
		err = errors.Join(resultsFile.Load(root, &r), r.count(ctx, root))
	} else {
		err = r.measure(ctx, root, o.fresh)
	}
	if ctx.Err() != nil {
		return ctx.Err() // What it broke in the middle of its work is no news.
	}
	if err != nil {
		return err
	}
	if !o.write && !o.tables {
		return r.eachPage(func(_ generated.File, parts map[string]string) error {
			for _, name := range slices.Sorted(maps.Keys(parts)) {
				fmt.Println(parts[name])
			}
			return nil
		})
	}
	write := func(f generated.File, parts map[string]string) error { return f.Write(root, parts) }
	if err := errors.Join(resultsFile.Save(root, r), r.eachPage(write)); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(root, filepath.FromSlash(unfinishedFile.Path)))
}

// A part is measured in rounds, each of which takes so many seconds.
type part struct {
	name         string
	seconds      int
	rounds, done int
	run          func(context.Context) error // one round
}

// parts are what is measured, and how much of it was already.
func (r *Results) parts() []part {
	return []part{
		{"what each client uses", 17, 3, len(r.Runs), func(ctx context.Context) error {
			return add(&r.Runs)(measureRuns(ctx, r.RunRecords))
		}},
		{"what a crash would repeat and lose", 7, 3, len(r.Crashes), func(ctx context.Context) error {
			return add(&r.Crashes)(crashAll(ctx))
		}},
		{"defaults", 30, 3, len(r.Defaults), func(ctx context.Context) error {
			return add(&r.Defaults)(observeDefaults(ctx))
		}},
		{"bad input", 10, 5, len(r.BadInput), func(ctx context.Context) error {
			return add(&r.BadInput)(observeBadInput(ctx))
		}},
	}
}

// add adds a round to those that were measured, if it was.
func add[T any](rounds *[]T) func(T, error) error {
	return func(round T, err error) error {
		if err == nil {
			*rounds = append(*rounds, round)
		}
		return err
	}
}

// measure counts and measures everything. It goes on where it was stopped today, unless it is
// to begin afresh.
func (r *Results) measure(ctx context.Context, root string, fresh bool) error {
	now := Results{Date: kit.Today(), Machine: kit.Machine(), Go: runtime.Version(), RunRecords: 200_000}
	err := unfinishedFile.Load(root, r)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if fresh || r.Date != now.Date || r.Machine != now.Machine || r.Go != now.Go {
		*r = now
	}
	left := 0
	for _, p := range r.parts() {
		left += p.seconds * (p.rounds - p.done)
	}
	progress := startProgress(left)
	progress("counting what the sources offer")
	if err := r.count(ctx, root); err != nil {
		return err
	}
	return r.run(ctx, root, r.parts(), progress)
}

// run measures what is left of the parts, and keeps each round.
func (r *Results) run(ctx context.Context, root string, parts []part, progress func(string)) error {
	for _, p := range parts {
		for i := p.done; i < p.rounds; i++ {
			progress(fmt.Sprintf("%s: round %d of %d", p.name, i+1, p.rounds))
			measured := make(chan error, 1)
			go func() { measured <- p.run(ctx) }()
			select {
			case err := <-measured:
				if err != nil {
					return fmt.Errorf("%s: %w", p.name, err)
				}
			case <-ctx.Done(): // What a client still does is left behind: this process ends.
				return ctx.Err()
			}
			if err := unfinishedFile.Save(root, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// startProgress says how long it will take, and returns what says what is done now.
func startProgress(seconds int) func(what string) {
	fmt.Fprintf(os.Stderr, "This takes about %d s, and longer on a busy computer.\n", seconds+10)
	started := time.Now()
	return func(what string) {
		fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(started).Seconds(), what)
	}
}
