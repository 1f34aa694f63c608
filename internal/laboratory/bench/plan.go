package bench

import (
	"fmt"
	"slices"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/laboratory/kit"
	"kafka-with-go/internal/laboratory/load"
)

// base is the point around which one thing at a time is varied.
var base = load.Point{Size: 100, Goroutines: 1, Partitions: 3, InHand: 100_000}

// The points that differ from base in one thing.
var (
	larger     = load.Point{Size: 1 << 10, Goroutines: 1, Partitions: 3, InHand: 32_000} // as many bytes as Java's
	goroutines = load.Point{Size: 100, Goroutines: 16, Partitions: 3, InHand: 100_000}
	windows    = []load.Point{
		{Size: 100, Goroutines: 1, Partitions: 3, InHand: 1_000},
		{Size: 100, Goroutines: 1, Partitions: 3, InHand: 10_000},
		base,
	}
)

// The names of what stands beside the clients.
const (
	javaName  = "Java's own tool"
	limitName = "the limit"
	flowName  = "03-together"
)

// The ways, as they are kept.
const (
	asShipped   = "as shipped"
	asTuned     = "tuned"
	unthrottled = "without its throttle"
)

// flows are the ways in which the flow of 03-together is measured.
var flows = map[string]load.Flow{
	"its own way":                  {},
	"without commits":              {NoCommits: true},
	"without a group":              {NoGroup: true},
	"with a batch timeout of 1 ms": {BatchTimeout: time.Millisecond},
}

// flowWays are the flows in the order of the table.
var flowWays = []string{
	"its own way", "without commits", "without a group", "with a batch timeout of 1 ms",
}

// A Case is something that is measured in every round.
type Case struct {
	Kind   load.Kind
	Point  load.Point
	Client string
	Way    string `json:",omitempty"`
	Rounds []load.Measure

	profile string // the file that gets a profile, or ""
}

func (c Case) String() string {
	way := ""
	if c.Way != "" {
		way = ", " + c.Way
	}
	return fmt.Sprintf("%s: %s%s (%s, %s, %d partitions)", c.Kind, c.Client, way,
		bytesText(c.Point.Size), kit.Count(c.Point.Goroutines, "goroutine"), c.Point.Partitions)
}

// same tells whether two cases measure the same.
func (c Case) same(as Case) bool {
	return c.Kind == as.Kind && c.Point == as.Point && c.Client == as.Client && c.Way == as.Way
}

// plan lists what a round measures. What is compared stays together.
func (o Options) plan(java bool) []Case {
	var cases []Case
	add := func(kind load.Kind, p load.Point, client, way string) {
		if slices.Contains(o.Kinds, kind) || kind == load.Limit {
			cases = append(cases, Case{Kind: kind, Point: p, Client: client, Way: way})
		}
	}
	shipped := func(kind load.Kind, p load.Point) {
		for _, name := range o.Names {
			add(kind, p, name, asShipped)
		}
	}
	beside := func(kind load.Kind, p load.Point) {
		if java {
			add(kind, p, javaName, "")
		}
	}
	for _, kind := range []load.Kind{load.Produce, load.Consume} {
		shipped(kind, base)
		for _, name := range o.Names {
			if tuned(name, kind) != "" {
				add(kind, base, name, asTuned)
			}
			if kind == load.Consume && name == "confluent-kafka-go" {
				add(kind, base, name, unthrottled)
			}
		}
		beside(kind, base)
	}
	shipped(load.Latency, base)
	for _, way := range flowWays {
		add(load.Latency, base, flowName, way)
	}
	if javaCompiles {
		beside(load.Latency, base)
	}
	add(load.Limit, base, limitName, "")
	if o.Quick || o.Base {
		return cases
	}
	for _, kind := range []load.Kind{load.Produce, load.Consume} {
		shipped(kind, larger)
		beside(kind, larger)
	}
	shipped(load.Produce, goroutines)
	for _, p := range windows[:len(windows)-1] {
		shipped(load.Produce, p)
	}
	return cases
}

// tuned says what code beyond settings a client is given when it is tuned, or "".
func tuned(name string, kind load.Kind) string {
	c, err := clients.ByName(name)
	switch {
	case err != nil:
		return ""
	case kind == load.Produce:
		return c.Tuned.Write
	}
	return c.Tuned.Read
}

const (
	linger     = 5 * time.Millisecond
	batchBytes = 256 << 10
	javaInHand = 32 << 20 // bytes
)

// tuning is the same for all clients.
func tuning(kind load.Kind, p load.Point) adapter.Tuning {
	t := adapter.Safe()
	t.Linger, t.BatchBytes = linger, batchBytes
	t.InHand = p.InHand
	t.BatchRecords = max(1, batchBytes/p.Size)
	if kind == load.Latency {
		t.Linger, t.BatchRecords = 0, 1 // Each record goes at once, as it does in Java's.
	}
	return t
}

// A Pace is how much is measured.
type Pace struct {
	Rounds int
	Warm   time.Duration // before it is measured
	For    time.Duration // that each process measures
}

// bytesText is a size in bytes.
func bytesText(bytes int) string {
	if bytes%1024 == 0 {
		return fmt.Sprintf("%d KiB", bytes/1024)
	}
	return fmt.Sprintf("%d B", bytes)
}
