package board

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/testing/testkit"
)

// requests counts what the board asks, by the kind of request.
type requests struct {
	mu    sync.Mutex
	count map[string]int
}

func (r *requests) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.count[kmsg.NameForKey(key)]++
	}
}

func (r *requests) OnBrokerConnect(kgo.BrokerMetadata, time.Duration, net.Conn, error) {}

// happened waits until the board, without a page, has noted an event.
func (p *place) happened(t *testing.T, part string) {
	t.Helper()
	for deadline := time.Now().Add(long); ; time.Sleep(20 * time.Millisecond) {
		events, _ := p.board.collector.journal.since(0)
		found := slices.ContainsFunc(events, func(e event) bool { return strings.Contains(e.Text, part) })
		if found {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no event says %q", part)
		}
	}
}

// The board watches although no page is open: a page that is opened later tells
// what has happened. Meanwhile it asks little, and reads no records.
func TestWatchesFromTheStart(t *testing.T) {
	t.Parallel()
	asked := &requests{count: make(map[string]int)}
	p := onEmbeddedWith(t, kgo.WithHooks(asked))
	for begun := false; !begun; time.Sleep(20 * time.Millisecond) {
		p.board.collector.groups.mu.Lock()
		begun = p.board.collector.cluster.now().asked && p.board.collector.groups.asked
		p.board.collector.groups.mu.Unlock()
	}
	p.create(t, 3)
	p.write(t, numbered(12)...)
	p.happened(t, "Topic "+p.topic+" was created")
	p.consume(t, p.group, 1, 0, p.topic)
	p.happened(t, "Group "+p.group+" has appeared.")
	p.consume(t, p.group, 1, 0, p.topic)
	p.happened(t, p.group+" rebalanced in ")
	asked.mu.Lock()
	for _, kind := range []string{"Fetch", "ListOffsets"} {
		if n := asked.count[kind]; n > 0 {
			t.Errorf("without a page the board has sent %d requests of the kind %s", n, kind)
		}
	}
	clear(asked.count)
	asked.mu.Unlock()
	begin := time.Now()
	for enough := false; !enough; time.Sleep(20 * time.Millisecond) {
		asked.mu.Lock()
		enough = asked.count["Metadata"] > 4 && asked.count["ListGroups"] > 4
		asked.mu.Unlock()
		if time.Since(begin) > long {
			t.Fatalf("without a page the board doesn't go on watching: in %v it has asked %v", long, asked.count)
		}
	}
	asked.mu.Lock()
	// Every two seconds one question about the cluster, and one about the groups to
	// each of the three brokers. (The client asks for the metadata now and then, too.)
	most := 2 + int(time.Since(begin)/unseen)
	if n := asked.count["Metadata"]; n > 2*most {
		t.Errorf("without a page the board has asked for the metadata %d times in %v", n, time.Since(begin))
	}
	if n := asked.count["ListGroups"]; n > 3*most {
		t.Errorf("without a page the board has asked for the groups %d times in %v", n, time.Since(begin))
	}
	t.Logf("without a page, in %v: %v", time.Since(begin).Round(time.Second), asked.count)
	asked.mu.Unlock()

	page := p.open(t)
	s := page.untilSeen("what has happened before", func(s shown) bool {
		return s.event("Topic "+p.topic+" was created") && s.event("Group "+p.group+" has appeared.")
	})
	// A rebalance is told with a time that is no longer than the board's questions are apart.
	for _, e := range s.Events {
		var took float64
		if _, after, ok := strings.Cut(e, " rebalanced in less than "); ok {
			if _, err := fmt.Sscanf(after, "%f s", &took); err != nil || took > 30 {
				t.Errorf("an event says %q", e)
			}
		}
	}
}

// With nothing to tell, the page says since when nothing has happened.
func TestNothingHasHappened(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	page := p.open(t, "topic", "not-there")
	page.until("it says so", `/^Nothing has happened since the board began to look at \d\d:\d\d:\d\d\.$/.test(document.querySelector("#events li .text").textContent)`)
	// Where there is no topic, the page says how another one is named in its address.
	page.until("it mentions ?topic=", `document.querySelector("#empty").checkVisibility() && document.querySelector("#empty").textContent.includes("?topic=")`)
	page.save("empty")
	for _, size := range sizes {
		page.resize(size.width, size.height, true)
		var fits bool
		page.eval(`(() => {
		  const a = document.querySelector("#events li .text").getBoundingClientRect(), b = document.querySelector("#events").getBoundingClientRect();
		  return a.width > 150 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1 && document.documentElement.scrollWidth <= innerWidth;
		})()`, &fits)
		if !fits {
			t.Errorf("at %d × %d the line doesn't fit", size.width, size.height)
		}
	}
}

