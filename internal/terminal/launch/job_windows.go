package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// run starts a program and waits for its end. It leaves the program in this
// console, where Windows tells every process of Ctrl-C, Ctrl-Break and a closed
// window by itself: so no signal is passed on.
func run(command *exec.Cmd, signals <-chan os.Signal) (int, error) {
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("starting the program: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for {
		select {
		case <-signals:
		case err := <-ended:
			var exit *exec.ExitError
			switch {
			case err == nil:
				return 0, nil
			case errors.As(err, &exit):
				return exit.ExitCode(), nil
			default:
				return 1, fmt.Errorf("waiting for the program: %w", err)
			}
		}
	}
}

// interrupt ends a command. Windows can't interrupt one process alone.
func interrupt(p *os.Process) error { return p.Kill() }
