package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/embedded"
)

// loaded is how many records the cluster holds when its memory is read.
const loaded = 100_000

// embeddedCluster measures the embedded cluster in processes of its own.
func embeddedCluster(ctx context.Context, rounds int) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this command: %w", err)
	}
	var start, empty, full spread
	for range rounds {
		output, err := exec.CommandContext(ctx, self, "-child=embedded").Output()
		if err != nil {
			return fmt.Errorf("measuring the embedded cluster: %w", err)
		}
		var s, e, f float64
		if _, err := fmt.Sscan(string(output), &s, &e, &f); err != nil {
			return fmt.Errorf("reading what was measured: %w", err)
		}
		start, empty, full = append(start, s), append(empty, e), append(full, f)
	}
	fmt.Printf("embedded cluster: starts in %v ms; the process has %v MB then, and %v MB with %d records of 100 bytes\n", start, empty, full, loaded)
	return nil
}

// measureEmbedded prints milliseconds to start, and megabytes of the process
// before and after the records.
func measureEmbedded(ctx context.Context) error {
	begin := time.Now()
	cluster, err := embedded.Start(embedded.Options{Topic: "message-log"})
	if err != nil {
		return err
	}
	defer cluster.Close()
	took := time.Since(begin)
	before, err := residentMB()
	if err != nil {
		return err
	}
	// The producer shares this process: its memory is counted too.
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(1000))
	if err != nil {
		return err
	}
	defer client.Close()
	value := make([]byte, 100)
	failed := make(chan error, 1)
	for i := range loaded {
		client.Produce(ctx, &kgo.Record{Topic: "message-log", Key: []byte(strconv.Itoa(i)), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return fmt.Errorf("writing: %w", err)
	default:
	}
	after, err := residentMB()
	if err != nil {
		return err
	}
	fmt.Println(float64(took.Microseconds())/1000, before, after)
	return nil
}

// residentMB returns the memory of this process that is in RAM.
func residentMB() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("reading the memory of this process (Linux only): %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kB / 1000, err
		}
	}
	return 0, errors.New("this process has no VmRSS")
}
