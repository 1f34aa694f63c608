package launch

import (
	"os"
	"os/signal"
	"syscall"
)

// Signals returns the signals that end the cluster, or are passed on to its
// program: Ctrl-C, kill, and the closed window, unless nohup has asked for a
// cluster that outlives it.
func Signals() chan os.Signal {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	// Whoever reads the output may end first: tee, for one, at Ctrl-C. By default
	// the next line that is printed would then end this process at once.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go watchGoRun(signals)
	return signals
}
