// Package cluster is the brokers of an experiment: what can be done to them, and what they
// say of themselves.
package cluster

import (
	"kafka-with-go/internal/cluster/embedded"
)

// A Cluster is three brokers, numbered 1, 2 and 3, that can be killed (-9) and started
// again. What else can be done to them are interfaces of their own, as not every cluster
// has them.
type Cluster interface {
	Addrs() []string
	Kill(n int) error
	StartBroker(n int) error
	Close() error
}

// A Pauser is a cluster whose brokers can be paused.
type Pauser interface {
	Pause(n int) error
	Resume(n int) error
}

// A Cutter is a cluster of which a broker can be cut off from the others.
type Cutter interface {
	Cut(n int) error
	Heal(n int) error
}

// A Filler is a cluster of which a broker's disk can be filled.
type Filler interface {
	FillDisk(n int) error
	PID(n int) int // 0 when the broker is dead
}

// Embedded is the embedded cluster. It keeps one copy of each record, so it has no replicas
// that could be in sync or not, and what one of its brokers has acknowledged isn't lost: a
// drill on it shows the clients, and that the drill itself works.
type Embedded struct{ *embedded.Cluster }

// Kill implements Cluster.
func (c Embedded) Kill(n int) error { return c.StopBroker(n) }

// Close implements Cluster.
func (c Embedded) Close() error { c.Cluster.Close(); return nil }
