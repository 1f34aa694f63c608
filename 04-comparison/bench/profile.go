package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kafka-with-go/internal/clients"
)

// Shares say where a client's processor time goes, in percent by kind.
type Shares map[string]float64

// The kinds, in the order of the table.
const (
	inSystem    = "system calls"
	inMemory    = "memory and its collector"
	inWaiting   = "waking and scheduling goroutines"
	inLocks     = "channels, locks, timers"
	inChecksum  = "checksums"
	inCopy      = "copying"
	inMaps      = "hash tables"
	inC         = "C and the way to it"
	inClient    = "the client's Go"
	inBenchmark = "the benchmark and its adapter"
	inRest      = "the rest"
)

var kinds = []string{inClient, inC, inSystem, inMemory, inWaiting, inLocks, inMaps, inCopy, inChecksum, inBenchmark, inRest}

// profileAll profiles each client once, writing and receiving, at the base point.
func profileAll(ctx context.Context, c *cluster, names []string, dir string) (map[string]Shares, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the profiles: %w", err)
	}
	source, records, err := c.fill(ctx, base)
	if err != nil {
		return nil, err
	}
	shares := make(map[string]Shares)
	for _, name := range names {
		for _, task := range []Task{Produce, Consume} {
			e := errand{
				Task: task, Client: name, Way: clients.Matched, Brokers: c.addrs, Topic: source, Group: c.group(),
				Point: base, Tuning: tuning(task, base.Size), For: 4 * time.Second, Records: records,
				Profile: filepath.Join(dir, name+"-"+string(task)+".pprof"),
			}
			if task == Produce {
				e.Records = 0
				if e.Topic, err = c.topic(ctx, base.Partitions); err != nil {
					return nil, err
				}
			}
			fmt.Fprintf(os.Stderr, "profiling %s, %s: %s\n", name, task, e.Profile)
			if _, err := e.start(ctx); err != nil {
				return nil, err
			}
			one, err := readProfile(ctx, e.Profile)
			if err != nil {
				return nil, err
			}
			shares[name+", "+string(task)] = one
			if task == Produce {
				if err := c.remove(ctx, e.Topic); err != nil {
					return nil, err
				}
			}
		}
	}
	return shares, nil
}

// readProfile has Go's own tool list a profile, and sums it up by kind.
func readProfile(ctx context.Context, path string) (Shares, error) {
	output, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-unit=ms", path).Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, failed.Stderr)
		}
		return nil, fmt.Errorf("reading the profile %s: %w", path, err)
	}
	return sumUp(string(output))
}

func sumUp(listing string) (Shares, error) {
	var all float64
	shares := make(Shares)
	for line := range strings.Lines(listing) {
		words := strings.Fields(line)
		if len(words) < 6 || !strings.HasSuffix(words[0], "ms") && words[0] != "0" {
			continue
		}
		flat, err := strconv.ParseFloat(strings.TrimSuffix(words[0], "ms"), 64)
		if err != nil {
			continue // A line of the head.
		}
		shares[kindOf(strings.Join(words[5:], " "))] += flat
		all += flat
	}
	if all == 0 {
		return nil, errors.New("the profile is empty")
	}
	for kind := range shares {
		shares[kind] = float64(int(shares[kind]/all*1000+0.5)) / 10
	}
	return shares, nil
}

// kindOf tells what a function does.
func kindOf(function string) string {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(function, p) })
	}
	switch {
	case has("cgocall", "_ExternalCode", "_Cfunc", "_cgo", "librdkafka", "runtime.asmcgocall", "cgoCheck", "exitsyscall", "entersyscall", "reentersyscall"):
		return inC
	case has("Syscall6", "syscall.", "internal/poll", "net.(", "runtime/internal/syscall", "epoll", "internal/runtime/syscall"):
		return inSystem
	case has("crc32"):
		return inChecksum
	case has("memmove", "memclr"):
		return inCopy
	case has("kafka-with-go", "main.", "runtime/pprof", "semaphore."):
		return inBenchmark
	case has("segmentio/kafka-go", "IBM/sarama", "confluent-kafka-go", "lovoo/goka", "twmb/franz-go", "go-metrics", "eapache"):
		return inClient
	case has("internal/runtime/maps", "runtime.map", "hashbody", "memhash", "strhash"):
		return inMaps
	case has("acquirem", "releasem", "chansend", "chanrecv", "selectgo", "sellock", "selunlock", "lock2", "unlock2", "sync.", "sync/", "internal/sync", "runtime.send", "runtime.recv", "time.Now", "time.now", "time.(*", "nanotime", "walltime", "sema", "sudog", "Sudog", "vdso", "internal/runtime/atomic"):
		return inLocks
	case has("malloc", "gcDrain", "scan", "gc", "greyobject", "findObject", "mark", "sweep", "span", "heap", "mcache", "mcentral", "bulkBarrier", "wbBuf", "newobject", "growslice", "makeslice", "typePointers", "nextFree", "mspan", "madvise", "deductSweep", "GC"):
		return inMemory
	case has("futex", "asyncPreempt", "schedule", "findRunnable", "park", "ready", "wake", "stealWork", "runq", "mcall", "gogo", "usleep", "osyield", "netpoll", "procyield", "note", "stopm", "startm", "casgstatus", "execute", "pidle", "timers", "procresize"):
		return inWaiting
	}
	return inRest
}

// biggest returns the kinds that take most, and their shares.
func (s Shares) biggest(n int) []string {
	sorted := slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		switch {
		case s[a] > s[b]:
			return -1
		case s[a] < s[b]:
			return 1
		}
		return strings.Compare(a, b)
	})
	return sorted[:min(n, len(sorted))]
}
