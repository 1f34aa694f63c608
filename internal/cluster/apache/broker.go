package apache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"kafka-with-go/internal/process"
)

// brokerLogging is the log4j configuration that the image's set-up starts from.
const brokerLogging = `Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        - ref: STDOUT
`

// broker is one of the three, running or not.
type broker struct {
	id    int
	name  string // of its service in the compose file
	dir   string // settings, records and the log
	java  installation
	env   map[string]string // the compose file's, for this machine
	addr  string            // where clients reach it
	grace time.Duration     // how long an orderly stop may take
	// recording is where the JVM records its classes when it ends; see archive.go.
	recording string
	peerPorts []string // where the other brokers reach it
	hosts     string   // its hosts file, or "" for the system's; see links.go

	lock    sync.Mutex
	process *process.Process // the latest; nil before the first start
}

func (b *broker) dataDir() string  { return filepath.Join(b.dir, "data") }
func (b *broker) tempDir() string  { return filepath.Join(b.dir, "tmp") }
func (b *broker) finalDir() string { return filepath.Join(b.dir, "config") }
func (b *broker) logFile() string  { return filepath.Join(b.dir, "broker.log") }

// setup does what the image does before it starts the broker: its program turns the
// environment into config/server.properties and formats the folder of the records.
//
// Of the image's default settings the program really needs only the logging: it reads
// the default server.properties when the environment sets no property at all, and
// writes a tools-log4j2.yaml that no broker reads. The folder of mounted settings
// stays empty, as in the compose file.
func (b *broker) setup(ctx context.Context, starter *process.Starter) error {
	defaults, mounted := filepath.Join(b.dir, "defaults"), filepath.Join(b.dir, "mounted")
	for _, dir := range []string{defaults, mounted, b.finalDir(), b.dataDir(), b.tempDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("setting up broker %d: %w", b.id, err)
		}
	}
	if err := os.WriteFile(filepath.Join(defaults, "log4j2.yaml"), []byte(brokerLogging), 0o644); err != nil {
		return fmt.Errorf("setting up broker %d: %w", b.id, err)
	}
	cmd := b.command(ctx, b.java.sharedArchive(), "kafka.docker.KafkaDockerWrapper", "setup",
		"--default-configs-dir", defaults, "--mounted-configs-dir", mounted, "--final-configs-dir", b.finalDir())
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	p, err := starter.Start(cmd)
	if err != nil {
		return fmt.Errorf("setting up broker %d: %w", b.id, err)
	}
	// The image, too, goes on when a folder was formatted by an earlier start.
	if err := p.Wait(); err != nil && !strings.Contains(output.String(), "already formatted") {
		return fmt.Errorf("setting up broker %d: %w\n%s", b.id, errors.Join(err, ctx.Err()), output.String())
	}
	return nil
}

// start starts the broker on what setup wrote. It doesn't wait until the broker serves.
func (b *broker) start(starter *process.Starter) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	if b.process.Alive() {
		return fmt.Errorf("starting broker %d: it is running, as process %d", b.id, b.process.PID())
	}
	log, err := os.OpenFile(b.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("starting broker %d: %w", b.id, err)
	}
	defer log.Close()
	archive := b.java.sharedArchive()
	if b.recording != "" {
		archive = recordArchive(b.recording)
	}
	cmd := b.command(context.Background(), archive, "kafka.Kafka", filepath.Join(b.finalDir(), "server.properties"))
	cmd.Stdout, cmd.Stderr = log, log
	p, err := starter.Start(cmd)
	if err != nil {
		return fmt.Errorf("starting broker %d: %w", b.id, err)
	}
	b.process = p
	return nil
}

// command returns a Java program with the broker's environment and JVM settings.
// Like the image, it takes the latter from the environment where they are set there.
func (b *broker) command(ctx context.Context, archive []string, class string, args ...string) *exec.Cmd {
	jvm := quickJVM
	if set, ok := b.env["KAFKA_JVM_PERFORMANCE_OPTS"]; ok {
		jvm = strings.Fields(set)
	}
	flags := slices.Concat(
		strings.Fields(b.env["KAFKA_HEAP_OPTS"]), jvm, archive, tidyJVM,
		// What Kafka's libraries unpack goes where it is removed, even after kill -9.
		[]string{"-Djava.io.tmpdir=" + b.tempDir(), "-Dlog4j2.configurationFile=" + fileURL(filepath.Join(b.finalDir(), "log4j2.yaml"))},
		strings.Fields(b.env["KAFKA_OPTS"]),
	)
	if b.hosts != "" {
		flags = append(flags, "-Djdk.net.hosts.file="+b.hosts)
	}
	cmd := b.java.command(ctx, flags, class, args...)
	cmd.Dir = b.dir
	for key, value := range b.env {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	return cmd
}

// running returns the broker's process, or nil when there is none that lives.
func (b *broker) running() *process.Process {
	b.lock.Lock()
	defer b.lock.Unlock()
	if !b.process.Alive() {
		return nil
	}
	return b.process
}

func (b *broker) stop() error {
	return b.act("stopping", func(p *process.Process) error { return p.Terminate(b.grace) })
}

func (b *broker) kill() error   { return b.act("killing", (*process.Process).Kill) }
func (b *broker) pause() error  { return b.act("pausing", (*process.Process).Pause) }
func (b *broker) resume() error { return b.act("resuming", (*process.Process).Resume) }

// act does something to the broker's process, which has to be running.
func (b *broker) act(doing string, act func(*process.Process) error) error {
	p := b.running()
	if p == nil {
		return b.notRunning(doing)
	}
	if err := act(p); err != nil {
		return fmt.Errorf("%s broker %d: %w", doing, b.id, err)
	}
	return nil
}

func (b *broker) notRunning(doing string) error {
	return fmt.Errorf("%s broker %d: it isn't running%s", doing, b.id, b.logTail())
}

// logTail returns the last lines of the broker's log under a heading, or nothing
// when it has logged nothing.
func (b *broker) logTail() string {
	const lines = 15
	text, err := os.ReadFile(b.logFile())
	if err != nil || len(text) == 0 {
		return ""
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	tail := all[max(0, len(all)-lines):]
	return fmt.Sprintf("\n--- the end of broker %d's log:\n%s", b.id, strings.Join(tail, "\n"))
}
