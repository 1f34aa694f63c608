// Command cmd is for who has Java but no Docker: it starts the three brokers of
// docker-compose.yml as ordinary processes and ends them on Ctrl-C.
//
//	go run ./internal/apache/cmd
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"kafka-with-go/internal/apache"
)

func main() {
	ports := flag.String("ports", "9093,9094,9095", "the three `ports` that clients use")
	flag.Parse()
	if err := run(*ports); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(list string) error {
	var ports []int
	for _, text := range strings.Split(list, ",") {
		port, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("reading -ports: %w; give three numbers, as in 9093,9094,9095", err)
		}
		ports = append(ports, port)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cluster, err := apache.Start(ctx, apache.Options{Ports: ports, Log: os.Stdout})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Printf("Apache Kafka %s serves on %s; Ctrl-C ends it and removes its records.\n", apache.Version, strings.Join(cluster.Addrs(), ", "))
	<-ctx.Done()
	// A second Ctrl-C ends this program at once.
	stop()
	return cluster.Close()
}
