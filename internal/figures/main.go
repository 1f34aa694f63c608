// This command measures what the tests don't judge, because a busy machine could
// make it look bad: how fast and how small the embedded cluster is beside Apache
// Kafka, and how long a record takes from write to receive.
//
//	KAFKA_JARS=DIR go run ./internal/figures
//
// Everything that is compared runs in one call, round by round, on the same
// machine: the ratios count, not the milliseconds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"kafka-with-go/internal/apache"
)

func main() {
	rounds := flag.Int("rounds", 5, "how often each way is measured")
	records := flag.Int("records", 1000, "records that are written and received one at a time")
	child := flag.String("child", "", "measure one thing in this process (used by the command itself)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *child, *rounds, *records); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, child string, rounds, records int) error {
	if child == "embedded" {
		return measureEmbedded(ctx)
	}
	if err := embeddedCluster(ctx, rounds); err != nil {
		return err
	}
	if reason := apache.Unavailable(); reason != "" {
		fmt.Println("Apache Kafka was not measured:", reason)
		return nil
	}
	start := time.Now()
	kafka, err := apache.Start(ctx, apache.Options{})
	if err != nil {
		return err
	}
	defer kafka.Close()
	fmt.Printf("Apache Kafka, three JVMs: serves after %.1f s\n", time.Since(start).Seconds())
	return latencies(ctx, kafka, rounds, records)
}

// A spread is the median of several measurements, with the least and the greatest.
type spread []float64

func (s spread) String() string {
	sorted := slices.Sorted(slices.Values(s))
	return fmt.Sprintf("%.2f (%.2f to %.2f)", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}

func (s spread) median() float64 {
	return slices.Sorted(slices.Values(s))[len(s)/2]
}
