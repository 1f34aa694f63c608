package workload

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kafka-with-go/internal/clients"
	"kafka-with-go/internal/clients/adapter"
)

// How says how a client is used.
type How string

const (
	AsShown How = "as shown" // as its own documentation shows it
	Safe    How = "safe"     // with the settings of the chapter's advice
	Program How = "program"  // a program of this tutorial, the very file that a learner copies
)

// A Way is a client, and how it is used.
type Way struct {
	ID     string // of the flags and of the results
	Client string // of the five, for the chapter's sections
	How    How
	Name   string        // in the tables
	Source string        // of the code that it follows
	Adapts string        // the name of the adapter; "" for a program
	Waits  time.Duration // how long its group waits for a dead member

	// SameConsumer says that it reads as another way of the client does.
	SameConsumer bool

	writes   []string // programs that write, by their folders
	consumes []string // programs that are members of a group; those that also write are in both
}

// Ways lists all ways, in the order of the tables.
func Ways() []Way {
	var out []Way
	for _, c := range clients.All() {
		for _, s := range c.Shown {
			out = append(out, Way{
				ID: s.ID, Client: c.Name(), How: AsShown, Name: s.Name, Source: s.Source,
				Adapts: s.Adapter.Name(), Waits: s.Session, SameConsumer: s.SameConsumer,
			})
		}
		out = append(out, Way{
			ID: c.Name() + "/safe", Client: c.Name(), How: Safe, Name: c.Name() + ", made safe",
			Source: "internal/clients, way Matched", Adapts: c.Name(), Waits: tuning().SessionTimeout,
		})
		for _, folders := range c.Programs {
			out = append(out, programWay(c.Name(), folders))
		}
	}
	return out
}

func programWay(client string, folders []string) Way {
	w := Way{
		ID: strings.Join(folders, "+"), Client: client, How: Program, Name: strings.Join(folders, " and "),
		Waits:    10 * time.Second,
		consumes: slices.Repeat(folders[len(folders)-1:], Members),
	}
	w.Source = w.Name + " (main.go)"
	if len(folders) > 1 { // One that is alone writes and consumes.
		w.writes = folders[:1]
	}
	return w
}

// tuning is Safe of the adapters, with a little more linger, so that several clients leave
// the brokers some processor. It has nothing to do with safety.
func tuning() adapter.Tuning {
	t := adapter.Safe()
	t.Linger = 10 * time.Millisecond
	return t
}

func (w Way) way() adapter.Way {
	if w.How == Safe {
		return adapter.Matched
	}
	return adapter.Defaults
}

// Settings lists what is set, as it is printed beside the results.
func (w Way) Settings() []adapter.Setting {
	c, err := clients.Adapter(w.Adapts)
	if err != nil {
		return nil // Those of a program stand in its file.
	}
	return c.Settings(adapter.Config{Way: w.way(), Tuning: tuning()})
}

// Unavailable says why a way can't be tried in this binary.
func (w Way) Unavailable() error {
	c, err := clients.ByName(w.Client)
	if err != nil {
		return err
	}
	return c.Available()
}

// Careful tells whether the way is one that should lose nothing.
func (w Way) Careful() bool { return w.How != AsShown }

// ByID returns the way of that name.
func ByID(id string) (Way, error) {
	for _, w := range Ways() {
		if w.ID == id {
			return w, nil
		}
	}
	return Way{}, fmt.Errorf("there is no way %q", id)
}

// Chosen returns the ways that match a list such as "sarama,franz-go/safe,safe": names of
// clients, of ways, and of how they are used. An empty list is all of them.
func Chosen(list string) ([]Way, error) {
	if list == "" {
		return Ways(), nil
	}
	var out []Way
	var known []string
	matched := make(map[string]bool)
	names := strings.Split(list, ",")
	for _, w := range Ways() {
		known = append(known, w.ID)
		for _, name := range names {
			if name == w.Client || name == w.ID || name == string(w.How) {
				matched[name] = true
				out = append(out, w)
				break
			}
		}
	}
	for _, name := range names {
		if !matched[name] {
			return nil, fmt.Errorf("there is no client or way %q; there are %q, %q, %q, the clients' names, and %s",
				name, AsShown, Safe, Program, strings.Join(known, ", "))
		}
	}
	return out, nil
}
