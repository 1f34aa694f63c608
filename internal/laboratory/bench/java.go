package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kafka-with-go/internal/cluster/apache"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
	"kafka-with-go/internal/process"
)

// A javaRun is one run of Kafka's own tools, with the settings that are the
// same for all under the matched way.
type javaRun struct {
	kind    load.Kind
	brokers []string
	topic   string
	group   string
	point   load.Point
	records int
}

// javaWarmUp is how many times the measured records are written before them:
// Java's compiler needs some seconds, and nobody's service is that young.
const javaWarmUp = 4

var (
	producedLine = regexp.MustCompile(`([0-9]+)(?: steady state)? records sent, ([0-9.]+) records/sec`)
	averageLine  = regexp.MustCompile(`Avg latency: ([0-9.]+) ms`)
	percentLine  = regexp.MustCompile(`50th = ([0-9.]+), 99th = ([0-9.]+)`)
)

func (j javaRun) tool() (name string, args []string) {
	t := tuning(j.kind, j.point.Size)
	brokers, records := strings.Join(j.brokers, ","), strconv.Itoa(j.records)
	switch j.kind {
	case load.Produce:
		return "kafka-producer-perf-test.sh", []string{
			"--bootstrap-server", brokers, "--topic", j.topic, "--throughput", "-1",
			"--num-records", strconv.Itoa((javaWarmUp + 1) * j.records),
			"--warmup-records", strconv.Itoa(javaWarmUp * j.records),
			"--record-size", strconv.Itoa(j.point.Size), "--command-property",
			"acks=all", "enable.idempotence=true", "compression.type=none",
			fmt.Sprintf("linger.ms=%d", t.Linger.Milliseconds()), fmt.Sprintf("batch.size=%d", t.BatchBytes),
			fmt.Sprintf("buffer.memory=%d", inHand),
		}
	case load.Consume:
		return "kafka-consumer-perf-test.sh", []string{
			"--bootstrap-server", brokers, "--topic", j.topic, "--group", j.group, "--num-records", records,
			"--command-property", fmt.Sprintf("auto.commit.interval.ms=%d", t.CommitInterval.Milliseconds()),
			"--command-property", fmt.Sprintf("fetch.max.wait.ms=%d", t.FetchWait.Milliseconds()),
		}
	}
	return "EndToEndLatency", []string{
		"--bootstrap-server", brokers, "--topic", j.topic, "--num-records", records,
		"--producer-acks", "all", "--record-size", strconv.Itoa(j.point.Size),
	}
}

func (j javaRun) run(ctx context.Context) (m load.Measure, err error) {
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
	average, found := averageLine.FindStringSubmatch(text), percentLine.FindStringSubmatch(text)
	if average == nil || found == nil {
		return errors.New("it prints no average or no percentiles")
	}
	var each float64 // milliseconds: one record at a time is on its way
	if err := scan(average[1]+" "+found[1]+" "+found[2], &each, &m.P50, &m.P99); err != nil {
		return err
	}
	if each == 0 {
		return errors.New("it prints an average of 0 ms")
	}
	m.Records, m.Rate = j.records, 1000/each
	return nil
}

// readConsumed reads a line of names and a line of values, both separated by commas.
func (j javaRun) readConsumed(m *load.Measure, text string) error {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	values := strings.Split(lines[len(lines)-1], ",")
	into := map[string]any{
		"data.consumed.in.nMsg": &m.Records,
		"fetch.nMsg.sec":        &m.Rate, // without the time to join
	}
	for i, name := range strings.Split(lines[0], ",") {
		target, ok := into[strings.TrimSpace(name)]
		if !ok || i >= len(values) {
			continue
		}
		if err := scan(values[i], target); err != nil {
			return err
		}
	}
	if m.Rate == 0 || m.Records < j.records {
		return fmt.Errorf("it received %d of %d records", m.Records, j.records)
	}
	return nil
}

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
		return 200
	}
	rate := 25e6 / float64(one.Point.Size+60) // a guess, until there is a first round
	if n := len(one.Rounds); n > 0 {
		rate = one.Rounds[n-1].Rate
	}
	records := int(rate * long.Seconds())
	if one.Point.Size <= 1<<10 {
		records = max(records, fewest/2)
	}
	return max(100, records)
}
