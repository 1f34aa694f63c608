package adapter

import (
	"context"
	"fmt"

	"golang.org/x/sync/semaphore"
)

// A Window bounds the records in hand, for clients that don't do it themselves,
// and tells when there are none.
type Window struct {
	places *semaphore.Weighted
	size   int64
}

// NewWindow returns a window for n records.
func NewWindow(n int) *Window {
	return &Window{places: semaphore.NewWeighted(int64(n)), size: int64(n)}
}

// Enter waits for n places, at most as many as there are.
func (w *Window) Enter(ctx context.Context, n int) error {
	if err := w.places.Acquire(ctx, int64(n)); err != nil {
		return fmt.Errorf("waiting for records in hand: %w", err)
	}
	return nil
}

// Leave gives n places back.
func (w *Window) Leave(n int) { w.places.Release(int64(n)) }

// Empty waits until no record is in hand.
func (w *Window) Empty(ctx context.Context) error {
	if err := w.places.Acquire(ctx, w.size); err != nil {
		return fmt.Errorf("waiting until no record is in hand: %w", err)
	}
	w.places.Release(w.size)
	return nil
}
