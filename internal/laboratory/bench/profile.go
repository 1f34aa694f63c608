package bench

import (
	"cmp"
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

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/load"
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

var kinds = []string{
	inClient, inC, inSystem, inMemory, inWaiting, inLocks, inMaps, inCopy, inChecksum, inBenchmark, inRest,
}

// profileAll profiles each client once, writing and receiving, at the base point.
func profileAll(ctx context.Context, b *brokers, names []string, dir string) (map[string]Shares, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the profiles: %w", err)
	}
	from, err := b.fill(ctx, base)
	if err != nil {
		return nil, err
	}
	shares := make(map[string]Shares)
	for _, name := range names {
		for _, kind := range []load.Kind{load.Produce, load.Consume} {
			path := filepath.Join(dir, name+"-"+string(kind)+".pprof")
			fmt.Fprintf(os.Stderr, "profiling %s, %s: %s\n", name, kind, path)
			one, err := b.profile(ctx, name, kind, from, path)
			if err != nil {
				return nil, err
			}
			shares[name+", "+string(kind)] = one
		}
	}
	return shares, nil
}

func (b *brokers) profile(
	ctx context.Context, name string, kind load.Kind, from source, path string,
) (shares Shares, err error) {
	l := load.Load{
		Kind: kind, Client: name, Way: adapter.Matched, Brokers: b.addrs, Topic: from.topic, Group: b.group(),
		Point: base, Tuning: tuning(kind, base.Size), For: 4 * time.Second, Records: from.records,
		Profile: path,
	}
	if kind == load.Produce {
		l.Records = 0
		if l.Topic, err = b.topic(ctx, base.Partitions); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, b.remove(context.WithoutCancel(ctx), l.Topic)) }()
	}
	if _, err := l.Start(ctx); err != nil {
		return nil, err
	}
	return readProfile(ctx, path)
}

// readProfile has Go's own tool list a profile, and sums it up by kind.
func readProfile(ctx context.Context, path string) (Shares, error) {
	output, err := exec.CommandContext(ctx, "go", "tool", "pprof",
		"-top", "-nodecount=100000", "-nodefraction=0", "-unit=ms", path).Output()
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

// functions are parts of the names of functions, by what those functions do. The first kind
// with a part that fits is taken.
var functions = []struct {
	kind  string
	parts []string
}{
	{inC, []string{
		"cgocall", "_ExternalCode", "_Cfunc", "_cgo", "librdkafka", "runtime.asmcgocall",
		"cgoCheck", "exitsyscall", "entersyscall", "reentersyscall",
	}},
	{inSystem, []string{
		"Syscall6", "syscall.", "internal/poll", "net.(", "runtime/internal/syscall", "epoll",
		"internal/runtime/syscall",
	}},
	{inChecksum, []string{
		"crc32",
	}},
	{inCopy, []string{
		"memmove", "memclr",
	}},
	{inBenchmark, []string{
		"kafka-with-go", "main.", "runtime/pprof", "semaphore.",
	}},
	{inClient, []string{
		"segmentio/kafka-go", "IBM/sarama", "confluent-kafka-go", "lovoo/goka",
		"twmb/franz-go", "go-metrics", "eapache",
	}},
	{inMaps, []string{
		"internal/runtime/maps", "runtime.map", "hashbody", "memhash", "strhash",
	}},
	{inLocks, []string{
		"acquirem", "releasem", "chansend", "chanrecv", "selectgo", "sellock", "selunlock",
		"lock2", "unlock2", "sync.", "sync/", "internal/sync", "runtime.send", "runtime.recv",
		"time.Now", "time.now", "time.(*", "nanotime", "walltime", "sema", "sudog", "Sudog",
		"vdso", "internal/runtime/atomic",
	}},
	{inMemory, []string{
		"malloc", "gcDrain", "scan", "gc", "greyobject", "findObject", "mark", "sweep", "span",
		"heap", "mcache", "mcentral", "bulkBarrier", "wbBuf", "newobject", "growslice",
		"makeslice", "typePointers", "nextFree", "mspan", "madvise", "deductSweep", "GC",
	}},
	{inWaiting, []string{
		"futex", "asyncPreempt", "schedule", "findRunnable", "park", "ready", "wake",
		"stealWork", "runq", "mcall", "gogo", "usleep", "osyield", "netpoll", "procyield",
		"note", "stopm", "startm", "casgstatus", "execute", "pidle", "timers", "procresize",
	}},
}

// kindOf tells what a function does.
func kindOf(function string) string {
	for _, f := range functions {
		for _, part := range f.parts {
			if strings.Contains(function, part) {
				return f.kind
			}
		}
	}
	return inRest
}

// Biggest returns the kinds that take most, the biggest first.
func (s Shares) Biggest(n int) []string {
	sorted := slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		return cmp.Or(cmp.Compare(s[b], s[a]), strings.Compare(a, b))
	})
	return sorted[:min(n, len(sorted))]
}
