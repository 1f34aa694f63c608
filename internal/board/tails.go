package board

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The tails read what the open pages show.
type tails struct {
	*link
	audience *audience
	cluster  *clusterWatch

	mu  sync.Mutex // also of all that is in a tail
	all map[span]*tail
}

// open has a span read for one more page. The page calls leave when it is gone,
// and is told whether it was the last one.
func (ts *tails) open(s span) (leave func() (last bool), err error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.all[s]
	if t == nil {
		client, err := kgo.NewClient(ts.options...)
		if err != nil {
			return nil, fmt.Errorf("reading topic %s: %w", s.topic, err)
		}
		t = &tail{span: s, tails: ts, client: client, reading: make(map[int32]bool)}
		t.ctx, t.cancel = context.WithCancel(ts.link.ctx)
		ts.all[s] = t
		t.adopt(ts.cluster.now().topics[s.topic])
	}
	t.pages++
	return func() bool { return ts.leave(t) }, nil
}

func (ts *tails) leave(t *tail) (last bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t.pages--
	if t.pages > 0 {
		return false
	}
	t.cancel()
	delete(ts.all, t.span)
	if ts.link.ctx.Err() == nil {
		ts.background.Go(t.client.Close) // It waits for a read that is under way.
	}
	return true
}

func (ts *tails) close() {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, t := range ts.all {
		t.client.Close()
	}
}

// adopt takes over what the cluster says of the topics, and brings the rates up to date.
func (ts *tails) adopt(state *clusterState) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	faded := false
	now := time.Now()
	for s, t := range ts.all {
		t.adopt(state.topics[s.topic])
		for _, l := range t.lanes {
			before := l.rate
			if l.rateNow(now); l.rate != before {
				t.version++
				faded = true
			}
		}
	}
	if faded {
		ts.audience.fade()
	}
}

// shows tells whether a page shows a topic.
func (ts *tails) shows(topic string) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for s := range ts.all {
		if s.topic == topic {
			return true
		}
	}
	return false
}

// count is how many spans are shown.
func (ts *tails) count() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return len(ts.all)
}

// A spot is a partition of a topic.
type spot struct {
	topic     string
	partition int32
}

// ends returns where the partitions that are shown end, as far as that is known.
func (ts *tails) ends() map[spot]int64 {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ends := make(map[spot]int64)
	for s, t := range ts.all {
		for _, l := range t.lanes {
			if l.end >= 0 {
				ends[spot{s.topic, l.partition}] = l.end
			}
		}
	}
	return ends
}

// rehashed counts the different keys that are shown, and those of them that belong
// to another partition after partitions were added.
func (ts *tails) rehashed(topic string, before, after int) (keys, moved int) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	seen := make(map[uint32]bool)
	for s, t := range ts.all {
		if s.topic != topic {
			continue
		}
		for _, l := range t.lanes {
			for _, r := range l.records {
				if !r.keyed || seen[r.hash] {
					continue
				}
				seen[r.hash] = true
				if r.hash%uint32(before) != r.hash%uint32(after) {
					moved++
				}
			}
		}
	}
	return len(seen), moved
}
