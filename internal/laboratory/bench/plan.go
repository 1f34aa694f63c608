package bench

import (
	"fmt"
	"slices"
	"time"

	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// base is the point around which one thing at a time is varied.
var base = load.Point{Size: 100, Goroutines: 1, Partitions: 3}

// The points of the sweep: each differs from base in one thing.
var (
	sizes = []load.Point{
		base,
		{Size: 1 << 10, Goroutines: 1, Partitions: 3},
		{Size: 10 << 10, Goroutines: 1, Partitions: 3},
	}
	goroutines = []load.Point{
		base,
		{Size: 100, Goroutines: 4, Partitions: 3},
		{Size: 100, Goroutines: 16, Partitions: 3},
	}
	partitions = []load.Point{
		base,
		{Size: 100, Goroutines: 1, Partitions: 48},
	}

	// points are those at which each kind is measured. Latency is measured at base alone.
	points = map[load.Kind][]load.Point{
		load.Produce: slices.Concat(sizes, goroutines[1:], partitions[1:]),
		load.Consume: slices.Concat(sizes, partitions[1:]),
		load.Latency: {base},
	}
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
	Kind   load.Kind `json:"Task"`
	Point  load.Point
	Client string
	Way    string
	Rounds []load.Measure
}

func (c Case) String() string {
	way := ""
	if c.Way != "" {
		way = ", " + c.Way
	}
	return fmt.Sprintf("%s: %s%s (%s, %s, %d partitions)", c.Kind, c.Client, way,
		bytesText(c.Point.Size), kit.Count(c.Point.Goroutines, "goroutine"), c.Point.Partitions)
}

// plan lists what a round measures.
func (o Options) plan(java bool) []Case {
	var cases []Case
	add := func(kind load.Kind, p load.Point, client, way string) {
		cases = append(cases, Case{Kind: kind, Point: p, Client: client, Way: way})
	}
	for _, kind := range []load.Kind{load.Produce, load.Consume, load.Latency} {
		if !slices.Contains(o.Kinds, kind) {
			continue
		}
		for _, p := range o.points(kind) {
			for _, client := range o.Names {
				for _, way := range o.ways(kind, p, client) {
					add(kind, p, client, way)
				}
			}
			if java && p.Goroutines == 1 {
				add(kind, p, javaName, "")
			}
		}
		if kind == load.Latency {
			add(kind, base, limitName, "")
		}
	}
	for _, p := range o.points(load.Consume) {
		if p.Partitions == base.Partitions {
			add(load.Limit, p, limitName, "")
		}
	}
	return cases
}

func (o Options) points(kind load.Kind) []load.Point {
	if o.Quick || o.Base {
		return []load.Point{base}
	}
	return points[kind]
}

// ways lists the ways in which a client is measured at a point.
func (o Options) ways(kind load.Kind, p load.Point, client string) []string {
	ways := []string{asMatched}
	if p == base && client == "kafka-go" && kind == load.Produce {
		ways = append(ways, oneByOne)
	}
	if p == base && !o.Quick {
		ways = append(ways, asDefaults)
	}
	return ways
}

const (
	linger     = 5 * time.Millisecond
	batchBytes = 256 << 10
	inHand     = 32 << 20 // bytes of records that aren't acknowledged yet
)

// tuning is the matched way's, for records of a size.
func tuning(kind load.Kind, size int) adapter.Tuning {
	t := adapter.Safe()
	t.Linger, t.BatchBytes = linger, batchBytes
	t.InHand = inHand / size
	t.BatchRecords = max(1, batchBytes/size)
	t.KeepMetadata = time.Second
	if kind == load.Latency {
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

// bytesText is a size in bytes.
func bytesText(bytes int) string {
	if bytes%1024 == 0 {
		return fmt.Sprintf("%d KiB", bytes/1024)
	}
	return fmt.Sprintf("%d B", bytes)
}
