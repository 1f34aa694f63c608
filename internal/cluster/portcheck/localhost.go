package portcheck

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"
)

// watchInterval is how often WatchLocalhost looks. Where nobody listens, a look
// takes microseconds.
const watchInterval = 5 * time.Second

// WatchLocalhost warns, once for each port, of another program that is reached
// instead of the cluster. The programs of the chapters ask for localhost; where
// that means two addresses they may try ::1, which the cluster doesn't have, and
// whoever listens there gets their requests. It looks at once, so that a program
// that is there already is told before it returns, and then until ctx ends.
func WatchLocalhost(ctx context.Context, ports []int, warn func(sentence string)) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, "localhost")
	if err != nil {
		return // The chapters' programs will say so.
	}
	watch(ctx, addresses, ports, watchInterval, warn)
}

func watch(
	ctx context.Context,
	localhost []string,
	ports []int,
	interval time.Duration,
	warn func(sentence string),
) {
	if !slices.Contains(localhost, ipv6) {
		return
	}
	ports = warnOfStrangers(ctx, ports, warn)
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				ports = warnOfStrangers(ctx, ports, warn)
			}
		}
	}()
}

// warnOfStrangers warns of the ports that another program has on ::1, and
// returns those of which it didn't.
func warnOfStrangers(ctx context.Context, ports []int, warn func(sentence string)) []int {
	var unseen []int
	for _, port := range ports {
		if !strange(ctx, port) {
			unseen = append(unseen, port)
			continue
		}
		warn(fmt.Sprintf("another program listens on [%s]:%d. "+
			"On this computer localhost means both %s and %s, "+
			"so the chapters' programs may reach it instead of the cluster, and wait in vain. "+
			"End it (%s shows it), or write %s instead of localhost at the top of the chapter's program.",
			ipv6, port, ipv4, ipv6, findOwner("tcp", port), ipv4))
	}
	return unseen
}

// strange tells whether somebody else than the cluster listens on ::1. Apache
// Kafka may listen on both addresses, and then it doesn't matter which is reached.
func strange(ctx context.Context, port int) bool {
	if !taken(ipv6, port) {
		return false
	}
	there, err := askKafka(ctx, ipv6, port)
	if err != nil {
		return true
	}
	here, err := askKafka(ctx, ipv4, port)
	return err != nil || here.Cluster != there.Cluster
}
