package portcheck

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kafka-with-go/internal/cluster/embedded"
	"kafka-with-go/internal/testing/testkit"
)

func portsOf(t *testing.T, addrs []string) []int {
	t.Helper()
	var ports []int
	for _, addr := range addrs {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, n)
	}
	return ports
}

// listen accepts connections, and gives each to serve.
func listen(t *testing.T, address string, serve func(net.Conn)) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
}

// mute never answers.
func mute(net.Conn) {}

func TestClaim(t *testing.T) {
	t.Parallel()
	ports := portsOf(t, testkit.FreeAddrs(t))
	release, err := Claim(t.Context(), ports)
	if err != nil {
		t.Fatal(err)
	}
	// Nobody listens on the ports, as when all brokers are stopped.
	_, err = Claim(t.Context(), ports)
	if err == nil || !strings.Contains(err.Error(), "type start 1 in its terminal") {
		t.Errorf("claimed ports are claimed again, with the error %v", err)
	}
	// A cluster whose ports overlap is refused too.
	_, err = Claim(t.Context(), []int{ports[2], ports[2] + 1, ports[2] + 2})
	if err == nil {
		t.Error("one of the claimed ports is claimed again")
	}
	listen(t, address(ipv4, ports[0]), mute)
	_, err = Claim(t.Context(), ports)
	if err == nil || !strings.Contains(err.Error(), "suspended (Ctrl-Z), and fg in its terminal") {
		t.Errorf("of a cluster that doesn't answer the error says %v", err)
	}
	release()
	_, err = Claim(t.Context(), ports)
	if err == nil || !strings.Contains(err.Error(), "end the program that has the port") {
		t.Errorf("of a process that doesn't answer the error says %v", err)
	}
}

// A cluster that is being started has its claim, but doesn't answer at once.
func TestClaimWhileAnotherStarts(t *testing.T) {
	t.Parallel()
	ports := portsOf(t, testkit.FreeAddrs(t))
	release, err := Claim(t.Context(), ports)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	claimed := make(chan error, 1)
	go func() {
		_, err := claim(t.Context(), ports, time.Minute)
		claimed <- err
	}()
	cluster, err := embedded.Start(embedded.Options{Ports: [embedded.Brokers]int(ports)})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	if err := <-claimed; !errors.Is(err, ErrAlreadyThere) {
		t.Errorf("the error is %v", err)
	}
}

func TestWatchLocalhost(t *testing.T) {
	t.Parallel()
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this computer has no ::1:", err)
	} else {
		l.Close()
	}
	cluster, err := embedded.Start(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ports := portsOf(t, cluster.Addrs())
	var mu sync.Mutex
	var warnings []string
	warn := func(sentence string) {
		mu.Lock()
		defer mu.Unlock()
		warnings = append(warnings, sentence)
	}
	told := func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(warnings, "\n")
	}

	// One program answers something else than Kafka, one leads to the cluster itself.
	listen(t, address(ipv6, ports[0]), func(conn net.Conn) {
		defer conn.Close()
		if _, err := io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n"); err != nil {
			t.Error(err)
		}
	})
	listen(t, address(ipv6, ports[1]), func(conn net.Conn) {
		broker, err := net.Dial("tcp", address(ipv4, ports[1]))
		if err != nil {
			return
		}
		go io.Copy(broker, conn)
		io.Copy(conn, broker)
		conn.Close()
		broker.Close()
	})
	watch(t.Context(), []string{ipv4}, ports, time.Millisecond, warn)
	if told() != "" {
		t.Errorf("where localhost is only %s, a program on %s is told: %s", ipv4, ipv6, told())
	}
	watch(t.Context(), []string{ipv6, ipv4}, ports, 20*time.Millisecond, warn)
	first := address(ipv6, ports[0])
	if !strings.Contains(told(), first) {
		t.Errorf("of the program on %s nothing is told at the start", first)
	}
	listen(t, address(ipv6, ports[2]), mute)
	last := address(ipv6, ports[2])
	for deadline := time.Now().Add(time.Minute); !strings.Contains(told(), last); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("of the program that came later on %s nothing is told", last)
		}
	}
	if got := told(); strings.Count(got, "another program listens") != 2 {
		t.Errorf("two programs, each told once, but the warnings are:\n%s", got)
	}
}
