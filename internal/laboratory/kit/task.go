// Package kit is what the tools of chapter 4 share: work in processes of their own, keeping
// results, describing the machine, and writing tables.
package kit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"kafka-with-go/internal/process"
)

// A Task is work that a tool does in a process of its own, so that what is measured there
// is that work alone, and so that it can be killed. The process runs the same program
// again: its main calls Serve before anything else.
type Task[In, Out any] struct{ name string }

// tasks are the tasks of this program by their names.
var tasks = make(map[string]func(ctx context.Context, input []byte) (any, error))

// NewTask names a task. It is called for variables of a package only.
func NewTask[In, Out any](name string, do func(context.Context, In) (Out, error)) Task[In, Out] {
	tasks[name] = func(ctx context.Context, input []byte) (any, error) {
		var in In
		if err := json.Unmarshal(input, &in); err != nil {
			return nil, fmt.Errorf("reading what to do: %w", err)
		}
		return do(ctx, in)
	}
	return Task[In, Out]{name}
}

const (
	taskVariable  = "LABORATORY_TASK" // its name
	inputVariable = "LABORATORY_INPUT"
	stopLine      = "stop" // on the standard input: end in good order
)

// Serve does a task, if this process was started for one, and prints its result, if
// it has one, as the last line. It tells whether it was. A task's context ends when it is to end in good order.
func Serve() bool {
	name, ok := os.LookupEnv(taskVariable)
	if !ok {
		return false
	}
	ctx, cancel := context.WithCancel(context.Background())
	go watchParent(cancel)
	result, err := any(nil), fmt.Errorf("there is no task %q", name)
	if do := tasks[name]; do != nil {
		result, err = do(ctx, []byte(os.Getenv(inputVariable)))
	}
	if err == nil && result != nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	return true
}

// watchParent ends this process when the one that started it has ended: that one holds the
// other end of the standard input, however it dies.
func watchParent(stop func()) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if lines.Text() == stopLine {
			stop()
		}
	}
	os.Exit(3)
}

// A Worker is a process that does a task.
type Worker struct {
	*process.Process
	stdin io.WriteCloser
}

// Stop asks the worker to end in good order.
func (w *Worker) Stop() error {
	_, err := io.WriteString(w.stdin, stopLine+"\n")
	return err
}

// Command returns the command that does the task, to be started with StartWorker.
func (t Task[In, Out]) Command(ctx context.Context, in In) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	input, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("writing what to do: %w", err)
	}
	command := exec.CommandContext(ctx, self)
	command.Env = append(os.Environ(), taskVariable+"="+t.name, inputVariable+"="+string(input))
	return command, nil
}

// StartWorker starts the command of a task.
func StartWorker(command *exec.Cmd) (*Worker, error) {
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	p, err := process.Start(command)
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	return &Worker{p, stdin}, nil
}

// Do does the task in a process of its own, and returns its result.
func (t Task[In, Out]) Do(ctx context.Context, in In) (out Out, err error) {
	command, err := t.Command(ctx, in)
	if err != nil {
		return out, err
	}
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	w, err := StartWorker(command)
	if err != nil {
		return out, err
	}
	defer w.stdin.Close()
	if err := w.Wait(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out, fmt.Errorf("%w: %s", err, LastLines(stderr.String()))
	}
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		return out, fmt.Errorf("reading the result of a process: %w", err)
	}
	return out, nil
}

// Lines is where a command writes to whose lines are read one by one. Whoever runs the
// command waits for the end of read with the returned function, after the command's own end.
func Lines(command *exec.Cmd, read func(line string)) (wait func()) {
	reader, writer := io.Pipe()
	command.Stdout, command.Stderr = writer, writer
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			read(lines.Text())
		}
		io.Copy(io.Discard, reader) //nolint:errcheck // A line too long for the scanner.
	})
	return func() {
		writer.Close()
		reading.Wait()
	}
}

// LastLines shortens what a failed process wrote.
func LastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
