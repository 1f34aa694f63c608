package scenario

import (
	"runtime"
	"slices"

	"kafka-with-go/internal/laboratory/cluster"
	"kafka-with-go/internal/laboratory/faults/workload"
)

// A Drill is a bad day: a fault that happens to workloads.
type Drill struct {
	ID    string
	Side  workload.Side
	Short string // a column's head
	Title string // a whole sentence's subject

	Links   bool // the brokers have to be started with links between them
	Seconds int  // that a round takes, about

	needs func(cluster.Cluster) bool // nil for what every cluster can do
	Fault Step[*Run]
}

// Can tells whether a cluster can do the drill.
func (d Drill) Can(c cluster.Cluster) bool { return d.needs == nil || d.needs(c) }

// Takes tells whether a way takes part in the drill.
func (d Drill) Takes(w workload.Way) bool {
	return d.Side == workload.Producers || !w.SameConsumer
}

// ProducerKilled is the drill after which a program that consumes, too, is dead.
const ProducerKilled = "producer-killed"

func canPause(c cluster.Cluster) bool { _, ok := c.(cluster.Pauser); return ok }
func canCut(c cluster.Cluster) bool   { _, ok := c.(cluster.Cutter); return ok }
func canFill(c cluster.Cluster) bool  { _, ok := c.(cluster.Filler); return ok }

func canPauseProcesses(cluster.Cluster) bool { return runtime.GOOS != "windows" }

// ByID returns the drill of that name, and whether there is one.
func ByID(id string) (Drill, bool) {
	i := slices.IndexFunc(drills, func(d Drill) bool { return d.ID == id })
	if i < 0 {
		return Drill{}, false
	}
	return drills[i], true
}

// Drills lists all drills, in the order of the tables.
func Drills() []Drill { return slices.Clone(drills) }

var drills = []Drill{
	{
		ID: "leader-killed", Side: workload.Producers, Short: "leader killed",
		Title:   "the leader of a third of the partitions killed (-9), and restarted",
		Seconds: 40, Fault: killLeader,
	},
	{
		ID: "each-in-turn", Side: workload.Producers, Short: "each in turn",
		Title:   "every broker killed (-9) and restarted, one after the other",
		Seconds: 90, Fault: killEach,
	},
	{
		ID: "controller-killed", Side: workload.Producers, Short: "controller killed",
		Title:   "the controller killed (-9), and restarted",
		Seconds: 40, Fault: killController,
	},
	{
		ID: "leader-paused", Side: workload.Producers, Short: "leader paused",
		Title:   "a leader paused for 12 s, and continued",
		Seconds: 35, needs: canPause, Fault: pauseLeader,
	},
	{
		ID: "leader-cut-off", Side: workload.Producers, Short: "leader cut off",
		Title:   "a leader cut off from the other brokers for 15 s, but not from the client",
		Seconds: 45, needs: canCut, Links: true, Fault: cutLeader,
	},
	{
		ID: "disk-full", Side: workload.Producers, Short: "disk full",
		Title:   "a leader's disk full, until it died of that and was restarted with room",
		Seconds: 45, needs: canFill, Fault: fillDisk,
	},
	{
		ID: ProducerKilled, Side: workload.Producers, Short: "producer killed",
		Title:   "the producing process killed (-9)",
		Seconds: 15, Fault: killProducers,
	},
	{
		ID: "two-gone", Side: workload.Producers, Short: "two of three gone",
		Title:   "two brokers of three killed (-9), and restarted after 12 s",
		Seconds: 60, Fault: killTwo,
	},
	{
		ID: "member-killed", Side: workload.Consumers, Short: "member killed",
		Title:   "a member killed (-9), and another started when its session was over",
		Seconds: 80, Fault: Each(killMember),
	},
	{
		ID: "member-paused", Side: workload.Consumers, Short: "member paused",
		Title:   "a member paused for 5 s more than its session, and continued",
		Seconds: 90, needs: canPauseProcesses, Fault: Each(pauseMember),
	},
	{
		ID: "comes-and-goes", Side: workload.Consumers, Short: "comes and goes",
		Title:   "a member that left and came back every few seconds, six times",
		Seconds: 60, Fault: Each(comeAndGo),
	},
	{
		ID: "coordinator-killed", Side: workload.Consumers, Short: "coordinator killed",
		Title:   "the group's coordinator killed (-9), and restarted",
		Seconds: 50, Fault: killCoordinator,
	},
	{
		ID: "partitions-added", Side: workload.Consumers, Short: "partitions added",
		Title: "four partitions added to four, and after 30 s both members replaced, one after the other, " +
			"as a deployment does",
		Seconds: 80, Fault: addPartitions,
	},
}
