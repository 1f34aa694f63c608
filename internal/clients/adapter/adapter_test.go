package adapter

import (
	"context"
	"fmt"
	"testing"
	"time"

	"kafka-with-go/internal/lab"
)

// The partition is that of Java's client, as franz-go computes it too.
func TestMurmur2(t *testing.T) {
	hash := new(Murmur2Hash)
	for i := range 1000 {
		key := fmt.Append(nil, i*i*i)
		want := lab.Murmur2(key, 7)
		if got := Murmur2(key, 7); got != want {
			t.Errorf("key %s: partition %d, want %d", key, got, want)
		}
		hash.Reset()
		hash.Write(key)
		if got := int32(hash.Sum32()) % 7; got != want {
			t.Errorf("key %s: the hash says partition %d, want %d", key, got, want)
		}
	}
}

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
