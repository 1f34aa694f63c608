package contract

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"kafka-with-go/internal/testing/testkit"
)

// With the eager protocol all partitions are given up and fall silent, with the others only
// what changes hands; a static member that restarts disturbs nobody; a death costs a session.
// That the groups use these protocols is seen from outside.
func TestExperimentGroups(t *testing.T) {
	alone(t)
	onEachCluster(t, func(t *testing.T, p place) {
		stop := p.watchProtocols(t)
		output := p.runExperiment(t, "02-consumer/02-groups")
		seen := stop()
		p.leavesNothing(t)
		for ending, want := range map[string]string{
			"-joins-eager":              "classic sticky",
			"-joins-cooperative":        "classic cooperative-sticky",
			"-joins-cooperative-static": "classic cooperative-sticky, by name",
			"-joins-new-KIP-848":        "consumer",
		} {
			found := false
			for group, protocol := range seen {
				if strings.HasSuffix(group, ending) {
					found = true
					if protocol != want {
						t.Errorf("%s has the protocol %q, want %q", group, protocol, want)
					}
				}
			}
			if !found {
				t.Errorf("there was no group ...%s, seen were %v", ending, seen)
			}
		}
		for _, line := range []string{
			"a group of 1: 0 1 2\n", "a group of 3: 0, 1, 2\n", "a group of 4: 0, 1, 2, none\n",
		} {
			if !strings.Contains(output, line) {
				t.Errorf("there is no line %q in\n%s", line, output)
			}
		}

		// row returns how many partitions the others gave up, and for how long those that moved
		// and those that stayed were silent.
		row := func(event, protocol string) (givenUp int, moves, stays float64) {
			t.Helper()
			m := regexp.MustCompile(`(?m)^` + event + ` {2,}` + regexp.QuoteMeta(protocol) +
				` {2,}(\d+) {2,}([\d.]+) s {2,}([\d.]+) s$`).FindStringSubmatch(output)
			if m == nil {
				t.Fatalf("there is no row %q, %q in\n%s", event, protocol, output)
			}
			var numbers [3]float64
			for i := range numbers {
				n, err := strconv.ParseFloat(m[i+1], 64)
				if err != nil {
					t.Fatal(err)
				}
				numbers[i] = n
			}
			return int(numbers[0]), numbers[1], numbers[2]
		}
		const eager, cooperative, static, newProtocol = "eager", "cooperative", "cooperative, static", "new, KIP-848"
		_, _, eagerStays := row("joins", eager)
		if eagerStays < 0.9 {
			t.Errorf("with the eager protocol the partitions that stay were silent for %v s, want a second or more", eagerStays)
		}
		for protocol, want := range map[string]int{eager: 3, cooperative: 1, static: 1, newProtocol: 1} {
			givenUp, moves, stays := row("joins", protocol)
			if givenUp != want || moves < 0.9 {
				t.Errorf("joins, %s: %d given up and silent for %v s; want %d, and a second or more", protocol, givenUp, moves, want)
			}
			if protocol != eager && stays >= 0.9 {
				t.Errorf("joins, %s: what stays was silent for %v s, and with the eager protocol for %v s", protocol, stays, eagerStays)
			}
		}
		// Leaving and coming back are two rebalances, but for a member with a name, which is waited for.
		eagerGivenUp, _, _ := row("restarts", eager)
		for protocol, most := range map[string]int{cooperative: 1, static: 0, newProtocol: 1} {
			givenUp, moves, stays := row("restarts", protocol)
			if givenUp > most || eagerGivenUp < 4 || stays >= 0.9 {
				t.Errorf("restarts: %d given up with %s, %d with eager; want at most %d, and four or more; what stays is silent for %v s",
					givenUp, protocol, eagerGivenUp, most, stays)
			}
			if protocol == static && moves < 3.5 {
				t.Errorf("a member with a name is back after %v s, and was away for 3 s", moves)
			}
		}
		for protocol, want := range map[string]int{eager: 2, cooperative: 0, static: 0} {
			// The session of 6 s begins with the last heartbeat, which was up to a second ago.
			if givenUp, moves, _ := row("dies", protocol); givenUp != want || moves < 4.5 {
				t.Errorf("dies, %s: %d given up, silent for %v s; want %d, and a session", protocol, givenUp, moves, want)
			}
		}
	})
}

// watchProtocols notes the protocols of the groups whose names begin with the topic's, until
// stop is called.
func (p place) watchProtocols(t *testing.T) (stop func() map[string]string) {
	ctx, cancel := context.WithCancel(testkit.Deadline(t))
	admin := kadm.NewClient(testkit.Client(t, p.Addrs()))
	seen := make(map[string]string)
	var watching sync.WaitGroup
	watching.Go(func() {
		for ; ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
			groups, err := admin.ListGroups(ctx)
			if err != nil {
				continue
			}
			for _, name := range groups.Groups() {
				if !strings.HasPrefix(name, p.topic+"-") {
					continue
				}
				of848, err := admin.DescribeConsumerGroups(ctx, name)
				if err == nil && of848.Error() == nil && len(of848[name].Members) > 0 {
					seen[name] = "consumer"
					continue
				}
				described, err := admin.DescribeGroups(ctx, name)
				if err != nil || described[name].Protocol == "" || len(described[name].Members) == 0 {
					continue // It has ended, or has just begun.
				}
				seen[name] = "classic " + described[name].Protocol
				if described[name].Members[0].InstanceID != nil {
					seen[name] += ", by name"
				}
			}
		}
	})
	return func() map[string]string {
		cancel()
		watching.Wait()
		return seen
	}
}
