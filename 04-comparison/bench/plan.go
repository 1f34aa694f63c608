package main

import (
	"fmt"
	"slices"
	"time"

	"kafka-with-go/internal/clients"
)

// A Task is what is measured.
type Task string

// The tasks.
const (
	Produce Task = "produce" // write as fast as it goes
	Consume Task = "consume" // receive through a group, with commits
	Latency Task = "latency" // from write to receive, one record at a time
	Limit   Task = "limit"   // what the machine can do without Kafka
)

// A Point says what is written or received.
type Point struct {
	Size       int // bytes of a record, key and value
	Goroutines int // that write
	Partitions int
}

func (p Point) String() string {
	return fmt.Sprintf("%s, %s, %d partitions", human(p.Size), many(p.Goroutines, "goroutine"), p.Partitions)
}

// base is the point around which one thing at a time is varied.
var base = Point{Size: 100, Goroutines: 1, Partitions: 3}

// The points of the sweep: each differs from base in one thing.
var (
	sizes      = []Point{base, {1 << 10, 1, 3}, {10 << 10, 1, 3}}
	goroutines = []Point{base, {100, 4, 3}, {100, 16, 3}}
	partitions = []Point{base, {100, 1, 48}}
)

// The names of what stands beside the clients.
const (
	javaName  = "Java's own tool"
	limitName = "the limit"
)

// The ways, as they are kept.
const (
	asDefaults = "defaults"
	asMatched  = "matched"
	oneByOne   = "matched, one by one" // a record a call, where the client takes several
)

// A Case is something that is measured in every round.
type Case struct {
	Task   Task
	Point  Point
	Client string
	Way    string
	Rounds []Measure
}

func (c Case) String() string {
	if c.Way == "" {
		return fmt.Sprintf("%s: %s (%v)", c.Task, c.Client, c.Point)
	}
	return fmt.Sprintf("%s: %s, %s (%v)", c.Task, c.Client, c.Way, c.Point)
}

// plan lists what a round measures.
func (o Options) plan(java bool) []Case {
	var cases []Case
	add := func(task Task, p Point, client, way string) {
		cases = append(cases, Case{Task: task, Point: p, Client: client, Way: way})
	}
	point := func(task Task, p Point) {
		for _, n := range o.Names {
			add(task, p, n, asMatched)
			if p == base && n == "kafka-go" && task == Produce {
				add(task, p, n, oneByOne)
			}
			if p == base && !o.Quick {
				add(task, p, n, asDefaults)
			}
		}
		if java && p.Goroutines == 1 {
			add(task, p, javaName, "")
		}
	}
	points := map[Task][]Point{
		Produce: slices.Concat(sizes, goroutines[1:], partitions[1:]),
		Consume: slices.Concat(sizes, partitions[1:]),
	}
	if o.Quick || o.Base {
		points = map[Task][]Point{Produce: {base}, Consume: {base}}
	}
	for _, task := range []Task{Produce, Consume} {
		if !slices.Contains(o.Tasks, task) {
			continue
		}
		for _, p := range points[task] {
			point(task, p)
		}
	}
	if slices.Contains(o.Tasks, Latency) {
		point(Latency, base)
		add(Latency, base, limitName, "")
	}
	for _, p := range points[Consume] {
		if p.Partitions == base.Partitions {
			add(Limit, p, limitName, "")
		}
	}
	return cases
}

const (
	linger     = 5 * time.Millisecond
	batchBytes = 256 << 10
	inHand     = 32 << 20 // bytes of records that aren't acknowledged yet
)

// tuning is the matched way's, for records of a size.
func tuning(task Task, size int) clients.Tuning {
	t := clients.Safe()
	t.Linger, t.BatchBytes = linger, batchBytes
	t.InHand = inHand / size
	t.BatchRecords = max(1, batchBytes/size)
	t.KeepMetadata = time.Second
	if task == Latency {
		// Each record goes at once, as it does in Kafka's EndToEndLatency.
		t.Linger, t.BatchRecords = 0, 1
	}
	return t
}

// A Pace is how much is measured.
type Pace struct {
	Rounds int
	Warm   time.Duration // before producing is measured
	For    time.Duration // that each process measures
}

// human is a size in bytes.
func human(bytes int) string {
	if bytes%1024 == 0 {
		return fmt.Sprintf("%d KiB", bytes/1024)
	}
	return fmt.Sprintf("%d B", bytes)
}

// many is a number of things.
func many(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
