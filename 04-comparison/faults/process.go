package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"kafka-with-go/internal/ledger"
	"kafka-with-go/internal/overlay"
)

// A process is a program under test: a worker, or a program of a chapter.
type process struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	journal string // of a worker
	ended   chan struct{}

	mu      sync.Mutex
	entries []ledger.Entry // of a program, read from what it prints
	says    []string       // each error once
}

// startWorker starts this program again, for an errand.
func startWorker(e errand) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing the errand: %w", err)
	}
	return start(politely(self), e.Journal, errandVariable+"="+string(text))
}

// politely returns a command that leaves the brokers the first turn at the processors.
func politely(path string) *exec.Cmd {
	if nice, err := exec.LookPath("nice"); err == nil {
		return exec.Command(nice, "-n", "5", path)
	}
	return exec.Command(path)
}

func start(command *exec.Cmd, journal string, env ...string) (*process, error) {
	p := &process{command: command, journal: journal, ended: make(chan struct{})}
	command.Env = append(os.Environ(), env...)
	ownGroup(command) // A Ctrl-C in the terminal is for the drill, which ends its processes itself.
	var err error
	if p.stdin, err = command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command.Path, err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", command.Path, err)
	}
	command.Stderr = command.Stdout
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command.Path, err)
	}
	go func() {
		defer close(p.ended)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			p.read(s.Text())
		}
		command.Wait() //nolint:errcheck // How it ended is seen in what it did.
	}()
	return p, nil
}

var (
	wrote    = regexp.MustCompile(`^writes: (\d+) +\(partition (\d+), offset (\d+)\)$`)
	received = regexp.MustCompile(`^received:  this is message(\d+) +\(partition (\d+), offset (\d+)\)$`)
	counted  = regexp.MustCompile(`^counted: `) // goka's flow says how often each key came
)

// read takes in a line that the process printed.
func (p *process) read(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for kind, pattern := range map[ledger.Kind]*regexp.Regexp{ledger.Acked: wrote, ledger.Worked: received} {
		m := pattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		number, _ := strconv.Atoi(m[1]) // They are digits.
		partition, _ := strconv.ParseInt(m[2], 10, 32)
		offset, _ := strconv.ParseInt(m[3], 10, 64)
		p.entries = append(p.entries, ledger.Entry{
			Kind: kind, Number: number, Partition: int32(partition), Offset: offset, At: time.Now(),
		})
		return
	}
	if text := tidy(line); !counted.MatchString(line) && len(p.says) < 20 && !slices.Contains(p.says, text) {
		p.says = append(p.says, text)
	}
}

// ledger returns what the process noted or printed so far.
func (p *process) ledger() ([]ledger.Entry, error) {
	if p.journal != "" {
		return ledger.ReadJournal(p.journal)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.entries), nil
}

func (p *process) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.says)
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop asks the process to end in good order.
func (p *process) stop() error {
	if p.journal == "" {
		return interrupt(p.command.Process) // A program of a chapter ends on Ctrl-C.
	}
	_, err := io.WriteString(p.stdin, stopLine+"\n")
	return err
}

// wait waits until the process has ended, and tells whether it did in that time.
func (p *process) wait(long time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(long):
		return false
	}
}

// kill ends the process as kill -9 does, also a paused one.
func (p *process) kill() error {
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", p.command.Path, err)
	}
	<-p.ended
	return nil
}

// build builds a program of a chapter for a topic and a group, and returns its path.
func build(root, dir, folder string, brokers []string, topic, group string, interval time.Duration) (string, error) {
	constants := overlay.On(brokers, topic, group)
	constants["interval"] = fmt.Sprintf("%d * time.Millisecond", interval.Milliseconds())
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
