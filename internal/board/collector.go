package board

import (
	"time"
)

const (
	// lively and idle are the times between two questions to the cluster: while
	// something changes, and while nothing does.
	lively, idle = 250 * time.Millisecond, time.Second
	// calmAfter is how long nothing may change until the board asks less often.
	calmAfter = 5 * time.Second
	// unseen is the time between two questions while no page is open. The board
	// goes on watching then, so that a page that is opened later tells what was.
	unseen = 2 * time.Second
	// patience is how long the board waits for an answer before it says that the
	// cluster doesn't answer.
	patience = 3 * time.Second
	// share is how many times as long as a question took the board rests before
	// it asks again. So it takes a small share of a processor, whatever it is told.
	share = 10
)

// However large a cluster is, or says it is, the board shows at most so much of it at once,
// and says how much more there is.
const (
	mostTopics  = 500 // in the list of topics
	mostBrokers = 48  // on the page
	mostLanes   = 48  // partitions of a topic on a page, which can turn to the next ones
	mostMembers = 40  // of a group
	// knownBrokers is how many brokers the board remembers, to tell when one goes or comes. Each of
	// them is asked for its groups, so from a larger cluster the board doesn't want to know them.
	knownBrokers = 1000
)

// A span is what a page shows: up to mostLanes partitions of a topic.
type span struct {
	topic string
	from  int // the first partition
}

// A collector asks the cluster what the pages show, and remembers it. Each part
// of it watches one thing, and has a lock of its own; none calls a part that is
// listed before it while it holds that.
type collector struct {
	*link
	groups   *groupWatch
	cluster  *clusterWatch
	tails    *tails
	journal  *journal
	audience *audience

	views    views
	first    string // the topic that is shown first
	addrs    []string
	programs map[string]string
	began    time.Time // since when it watches
}

func newCollector(o Options) (*collector, error) {
	l, err := newLink(o)
	if err != nil {
		return nil, err
	}
	audience := newAudience()
	journal := &journal{audience: audience}
	tails := &tails{link: l, audience: audience, all: make(map[span]*tail)}
	regroup := make(chan struct{}, 1)
	cluster := &clusterWatch{
		link: l, journal: journal, tails: tails,
		brokersOf: o.Brokers, addrs: o.Addrs, first: o.Topic,
		poked: make(chan struct{}, 1), regroup: regroup, stops: make(map[int32]time.Time),
	}
	cluster.state.Store(&clusterState{brokers: make(map[int32]broker)})
	tails.cluster = cluster
	groups := &groupWatch{
		link: l, journal: journal, cluster: cluster, tails: tails,
		poked: regroup, groups: make(map[string]*group),
	}
	c := &collector{
		link: l, groups: groups, cluster: cluster, tails: tails, journal: journal, audience: audience,
		views: views{all: make(map[span]*view)},
		first: o.Topic, addrs: o.Addrs, programs: o.Programs, began: time.Now(),
	}
	cluster.poke()
	l.background.Go(cluster.watch)
	l.background.Go(groups.watch)
	return c, nil
}

// open notes that a page shows a span. The page calls release when it is gone.
func (c *collector) open(s span) (release func(), err error) {
	if err := c.audience.enter(); err != nil {
		return nil, err
	}
	leave, err := c.tails.open(s)
	if err != nil {
		c.audience.leave()
		return nil, err
	}
	c.cluster.poke()
	poke(c.groups.poked)
	return func() {
		if leave() {
			c.views.forget(s)
		}
		c.audience.leave()
	}, nil
}

// close ends all that asks, and forgets nothing: the last pages may still read.
func (c *collector) close() {
	c.link.close()
	c.tails.close()
}
