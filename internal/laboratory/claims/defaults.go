package claims

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
	"kafka-with-go/internal/clients/kafkago"
)

// A Cell is a default of a client, and what it does to a user.
type Cell struct {
	Value string
	Mark  string `json:",omitempty"` // empty where it does no harm
}

// The marks. What each means in a row is said in the file sentences/defaults.md.
const (
	loses     = "loses"
	repeats   = "repeats"
	delays    = "delays"
	mixes     = "mixes"
	moves     = "moves"
	surprises = "surprises"
	skips     = "skips"
	stops     = "stops"
)

// Defaults are the cells of one round, by row and column.
type Defaults map[string]map[string]Cell

const (
	newWriter = "kafka.NewWriter"
	literal   = "kafka.Writer{}"

	testTopic = "message-log"
	patience  = 20 * time.Second // for what a client does in the end
)

// A side is the defaults of writing or of reading: the rows and columns of their table, and
// the probes that fill it.
type side struct {
	title   string
	rows    []string
	columns []column
	probes  []probe
}

// A column is a client as the tables of defaults have it.
type column struct {
	name   string
	client adapter.Client
}

// A probe sets a client up as a newcomer would, has it write or read, and notes what it asks
// of the brokers: cells by row.
type probe func(context.Context, adapter.Client) (map[string]Cell, error)

// sides are those of the producers and of the consumers. kafka-go makes its writer in two ways.
func sides() []side {
	producers := []column{{newWriter, kafkago.Client{NewWriter: true}}, {literal, kafkago.Client{}}}
	consumers := []column{{"kafka-go", kafkago.Client{}}}
	for _, c := range clients.All()[1:] {
		producers = append(producers, column{c.Name(), c.Client})
		consumers = append(consumers, column{c.Name(), c.Client})
	}
	return []side{
		{
			title: "Writing",
			rows: []string{
				"acks", "idempotence", "retries", "linger", "compression", "partitioner",
				"auto-creation of topics", "errors that nobody reads",
			},
			columns: producers,
			probes:  []probe{firstWrites, retries, autoCreation, unreadErrors},
		},
		{
			title: "Reading, in a group",
			rows: []string{
				"start of a new group", "a commit covers", "commit interval",
				"session timeout", "isolation level", "reading without a group",
			},
			columns: consumers,
			probes:  []probe{groupStart, commits, slowWork, noGroup},
		},
	}
}

// observeDefaults runs all probes for each client, side by side, once.
func observeDefaults(ctx context.Context) (Defaults, error) {
	all := make(Defaults)
	var mu sync.Mutex
	var group errgroup.Group
	for _, s := range sides() {
		for _, row := range s.rows {
			all[row] = make(map[string]Cell)
		}
		for _, probe := range s.probes {
			for _, c := range s.columns {
				if c.client.Available() != nil {
					continue
				}
				group.Go(func() error {
					cells, err := probe(ctx, c.client)
					if err != nil {
						return fmt.Errorf("%s: %w", c.name, err)
					}
					mu.Lock()
					defer mu.Unlock()
					for row, cell := range cells {
						all[row][c.name] = cell
					}
					return nil
				})
			}
		}
	}
	return all, group.Wait()
}

// seen returns the cell that was seen in most rounds, and in how many.
func (r Results) seen(row, column string) (most Cell, times int) {
	count := make(map[Cell]int)
	for _, round := range r.Defaults {
		c := round[row][column]
		count[c]++
		if count[c] > times {
			most, times = c, count[c]
		}
	}
	return most, times
}

func (r Results) cell(row, column string) Cell {
	c, _ := r.seen(row, column)
	return c
}

// human writes a time with a space before its unit.
func human(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}
