package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

// The compose cluster is touched only by who agreed, and is left whole.
func TestDocker(t *testing.T) {
	t.Parallel()
	var ran []string
	services := "kafka-1\nkafka-2\nkafka-3\n"
	c := &Compose{run: func(args ...string) (string, error) {
		line := strings.Join(args, " ")
		ran = append(ran, line)
		switch {
		case strings.HasSuffix(line, "running"):
			return services, nil
		case strings.HasSuffix(line, "paused"):
			return "kafka-3\n", nil
		}
		return "", nil
	}}
	for _, answer := range []string{"n\n", "\n", "", "maybe\n"} {
		if err := c.ask(strings.NewReader(answer), io.Discard); !errors.Is(err, ErrNotAgreed) {
			t.Errorf("%q is taken for a yes: %v", answer, err)
		}
	}
	if err := c.ask(strings.NewReader("y\n"), io.Discard); err != nil {
		t.Error(err)
	}
	services = "kafka-1\n"
	if err := c.ask(strings.NewReader("y\n"), io.Discard); err == nil || !strings.Contains(err.Error(), "docker compose up") {
		t.Errorf("with one broker: %v", err)
	}
	ran = nil
	if err := errors.Join(c.Kill(2), c.StartBroker(2), c.Pause(3), c.Resume(3), c.Pause(3), c.Close()); err != nil {
		t.Fatal(err)
	}
	want := []string{"kill kafka-2", "start kafka-2", "pause kafka-3", "unpause kafka-3", "pause kafka-3",
		"ps --services --status paused", "unpause kafka-3", "start"}
	if !slices.Equal(ran, want) {
		t.Errorf("docker compose was run with %q, want %q", ran, want)
	}
	file, err := os.ReadFile(filepath.Join(testkit.Root(t), "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for i, addr := range c.Addrs() {
		if text := string(file); !strings.Contains(text, "EXTERNAL://"+addr) || !strings.Contains(text, fmt.Sprintf("\n  kafka-%d:\n", i+1)) {
			t.Errorf("docker-compose.yml has no kafka-%d at %s", i+1, addr)
		}
	}
}
