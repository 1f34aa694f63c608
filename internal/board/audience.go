package board

import (
	"fmt"
	"sync"
	"time"
)

// An audience is the pages that are open. It knows whether there is something
// new for them, and so how often it is worth asking the cluster.
type audience struct {
	mu         sync.Mutex
	pages      int
	generation int           // counts the changes
	changed    chan struct{} // closed and replaced at each change
	changedAt  time.Time     // the last change that is worth asking more often for
}

func newAudience() *audience { return &audience{changed: make(chan struct{})} }

// enter notes one more page, if there is room.
func (a *audience) enter() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pages >= mostPages {
		return fmt.Errorf("%d pages are open already: close some", mostPages)
	}
	a.pages++
	a.changedAt = time.Now() // A new page sees a lively board.
	return nil
}

func (a *audience) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pages--
}

// count is how many pages are open.
func (a *audience) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pages
}

// change tells the pages that there is something new.
func (a *audience) change() { a.tell(true) }

// fade does the same for what doesn't keep the board lively: a rate that goes down.
func (a *audience) fade() { a.tell(false) }

func (a *audience) tell(lively bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.generation++
	if lively {
		a.changedAt = time.Now()
	}
	close(a.changed)
	a.changed = make(chan struct{})
}

// now returns the generation, and what is closed when there is another one.
func (a *audience) now() (generation int, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.generation, a.changed
}

// pace is the time from one question to the cluster to the next.
func (a *audience) pace() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.pages == 0:
		return unseen
	case time.Since(a.changedAt) < calmAfter:
		return lively
	default:
		return idle
	}
}
