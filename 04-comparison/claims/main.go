// Command claims tests the sentences with which kafka-go's introduction compared
// itself with other clients, reads or provokes each client's defaults, and shows
// what each client says to bad input.
//
// Usage:
//
//	go run ./04-comparison/claims            measures, and prints the tables
//	go run ./04-comparison/claims -write     also puts them into 04-comparison/README.md
//	go run ./04-comparison/claims -tables    counts the sources again, and makes the README's tables
//	                                         again with what was measured before
//
// It needs about four minutes, the longest part of them for builds with an
// empty cache (-cold=false keeps the committed figures instead).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/all"
	"kafka-with-go/internal/generated"
)

func main() {
	if work() {
		return // This process was a worker, see runs.go.
	}
	write := flag.Bool("write", false, "put the tables into "+readme)
	tables := flag.Bool("tables", false, "count the sources again, and make the tables in "+readme+" again with what was measured before")
	cold := flag.Bool("cold", true, "build each flow with an empty cache")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *write, *tables, *cold); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, write, tables, cold bool) error {
	root, err := generated.Root()
	if err != nil {
		return err
	}
	if tables {
		r, err := load(root)
		if err != nil {
			return err
		}
		if r.Counted, r.NewWriterIsOld, err = count(root); err != nil {
			return err
		}
		return errors.Join(r.save(root), chapter.Write(root, r.blocks()))
	}
	for _, c := range all.Clients() {
		if err := c.Available(); err != nil && write {
			return fmt.Errorf("the tables need all five clients: %w", err)
		}
	}
	started := time.Now()
	r, err := measureResults(ctx, root, cold, func(what string) {
		fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(started).Seconds(), what)
	})
	if err != nil {
		return err
	}
	if !write {
		fmt.Println(strings.Join([]string{r.renderClaims(), r.renderDefaults(), r.renderBadInput()}, "\n"))
		return nil
	}
	return errors.Join(r.save(root), chapter.Write(root, r.blocks()))
}

// measureResults measures everything.
func measureResults(ctx context.Context, root string, cold bool, progress func(string)) (Results, error) {
	r := Results{
		Date: time.Now().Format("2 January 2006"), Machine: machine(), Go: runtime.Version(), RunRecords: 200_000,
	}
	progress("counting what the sources offer")
	var err error
	if r.Counted, r.NewWriterIsOld, err = count(root); err != nil {
		return r, err
	}
	if r.Runs, err = measureAll(ctx, available(), r.RunRecords, 2, progress); err != nil {
		return r, err
	}
	if r.Crashes, err = crashAll(ctx, progress); err != nil {
		return r, err
	}
	if r.ProducerDefault, r.ConsumerDefault, err = observeDefaults(ctx, progress); err != nil {
		return r, err
	}
	if r.BadInput, err = observeBadInput(ctx, 2, progress); err != nil {
		return r, err
	}
	if r.Builds, err = buildAll(ctx, root, r.Counted, cold, progress); err != nil {
		return r, err
	}
	if cold {
		return r, nil
	}
	committed, err := load(root)
	if err != nil {
		return r, nil // There is none yet.
	}
	for name, b := range r.Builds {
		b.ColdCPU = committed.Builds[name].ColdCPU
		r.Builds[name] = b
	}
	return r, nil
}

// available lists the clients that this binary has.
func available() []string {
	var out []string
	for _, c := range all.Clients() {
		if isAvailable(c) {
			out = append(out, c.Name())
		}
	}
	return out
}

func isAvailable(c clients.Client) bool { return c.Available() == nil }

// machine describes this computer.
func machine() string {
	return fmt.Sprintf("%s/%s with %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}
