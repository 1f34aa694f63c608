package adapter

import (
	"context"
	"testing"
	"time"
)

func TestWindow(t *testing.T) {
	w := NewWindow(1)
	if err := w.Enter(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if w.Enter(ctx, 1) == nil || w.Empty(ctx) == nil {
		t.Error("a full window takes one more, or is empty")
	}
	w.Leave(1)
	if err := w.Empty(t.Context()); err != nil {
		t.Error(err)
	}
}
