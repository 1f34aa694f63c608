package board

import (
	"fmt"
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

// say adds an event. Names in it went through name. The caller has the lock.
func (c *collector) say(kind, format string, args ...any) {
	c.add(event{Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// headline adds an event that stays on top for a while.
func (c *collector) headline(kind, format string, args ...any) {
	c.add(event{Kind: kind, Text: fmt.Sprintf(format, args...), Top: true})
}

func (c *collector) add(e event) {
	c.lastEvent++
	e.Number, e.At = c.lastEvent, time.Now().UnixMilli()
	c.events = append(c.events, e)
	if n := len(c.events); n > keptEvents {
		c.events = append([]event(nil), c.events[n-keptEvents:]...)
	}
	c.change()
}

// tell does the same for a caller without the lock.
func (c *collector) tell(kind, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say(kind, format, args...)
}

func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}
