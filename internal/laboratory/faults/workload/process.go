package workload

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"kafka-with-go/internal/laboratory/faults/history"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/process"
	"kafka-with-go/internal/testing/overlay"
	"kafka-with-go/internal/testing/printed"
)

// A Process is a program under test: a worker, or a program of a chapter.
type Process struct {
	*process.Process
	stop    func() error // asks it to end in good order
	history string       // the file of a worker
	read    func()       // waits until all that it printed is read

	mu      sync.Mutex
	entries []history.Entry // of a program, read from what it prints
	says    []string        // each error once
}

// startWorker starts a worker for a job.
func startWorker(j job) (*Process, error) {
	command, err := workerTask.Command(context.Background(), j)
	if err != nil {
		return nil, err
	}
	p := &Process{history: j.History}
	p.read = kit.Lines(yielding(command), p.readLine)
	w, err := kit.StartWorker(command)
	if err != nil {
		return nil, err
	}
	p.Process, p.stop = w.Process, w.Stop
	return p, nil
}

// startProgram starts a program of a chapter, which ends on Ctrl-C.
func startProgram(path string) (*Process, error) {
	command := exec.Command(path)
	p := new(Process)
	p.read = kit.Lines(yielding(command), p.readLine)
	var err error
	if p.Process, err = process.Start(command); err != nil {
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	p.stop = p.Interrupt
	return p, nil
}

// yielding has a command leave the brokers the first turn at the processors.
func yielding(command *exec.Cmd) *exec.Cmd {
	if nice, err := exec.LookPath("nice"); err == nil {
		command.Args = append([]string{nice, "-n", "5", command.Path}, command.Args[1:]...)
		command.Path = nice
	}
	return command
}

// readLine takes in a line that the process printed.
func (p *Process) readLine(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, ok := printed.Written(line); ok {
		p.entries = append(p.entries, entry(history.Acked, r))
		return
	}
	if r, ok := printed.Received(line); ok {
		p.entries = append(p.entries, entry(history.Worked, r))
		return
	}
	if strings.HasPrefix(line, "counted: ") { // goka's flow says how often each key came.
		return
	}
	if text := tidy(line); len(p.says) < 20 && !slices.Contains(p.says, text) {
		p.says = append(p.says, text)
	}
}

func entry(kind history.Kind, r printed.Record) history.Entry {
	return history.Entry{Kind: kind, Number: r.Number, Partition: r.Partition, Offset: r.Offset, At: time.Now()}
}

// noted returns what the process noted or printed so far.
func (p *Process) noted() ([]history.Entry, error) {
	if p.history != "" {
		return history.Read(p.history)
	}
	p.waitForReading()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.entries), nil
}

func (p *Process) said() []string {
	p.waitForReading()
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.says)
}

// waitForReading waits until all that an ended process printed is read.
func (p *Process) waitForReading() {
	if !p.Alive() {
		p.read()
	}
}

// build builds a program of a chapter for a topic and a group, and returns its path.
func build(root, dir, folder string, constants overlay.Constants) (string, error) {
	path := filepath.Join(dir, "program.exe") // Windows needs the ending.
	replaced, err := overlay.Write(root, dir, map[string]overlay.Constants{folder: constants})
	if err != nil {
		return "", err
	}
	command := exec.Command("go", "build", "-overlay", replaced, "-ldflags=-s -w", "-o", path, "./"+folder)
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", folder, err, output)
	}
	return path, nil
}

var (
	anyPort   = regexp.MustCompile(`(ipv4#)?(127\.0\.0\.1|localhost):\d+(->127\.0\.0\.1:\d+)?(/\w+)?`)
	anyNumber = regexp.MustCompile(`\d+`)
)

// tidy takes out of a message what differs from run to run.
func tidy(message string) string {
	message = anyPort.ReplaceAllString(message, "<broker>")
	message = anyNumber.ReplaceAllString(message, "#")
	const longest = 160
	if runes := []rune(message); len(runes) > longest {
		message = string(runes[:longest]) + "…"
	}
	return message
}
