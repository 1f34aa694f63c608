package bench

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
	"kafka-with-go/internal/process"
)

// latencySource is a small program in Java: Kafka's own tool for it counts in milliseconds.
//
//go:embed Latency.java
var latencySource []byte

// javaCompiles tells whether the Java here runs a program from its source. A Java that is only
// for running programs doesn't.
var javaCompiles = func() bool {
	modules, err := exec.Command("java", "--list-modules").Output()
	return err == nil && bytes.Contains(modules, []byte("jdk.compiler@"))
}()

// A javaRun is one run of a tool of Kafka's in Java, with the settings that the clients have.
type javaRun struct {
	kind    load.Kind
	brokers []string
	topic   string
	group   string
	point   load.Point
	records int
	dir     string // for files that a tool reads
}

// Java's compiler needs some seconds, and nobody's service is that young: so many times the
// records that count are written before them, and reading isn't measured in its first second.
const (
	javaWarmUp   = 2
	javaWarmRead = time.Second
)

func (j javaRun) tool() (name string, args []string) {
	t := tuning(j.kind, j.point)
	brokers, records := strings.Join(j.brokers, ","), strconv.Itoa(j.records)
	switch j.kind {
	case load.Produce:
		return "kafka-producer-perf-test.sh", []string{
			"--bootstrap-server", brokers, "--topic", j.topic, "--throughput", "-1",
			"--num-records", strconv.Itoa((javaWarmUp + 1) * j.records),
			"--warmup-records", strconv.Itoa(javaWarmUp * j.records),
			"--payload-file", filepath.Join(j.dir, "values"), "--command-property",
			"acks=all", "enable.idempotence=true", "compression.type=none",
			fmt.Sprintf("linger.ms=%d", t.Linger.Milliseconds()), fmt.Sprintf("batch.size=%d", t.BatchBytes),
			fmt.Sprintf("buffer.memory=%d", javaInHand),
		}
	case load.Consume:
		return "kafka-consumer-perf-test.sh", []string{
			"--bootstrap-server", brokers, "--topic", j.topic, "--group", j.group, "--num-records", records,
			"--show-detailed-stats", "--reporting-interval", "100",
			"--command-property", fmt.Sprintf("auto.commit.interval.ms=%d", t.CommitInterval.Milliseconds()),
			"--command-property", fmt.Sprintf("fetch.max.wait.ms=%d", t.FetchWait.Milliseconds()),
		}
	}
	return filepath.Join(j.dir, "Latency.java"), []string{
		brokers, j.topic, strconv.Itoa(max(50, j.records/3)), records, strconv.Itoa(j.point.Size - load.KeySize),
	}
}

func (j javaRun) run(ctx context.Context) (m load.Measure, err error) {
	if j.dir, err = os.MkdirTemp("", "bench-java-"); err != nil {
		return m, fmt.Errorf("making a folder for Java: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(j.dir)) }()
	err = errors.Join(os.WriteFile(filepath.Join(j.dir, "Latency.java"), latencySource, 0o600),
		os.WriteFile(filepath.Join(j.dir, "values"), load.Values(j.point.Size), 0o600))
	if err != nil {
		return m, fmt.Errorf("writing files for Java: %w", err)
	}
	name, args := j.tool()
	ctx, cancel := context.WithTimeout(ctx, load.Patience)
	defer cancel()
	command := apache.Tool(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := process.Run(command); err != nil {
		return m, fmt.Errorf("running %s: %w\n%s", name, err, kit.LastLines(stdout.String()+stderr.String()))
	}
	if err := j.read(&m, stdout.String()); err != nil {
		return m, fmt.Errorf("%s: %w\n%s", name, err, kit.LastLines(stdout.String()+stderr.String()))
	}
	used := command.ProcessState.UserTime() + command.ProcessState.SystemTime()
	all := j.records
	if j.kind == load.Produce {
		all *= javaWarmUp + 1
	}
	m.CPU, m.PeakMB = float64(used.Microseconds())/float64(all), kit.PeakOf(command.ProcessState)
	return m, nil
}

var (
	producedLine = regexp.MustCompile(`([0-9]+)(?: steady state)? records sent, ([0-9.]+) records/sec`)
	latencyLine  = regexp.MustCompile(`([0-9.]+) records/s, 50th ([0-9.]+) ms, 99th ([0-9.]+) ms`)
)

// read takes the figures out of what a tool prints.
func (j javaRun) read(m *load.Measure, text string) error {
	switch j.kind {
	case load.Produce:
		found := producedLine.FindAllStringSubmatch(text, -1)
		if found == nil {
			return errors.New("it prints no rate")
		}
		last := found[len(found)-1]
		return scan(last[1]+" "+last[2], &m.Records, &m.Rate)
	case load.Consume:
		return j.readConsumed(m, text)
	}
	found := latencyLine.FindStringSubmatch(text)
	if found == nil {
		return errors.New("it prints no percentiles")
	}
	m.Records = j.records
	return scan(strings.Join(found[1:], " "), &m.Rate, &m.P50, &m.P99)
}

// readConsumed reads the lines that the consumer's tool prints as it goes: the time, and how many
// records came until then. What counts begins a second after the first line.
func (j javaRun) readConsumed(m *load.Measure, text string) error {
	var first, from, to time.Time
	var before, all int
	for line := range strings.Lines(text) {
		fields := strings.Split(line, ", ")
		at, err := javaTime(fields[0])
		if err != nil || len(fields) < 5 {
			continue
		}
		if err := scan(fields[4], &all); err != nil {
			return err
		}
		if first.IsZero() {
			first = at
		}
		if from.IsZero() || at.Sub(first) <= javaWarmRead && j.records > fewest {
			from, before = at, all
		}
		to = at
	}
	m.Records = all - before
	if m.Records == 0 || !to.After(from) {
		return fmt.Errorf("it says of too few moments how much it received (%d records)", all)
	}
	m.Rate = float64(m.Records) / to.Sub(from).Seconds()
	return nil
}

// javaTime reads a time whose milliseconds follow a colon.
func javaTime(text string) (time.Time, error) {
	if i := strings.LastIndex(text, ":"); i >= 0 {
		text = text[:i] + "." + text[i+1:]
	}
	return time.Parse("2006-01-02 15:04:05.000", text)
}

// fewest is how many records a tool of Java's is given at least, where its rate is to say more of
// Java than of its compiler's first seconds.
const fewest = 40_000

func scan(text string, into ...any) error {
	if _, err := fmt.Sscan(text, into...); err != nil {
		return fmt.Errorf("reading its figures: %w", err)
	}
	return nil
}

// javaRecords is how many records a tool of Java's is given, so that it takes about the time
// that the others take.
func javaRecords(one Case, long time.Duration, stored int) int {
	switch one.Kind {
	case load.Consume:
		return stored
	case load.Latency:
		return max(100, int(3000*long.Seconds()))
	}
	rate := 25e6 / float64(one.Point.Size+60) // a guess, until there is a first round
	if n := len(one.Rounds); n > 0 {
		rate = one.Rounds[n-1].Rate
	}
	return max(100, int(rate*long.Seconds()))
}