// When a broker is stopped, the headline is who leads now, and it stays on top
// for a while, although a group has news too.
func TestNewLeaderIsTheHeadline(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 3)
		p.write(t, numbered(12)...)
		page := p.open(t)
		page.untilSeen("the records", func(s shown) bool { return records(s) == 12 && len(s.Brokers) == 3 })
		if p.apache != nil {
			if err := p.apache.WaitInSync(testkit.Deadline(t)); err != nil {
				t.Fatal(err)
			}
		}
		var led string
		leaders := p.leaders(t)
		for partition, leader := range leaders {
			if leader == 2 {
				led += fmt.Sprintf("artition %d is now led by broker ", partition)
			}
		}
		p.stop(t, 2)
		page.untilSeen("the new leader", func(s shown) bool {
			return strings.Contains(s.Events[0], led) && strings.HasSuffix(s.Events[0], ", because broker 2 has stopped.")
		})
		p.board.collector.journal.say(plain, "Something else.")
		s := page.untilSeen("later news", func(s shown) bool { return s.event("Something else.") })
		if !strings.Contains(s.Events[0], led) {
			t.Errorf("the headline is %q", s.Events[0])
		}
		page.settle()
		page.save("leader-" + p.kind())
		page.untilSeen("the newest line on top, after a while", func(s shown) bool { return !strings.Contains(s.Events[0], led) })
	})
}

// The events of before can be scrolled, by mouse and keyboard, and stay where they
// are while new ones come.
func TestEarlierEvents(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	page := p.open(t)
	for i := range 150 {
		p.board.collector.journal.say(plain, "Event number %d.", i)
	}
	page.untilSeen("the newest and the oldest", func(s shown) bool { return s.event("Event number 149.") && s.event("Event number 0.") })
	page.click("#earlier")
	page.settle()
	page.save("earlier")
	var tall bool
	page.eval(`document.querySelector("#events").clientHeight > 300 && [...document.querySelectorAll("#events li")].every((n) => n.checkVisibility({ visibilityProperty: true })) && document.querySelector("#earlier").getAttribute("aria-expanded") === "true"`, &tall)
	if !tall {
		t.Error("the events don't open")
	}
	page.eval(`document.querySelector("#events").scrollTo(0, 600)`, new(any))
	const first = `(() => { const box = document.querySelector("#events").getBoundingClientRect();
	  return [...document.querySelectorAll("#events li")].find((n) => n.getBoundingClientRect().top >= box.top).textContent; })()`
	var before, after string
	page.eval(first, &before)
	p.board.collector.journal.say(plain, "One more.")
	page.untilSeen("one more", func(s shown) bool { return s.event("One more.") })
	if page.eval(first, &after); before != after || !strings.Contains(before, "Event number ") {
		t.Errorf("while somebody reads %q, the list moves to %q", before, after)
	}
	page.do(chromedp.KeyEvent("\x1b"))
	page.until("Escape closes it", `document.querySelector("#earlier").getAttribute("aria-expanded") === "false"`)
	page.until("the newest is in sight", `document.querySelector("#events").scrollTop === 0`)
}

// Members are named by their client ids.
func TestMembersHaveNames(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	p.consume(t, p.group, 2, 0, p.topic)
	page := p.open(t)
	page.untilSeen("two members by their client ids", func(s shown) bool {
		g := s.group(p.group)
		if g == nil || len(g.Members) != 2 || g.State != "Stable" {
			return false
		}
		clients := []string{g.Members[0].Client, g.Members[1].Client}
		slices.Sort(clients)
		return slices.Equal(clients, []string{p.group + "-1", p.group + "-2"})
	})
}

// A commit beyond the log's end is no lag of 0: the page says what it is.
func TestBeyondTheEnd(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 1)
		p.write(t, numbered(3)...)
		beyond := make(kadm.Offsets)
		beyond.Add(kadm.Offset{Topic: p.topic, Partition: 0, At: 100, LeaderEpoch: -1})
		if err := kadm.NewClient(testkit.Client(t, p.addrs)).CommitAllOffsets(testkit.Deadline(t), p.group, beyond); err != nil {
			t.Fatal(err)
		}
		page := p.open(t)
		page.until("it says so", fmt.Sprintf(`[...document.querySelectorAll(".owner")].some((n) => n.dataset.group === %q && n.querySelector(".lag").textContent === "beyond end" && n.title.includes("its commit, 100, lies beyond the log's end, 3"))`, p.group))
	})
}

// A board that is started before its cluster takes what that has for given, and
// for no news.
func TestBoardBeforeTheCluster(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	for id := 1; id <= 3; id++ {
		if err := p.embedded.StopBroker(id); err != nil {
			t.Fatal(err)
		}
	}
	p.board.Close()
	p.serve(t)
	p.happened(t, "The cluster doesn't answer.")
	p.startAll(t)
	p.happened(t, "The cluster answers again.")
	page := p.open(t)
	s := page.untilSeen("the lanes", func(s shown) bool { return len(s.Lanes) == 3 && len(s.Brokers) == 3 && s.Brokers[2].Up })
	if s.event("was created") {
		t.Errorf("what was there before is told as news: %q", s.Events)
	}
}
