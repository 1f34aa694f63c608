package adapter

import (
	"fmt"
	"maps"
	"slices"
)

// A Meaning is what a setting is for. What has the same meaning has the same value for
// every client, as far as it has it at all.
type Meaning string

// The meanings of the settings in Tuning, and of those around them.
const (
	Partitioning Meaning = "the key's partition"
	Acknowledged Meaning = "who has a record"
	Idempotence  Meaning = "no repeats by retries"
	Lingering    Meaning = "wait for company"
	BatchSize    Meaning = "size of a batch"
	Compression  Meaning = "compression"
	Unfinished   Meaning = "records in hand"
	GivingUp     Meaning = "time to try again"
	Starting     Meaning = "start of a new group"
	Committing   Meaning = "time between commits"
	AfterWork    Meaning = "commit after the work"
	FetchWaiting Meaning = "wait of a fetch"
	Queueing     Meaning = "records ready for the reader"
	Sessions     Meaning = "a dead member's session"
	Heartbeats   Meaning = "heartbeats"
)

// A Setting is one that an adapter sets, as it is printed beside a result.
type Setting struct {
	Name, Value string

	Means Meaning `json:",omitempty"`
	// Own says why no other client has a setting like this one. It takes the place of Means.
	Own string `json:",omitempty"`
}

// An Option is a setting and what it does to a client's configuration. Without Apply the
// client has nothing to set for that meaning, and Value says why.
type Option[T any] struct {
	Setting
	Apply func(*T)
}

// Options are all that an adapter sets: it configures its client by this list, and prints it.
type Options[T any] []Option[T]

// Add adds an option with a meaning.
func (o *Options[T]) Add(m Meaning, name string, value any, apply func(*T)) {
	*o = append(*o, Option[T]{Setting{Name: name, Value: fmt.Sprint(value), Means: m}, apply})
}

// AddOwn adds an option that only this client has.
func (o *Options[T]) AddOwn(why, name string, value any, apply func(*T)) {
	*o = append(*o, Option[T]{Setting{Name: name, Value: fmt.Sprint(value), Own: why}, apply})
}

// Apply changes a configuration as the options ask for.
func (o Options[T]) Apply(to *T) {
	for _, one := range o {
		if one.Apply != nil {
			one.Apply(to)
		}
	}
}

// Settings lists the options.
func (o Options[T]) Settings() []Setting {
	var list []Setting
	for _, one := range o {
		list = append(list, one.Setting)
	}
	return list
}

// Uneven says which client was given something that another wasn't: a setting whose meaning
// another client's list lacks, or one that has no meaning and no reason.
func Uneven(lists map[string][]Setting) error {
	names := slices.Sorted(maps.Keys(lists))
	for _, name := range names {
		for _, s := range lists[name] {
			if s.Means == "" && s.Own == "" {
				return fmt.Errorf("%s alone has the setting %s, and nothing says why", name, s.Name)
			}
			for _, other := range names {
				if s.Means != "" && !slices.ContainsFunc(lists[other], func(o Setting) bool { return o.Means == s.Means }) {
					return fmt.Errorf("%s has the setting %s (%s), and %s has none for it", name, s.Name, s.Means, other)
				}
			}
		}
	}
	return nil
}

// Unlisted returns what is changed of a client's configuration and is neither needed by
// everybody who uses the client nor in the list.
func Unlisted(changed, needed []string, list []Setting) (unlisted []string) {
	for _, name := range changed {
		listed := slices.ContainsFunc(list, func(s Setting) bool { return s.Name == name })
		if !listed && !slices.Contains(needed, name) {
			unlisted = append(unlisted, name)
		}
	}
	return unlisted
}
