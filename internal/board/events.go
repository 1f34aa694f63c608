package board

import (
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// keptEvents is how many lines the board remembers.
const keptEvents = 200

// The kinds of events. The page shows them by a sign too, not by colour alone.
const (
	plain   = "plain"
	good    = "good"
	warning = "warning"
)

// An event is a line in plain words.
type event struct {
	Number int64  `json:"n"`
	At     int64  `json:"at"` // milliseconds since 1970
	Kind   string `json:"kind"`
	Text   string `json:"text"`

	// Top is whether it stays above the others for a while, although they are newer.
	Top bool `json:"top,omitempty"`
}

// A journal is what has happened.
type journal struct {
	audience *audience

	mu     sync.Mutex
	events []event // the newest keptEvents, oldest first
	last   int64   // the number of the newest
}

// say adds an event. Names in it went through name.
func (j *journal) say(kind, format string, args ...any) {
	j.add(event{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// headline adds an event that stays on top for a while.
func (j *journal) headline(kind, format string, args ...any) {
	j.add(event{Kind: kind, Text: fmt.Sprintf(format, args...), Top: true})
}

func (j *journal) add(e event) {
	j.mu.Lock()
	j.last++
	e.Number, e.At = j.last, time.Now().UnixMilli()
	j.events = append(j.events, e)
	if n := len(j.events); n > keptEvents {
		j.events = slices.Clone(j.events[n-keptEvents:])
	}
	j.mu.Unlock()
	j.audience.change()
}

// since returns the events after a number, and the number of the newest.
func (j *journal) since(number int64) (events []event, last int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		if e.Number > number {
			events = append(events, e)
		}
	}
	return events, j.last
}

func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}
