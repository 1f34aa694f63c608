package launch

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The go command that a terminal interrupts may end a moment before the signal is noticed.
func TestInterruptedIsNoticedLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if !interrupted(ctx) {
		t.Error("a command that a signal has ended counts as one that failed")
	}
	if interrupted(t.Context()) {
		t.Error("a command that has failed counts as one that was interrupted")
	}
}

// Ctrl-C while a program is compiled ends that, and leaves nothing behind.
func TestBuildInterrupted(t *testing.T) {
	temporary := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP"} { // Windows has the second.
		t.Setenv(name, temporary)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module program\ngo 1.26\n",
		"main.go": "package main\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	_, err := Build(folder, signals)
	if err == nil || !strings.Contains(err.Error(), "was interrupted") {
		t.Errorf("the error is %v", err)
	}
	left, err := filepath.Glob(filepath.Join(temporary, "kafka-program-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}

	program, err := Build(folder, make(chan os.Signal))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Remove()
	status, err := program.Run(nil, make(chan os.Signal))
	if status != 0 || err != nil {
		t.Errorf("the program ends with status %d and the error %v", status, err)
	}
}
