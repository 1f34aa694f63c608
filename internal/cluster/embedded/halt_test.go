//go:build unix

package embedded

import (
	"context"
	"syscall"
	"testing"
	"time"
)

// A cluster whose process is halted, as on a laptop that sleeps, goes on afterwards:
// a client that writes meanwhile waits, and loses nothing. For longer, by hand:
//
//	HALT_SECONDS=60 go test -v -timeout 10m -run TestHalt ./internal/cluster/embedded
func TestHalt(t *testing.T) {
	t.Parallel()
	seconds := variable(t, "HALT_SECONDS", 2)
	c := startChild(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := startBystander(ctx, t, c.addrs)
	time.Sleep(200 * time.Millisecond)
	before := b.written.Load()
	if err := c.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	if err := c.command.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for until := deadline(t); b.written.Load() < before+100 && until.Err() == nil; {
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if n := b.end(t); n < before+100 {
		t.Errorf("%d records were written before the halt, and %d in all", before, n)
	}
}
