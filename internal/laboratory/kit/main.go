package kit

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a tool: a task, if this process was started for one, or else run with the
// arguments of the command line. Ctrl-C ends the context, and then what run returns is told
// by stopped, which says what is left.
func Main(run func(ctx context.Context, args []string) error, stopped string) {
	if Serve() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "\nstopped: "+stopped)
		if err == nil || errors.Is(err, context.Canceled) {
			return
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// RunTests runs the tests of a tool, whose tasks run the test program again.
func RunTests(m interface{ Run() int }) {
	if Serve() {
		return
	}
	os.Exit(m.Run())
}
