package board

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"kafka-with-go/internal/testing/testkit"
)

// The command of chapter 0 serves the board, alone, with a program, and for a
// cluster that runs already.
func TestCommand(t *testing.T) {
	t.Parallel()
	findChromium(t)
	addrs := testkit.FreeAddrs(t)
	var ports []string
	for _, addr := range addrs {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	command := testkit.Build(t, "00-cluster", testkit.Constants{
		"ports": fmt.Sprintf("[embedded.Brokers]int{%s}", strings.Join(ports, ", ")), "boardPort": "0",
	})
	program := testkit.Overlay(t, map[string]testkit.Constants{"03-together": testkit.On(addrs, "message-log", "my-group")})
	start := func(args ...string) *testkit.Process {
		c := exec.Command(command, args...)
		c.Dir = testkit.Root(t)
		c.Env = append(os.Environ(), "GOFLAGS=-overlay="+program)
		return testkit.StartCommand(t, c)
	}
	address := func(p *testkit.Process) string {
		p.UntilLine("http://127.0.0.1:")
		return regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(p.Output())
	}

	together := start("./03-together")
	page := openTab(t, address(together))
	page.untilSeen("what the program writes and reads", func(s shown) bool {
		return records(s) > 5 && s.group("my-group") != nil && s.group("my-group").Command == "go run ./02-consumer" && s.group("my-group").Members[0].Has == "0 1 2"
	})
	together.Interrupt()
	if status := together.Wait(); status != 0 {
		t.Errorf("the command ends with status %d", status)
	}

	cluster := start()
	page = openTab(t, address(cluster))
	page.click(`[data-broker="1"] [data-do="stop"]`)
	page.untilSeen("broker 1 down", func(s shown) bool { return !s.Brokers[0].Up })

	// The board of that cluster, served by another process.
	watch := start("-watch")
	page = openTab(t, address(watch))
	page.untilSeen("the two brokers that run", func(s shown) bool { return len(s.Lanes) == 3 && len(s.Brokers) >= 2 })
	var how string
	page.eval(`document.querySelector('[data-broker="2"] .how').textContent`, &how)
	if how != "in its terminal: stop 2" {
		t.Errorf("beside a broker of another process stands %q", how)
	}
	cluster.Type("start 1")
	page.untilSeen("broker 1", func(s shown) bool { return len(s.Brokers) == 3 && s.Brokers[0].Up })
	watch.Interrupt()
	if status := watch.Wait(); status != 0 {
		t.Errorf("-watch ends with status %d", status)
	}
}
