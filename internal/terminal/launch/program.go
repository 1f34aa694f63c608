// Package launch builds a learner's program and runs it in the same terminal, as
// go run would.
package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Program is a learner's program, built into a temporary folder.
type Program struct {
	dir, path string
}

// Build compiles the program in a folder. A signal ends it.
func Build(folder string, signals <-chan os.Signal) (*Program, error) {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("there is no folder %s here: give the folder of a program, such as "+
			"./03-together, and stay in the top folder of the repository", folder)
	}
	dir, err := os.MkdirTemp("", "kafka-program-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to build in: %w", err)
	}
	// Windows needs the ending of the name; others don't mind.
	p := &Program{dir: dir, path: filepath.Join(dir, "program.exe")}
	if err := p.compile(folder, signals); err != nil {
		p.Remove()
		return nil, err
	}
	return p, nil
}

func (p *Program) compile(folder string, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	go func() {
		select {
		case <-signals:
			cancel(fmt.Errorf("building %s was interrupted, and nothing was started", folder))
		case <-ctx.Done():
		}
	}()

	fmt.Fprintf(os.Stderr, "Building %s. The first time, that takes about half a minute.\n", folder)
	command := exec.CommandContext(ctx, "go", "build", "-o", p.path, ".")
	command.Dir = folder // It may also be a copy in a module of the learner's own.
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	// Interrupted, go build removes what it wrote; killed, it wouldn't.
	command.Cancel = func() error { return interrupt(command.Process) }
	command.WaitDelay = 5 * time.Second
	err := command.Run()
	if err != nil && interrupted(ctx) {
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("building %s takes the command go, which isn't on the PATH: %w", folder, err)
	}
	if err != nil {
		return fmt.Errorf("%s doesn't compile (%w): nothing was started; "+
			"mend what go says above, and try again", folder, err)
	}

	// For a package that isn't a main package, go build writes something else.
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Name}}", ".")
	list.Dir = folder
	output, err := list.Output()
	if err != nil && interrupted(ctx) {
		return context.Cause(ctx)
	}
	if err != nil || strings.TrimSpace(string(output)) != "main" {
		return fmt.Errorf("%s is not a program: "+
			"choose a folder whose main.go says \"package main\"", folder)
	}
	return nil
}

// interrupted tells whether a command has failed because of a signal. A terminal sends
// Ctrl-C to the command as well, which may end before the signal is noticed here.
func interrupted(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(200 * time.Millisecond):
		return false
	}
}

// Remove removes what was built.
func (p *Program) Remove() {
	if err := os.RemoveAll(p.dir); err != nil {
		fmt.Fprintln(os.Stderr, "could not remove the program that was built:", err)
	}
}

// Run runs the program in this terminal, passes signals on to it, and returns
// its exit status.
func (p *Program) Run(args []string, signals <-chan os.Signal) (int, error) {
	command := exec.Command(p.path, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return run(command, signals)
}
