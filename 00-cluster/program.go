package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// A program is a chapter's program, built into a temporary folder.
type program struct {
	dir, path string
}

// build compiles the program in a folder.
func build(folder string) (*program, error) {
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("there is no folder %s here: give the folder of a program, such as ./03-together, and stay in the top folder of the repository", folder)
	}
	dir, err := os.MkdirTemp("", "kafka-program-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to build in: %w", err)
	}
	p := &program{dir: dir, path: filepath.Join(dir, "program.exe")} // Windows needs the ending; others don't mind.
	command := exec.Command("go", "build", "-o", p.path, ".")
	command.Dir = folder // It may also be a copy in a module of the learner's own.
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		p.remove()
		return nil, fmt.Errorf("%s doesn't compile (%w): nothing was started; mend what go says above, and try again", folder, err)
	}
	// For a package that isn't a main package, go build writes something else.
	list := exec.Command("go", "list", "-f", "{{.Name}}", ".")
	list.Dir = folder
	if output, err := list.Output(); err != nil || strings.TrimSpace(string(output)) != "main" {
		p.remove()
		return nil, fmt.Errorf("%s is not a program: choose a folder whose main.go says \"package main\"", folder)
	}
	return p, nil
}

func (p *program) remove() {
	if err := os.RemoveAll(p.dir); err != nil {
		fmt.Fprintln(os.Stderr, "could not remove the program that was built:", err)
	}
}

// run runs the program in this terminal, passes signals on to it, and returns
// its exit status.
func (p *program) run(args []string, signals <-chan os.Signal) (int, error) {
	command := exec.Command(p.path, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.SysProcAttr = childAttributes()
	// On Linux the program ends with the thread that started it, should this
	// process be killed: so that thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		return 0, fmt.Errorf("starting the program: %w", err)
	}

	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for {
		select {
		case s := <-signals:
			passOn(command.Process, s)
		case err := <-ended:
			var exit *exec.ExitError
			switch {
			case err == nil:
				return 0, nil
			case errors.As(err, &exit) && exit.Exited():
				return exit.ExitCode(), nil
			default:
				return 1, fmt.Errorf("the program ended by %w", err)
			}
		}
	}
}
