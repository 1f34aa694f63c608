package claims

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

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

// Defaults are cells by row and column.
type Defaults map[string]map[string]Cell

const (
	newWriter = "kafka.NewWriter"
	literal   = "kafka.Writer{}"

	testTopic = "message-log"
	patience  = 10 * time.Second // for what a client does in the end
)

// A side is the defaults of writing or of reading: the rows and columns of their table, and
// the probes that fill it.
type side struct {
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
type probe struct {
	name string
	run  func(context.Context, adapter.Client) (map[string]Cell, error)
	// busy keeps all processors busy, so it waits until the short times are taken.
	busy bool
}

// timed are the rows in which a time was measured: noise makes it longer.
var timed = []string{"linger", "commit interval"}

// producing is the side of the producers: kafka-go makes its writer in two ways.
func producing() side {
	s := side{
		rows: []string{
			"acks", "idempotence", "retries", "linger", "batch, at most", "compression", "partitioner",
			"largest record", "auto-creation of topics", "errors that nobody reads",
		},
		columns: []column{{newWriter, kafkago.Client{NewWriter: true}}, {literal, kafkago.Client{}}},
		probes: []probe{
			{name: "the first writes", run: firstWrites},
			{name: "the retries", run: retries},
			{name: "a missing topic", run: autoCreation},
			{name: "batches", run: batches, busy: true},
			{name: "large records", run: largeRecords, busy: true},
			{name: "unread errors", run: unreadErrors, busy: true},
		},
	}
	for _, c := range clients.All()[1:] {
		s.columns = append(s.columns, column{c.Name(), c.Client})
	}
	return s
}

func consuming() side {
	s := side{
		rows: []string{
			"start of a new group", "a commit covers", "commit interval", "commit at Close", "session timeout",
			"fetch waits for", "isolation level", "reading without a group",
		},
		probes: []probe{
			{name: "the start of a group", run: groupStart},
			{name: "the commits", run: commits},
			{name: "slow work", run: slowWork},
			{name: "reading without a group", run: noGroup},
		},
	}
	for _, c := range clients.All() {
		s.columns = append(s.columns, column{c.Name(), c.Client})
	}
	return s
}

// An observer runs probes side by side, and collects their cells.
type observer struct {
	group sync.WaitGroup
	mu    sync.Mutex
	errs  []error
}

// observeDefaults runs all probes for each client.
func observeDefaults(ctx context.Context, progress func(string)) (producer, consumer Defaults, err error) {
	progress("defaults: how each client writes and reads (about 15 s)")
	producer, consumer = make(Defaults), make(Defaults)
	var o observer
	o.start(ctx, producing(), producer, false)
	o.start(ctx, consuming(), consumer, false)
	select {
	case <-time.After(2 * time.Second): // Now the short times are taken.
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("observing the defaults: %w", ctx.Err())
	}
	o.start(ctx, producing(), producer, true)
	o.group.Wait()
	return producer, consumer, errors.Join(o.errs...)
}

// start starts the probes of a side that are busy, or those that aren't.
func (o *observer) start(ctx context.Context, s side, into Defaults, busy bool) {
	for _, p := range s.probes {
		for _, c := range s.columns {
			if p.busy != busy || c.client.Available() != nil {
				continue
			}
			o.group.Go(func() {
				cells, err := p.run(ctx, c.client)
				o.mu.Lock()
				defer o.mu.Unlock()
				if err != nil {
					o.errs = append(o.errs, fmt.Errorf("%s of %s: %w", p.name, c.name, err))
					return
				}
				into.add(c.name, cells)
			})
		}
	}
}

// add adds cells of a column.
func (d Defaults) add(column string, cells map[string]Cell) {
	for row, cell := range cells {
		if d[row] == nil {
			d[row] = make(map[string]Cell)
		}
		d[row][column] = cell
	}
}

// marks returns the marks in a row, sorted.
func (d Defaults) marks(row string) []string {
	var marks []string
	for _, c := range d[row] {
		if c.Mark != "" && !slices.Contains(marks, c.Mark) {
			marks = append(marks, c.Mark)
		}
	}
	slices.Sort(marks)
	return marks
}

// human writes a time with a space before its unit.
func human(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}
