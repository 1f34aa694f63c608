package board

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// The programs of chapters 1, 2 and 3 run as a learner runs them, and the page
// shows the records, partitions, members, offsets and lag that another client reads.
func TestPageShowsTheChapters(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		page := p.open(t)
		producer := p.run(t, "01-producer")
		producer.UntilMore(20, "writes: ")
		page.untilSeen("the records of chapter 1", func(s shown) bool { return records(s) >= 20 })
		consumer := p.run(t, "02-consumer")
		consumer.UntilMore(5, "received: ")
		page.untilSeen("the group of chapter 2", func(s shown) bool {
			g := s.group(p.group)
			return g != nil && len(g.Members) == 1 && g.Members[0].Has == "0 1 2"
		})
		producer.Interrupt()
		producer.Wait()
		p.agrees(t, page)

		// Chapter 3 joins the same group, and so shares the partitions.
		together := p.run(t, "03-together")
		together.UntilMore(10, "writes: ")
		page.untilSeen("two members", func(s shown) bool {
			g := s.group(p.group)
			return g != nil && len(g.Members) == 2 && g.State == "Stable"
		})
		together.Interrupt()
		together.Wait()
		testkit.UntilMembers(t, p.addrs, p.group, 3)
		p.agrees(t, page)
		page.untilSeen("the member that left", func(s shown) bool { return s.event("has left " + p.group) })
		var address string
		page.eval(`document.querySelector(".group .command code").textContent`, &address)
		if address != "go run ./02-consumer" {
			t.Errorf("beside the group stands %q, not the command for one more member", address)
		}
	})
}

// agrees waits until the group has read everything, and compares what the page
// shows with what another client reads.
func (p *place) agrees(t *testing.T, page *tab) {
	t.Helper()
	p.awaitCommits(t)
	log := testkit.ReadLog(t, p.addrs, p.topic)
	leaders := p.leaders(t)
	committed := testkit.Committed(t, p.addrs, p.group, p.topic)
	var differs string
	defer func() {
		if t.Failed() {
			t.Log("the last difference: ", differs)
		}
	}()
	page.untilSeen("the same as the cluster", func(s shown) bool {
		differs = difference(s, p.group, log, leaders, committed)
		return differs == ""
	})
}

// difference says where the page differs from the cluster.
func difference(s shown, group string, log map[testkit.Place]*kgo.Record, leaders []int32, committed map[int32]int64) string {
	if len(s.Lanes) != len(leaders) {
		return fmt.Sprintf("%d lanes, want %d", len(s.Lanes), len(leaders))
	}
	ends := make(map[int32]int64)
	for place := range log {
		ends[place.Partition] = max(ends[place.Partition], place.Offset+1)
	}
	for i, lane := range s.Lanes {
		if lane.Partition != int32(i) || lane.Leader != leaders[i] || lane.End != ends[lane.Partition] {
			return fmt.Sprintf("lane %d is %d, led by %d, ends at %d; want leader %d, end %d", i, lane.Partition, lane.Leader, lane.End, leaders[i], ends[int32(i)])
		}
		if want := min(6, int(lane.End)); len(lane.Cells) < want {
			return fmt.Sprintf("lane %d shows %d cells", i, len(lane.Cells))
		}
		for j, cell := range lane.Cells {
			offset := lane.End - int64(len(lane.Cells)-j)
			r := log[testkit.Place{Partition: lane.Partition, Offset: cell.Offset}]
			if cell.Offset != offset || r == nil || cell.Key == nil || *cell.Key != string(r.Key) ||
				cell.Label != fmt.Sprintf("offset %d, key %s, value %s", offset, r.Key, r.Value) {
				return fmt.Sprintf("lane %d, cell %d shows %+v, want offset %d of %v", i, j, cell, offset, r)
			}
		}
		rail := slices.IndexFunc(lane.Rails, func(r shownRail) bool { return r.Group == group })
		if rail < 0 {
			return fmt.Sprintf("lane %d has no rail of %s", i, group)
		}
		if at, ok := committed[lane.Partition]; ok {
			if r := lane.Rails[rail]; r.Committed != strconv.FormatInt(at, 10) || r.Lag != strconv.FormatInt(lane.End-at, 10) || r.Owner == "" {
				return fmt.Sprintf("lane %d has the rail %+v, want %d committed of %d", i, r, at, lane.End)
			}
		}
	}
	return ""
}

func records(s shown) int64 {
	n := int64(0)
	for _, l := range s.Lanes {
		n += max(l.End, 0)
	}
	return n
}

// Four consumers share three partitions: one is idle, and the page says why.
// Then a member that has a partition is killed, and the page shows it leave and
// the others share anew.
func TestPageShowsTheGroup(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 3)
		p.write(t, numbered(30)...)
		path := testkit.Build(t, "02-consumer", testkit.On(p.addrs, p.topic, p.group))
		var consumers []*testkit.Process
		page := p.open(t)
		for range 4 {
			consumers = append(consumers, testkit.Start(t, path))
		}
		owns := func(s shown) (with []string, idle []shownMember) {
			if g := s.group(p.group); g != nil && g.State == "Stable" {
				for _, m := range g.Members {
					if m.Idle != "" {
						idle = append(idle, m)
					} else {
						with = append(with, m.Has)
					}
				}
			}
			slices.Sort(with)
			return with, idle
		}
		s := page.untilSeen("three owners and an idle member", func(s shown) bool {
			with, idle := owns(s)
			return slices.Equal(with, []string{"0", "1", "2"}) && len(idle) == 1 && s.event("is idle")
		})
		if _, idle := owns(s); idle[0].Idle != "4 members share 3 partitions, and each partition has one owner" {
			t.Errorf("the reason for idleness is %q", idle[0].Idle)
		}
		testkit.UntilMembers(t, p.addrs, p.group, 0, 1, 1, 1)
		for _, lane := range s.Lanes {
			if len(lane.Rails) != 1 || lane.Rails[0].Owner == "" {
				t.Errorf("partition %d shows the rails %+v, and has an owner", lane.Partition, lane.Rails)
			}
		}
		page.save("group-" + p.kind())

		// The program that received records is one that owns a partition.
		i := slices.IndexFunc(consumers, func(c *testkit.Process) bool { return len(testkit.Received(c.Lines())) > 0 })
		consumers[i].Kill()
		page.untilSeen("the member leave, and a rebalance", func(s shown) bool {
			with, idle := owns(s)
			return slices.Equal(with, []string{"0", "1", "2"}) && len(idle) == 0 && s.event("has left "+p.group) && s.event(p.group+" rebalanced in ")
		})
		testkit.UntilMembers(t, p.addrs, p.group, 1, 1, 1)
	})
}

func (p *place) kind() string {
	if p.apache != nil {
		return "apache"
	}
	return "embedded"
}

// A broker is stopped and started by its button; the leaders move and come back.
func TestBrokerButtons(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	p.write(t, numbered(12)...)
	page := p.open(t)
	page.untilSeen("the leaders", func(s shown) bool { return len(s.Lanes) == 3 && s.Lanes[1].Leader == 2 && records(s) == 12 })

	page.click(`[data-broker="2"] [data-do="stop"]`)
	begin := time.Now()
	page.untilSeen("broker 2 down", func(s shown) bool {
		return !s.Brokers[1].Up && s.Lanes[1].Leader != 2 && s.Lanes[1].Leader > 0 && s.event("Broker 2 has stopped.") && s.event("Partition 1 is now led by broker")
	})
	t.Logf("the leader moved on the page %d ms after the click", time.Since(begin).Milliseconds())
	if p.embedded.Running(2) {
		t.Error("broker 2 still runs")
	}
	if got := p.leaders(t); slices.Contains(got, 2) {
		t.Errorf("leaders %v while broker 2 is stopped", got)
	}
	page.save("broker-down")
	p.write(t, numbered(12)...)
	page.untilSeen("the records that came meanwhile", func(s shown) bool { return records(s) == 24 })

	page.click(`[data-broker="2"] [data-do="start"]`)
	begin = time.Now()
	page.untilSeen("broker 2 back", func(s shown) bool {
		return s.Brokers[1].Up && s.Lanes[1].Leader == 2 && s.event("Broker 2 runs again.")
	})
	t.Logf("the leader came back on the page %d ms after the click", time.Since(begin).Milliseconds())
	if got := p.leaders(t); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("leaders %v after the start", got)
	}
	var note string
	page.eval(`document.querySelector(".note-card").textContent`, &note)
	var followers int
	page.eval(`document.querySelectorAll(".led .token:not(.leads)").length`, &followers)
	if !strings.Contains(note, "doesn't replicate") || followers != 0 {
		t.Errorf("on a cluster that doesn't replicate, the page draws %d followers and says %q", followers, note)
	}
}

// A broker of Apache Kafka is killed: the page shows the leaders move and the
// in-sync replicas shrink, and grow again. Instead of a button stands the command.
func TestBrokerDies(t *testing.T) {
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		p := onApache(t)
		p.create(t, 3)
		p.write(t, numbered(12)...)
		page := p.open(t)
		inSync := func(n int) string {
			return fmt.Sprintf(`[...document.querySelectorAll(".lane")].length === 3 && [...document.querySelectorAll(".lane")].every((l) => l.dataset.inSync.split(" ").length === %d)`, n)
		}
		page.until("all replicas are in sync", inSync(3))
		var how []string
		page.eval(`[...document.querySelectorAll(".broker .how code")].map((c) => c.textContent)`, &how)
		if !slices.Equal(how, []string{"docker compose kill kafka-1", "docker compose kill kafka-2", "docker compose kill kafka-3"}) {
			t.Errorf("the commands that stop brokers are %q", how)
		}
		page.save("apache")
		if err := p.apache.WaitInSync(testkit.Deadline(t)); err != nil {
			t.Fatal(err)
		}
		p.stop(t, 2)
		page.until("two replicas are in sync", inSync(2))
		page.untilSeen("broker 2 down", func(s shown) bool {
			return !s.Brokers[1].Up && s.Brokers[1].Leads == "" && s.event("Broker 2 fell out of the in-sync replicas")
		})
		if got := p.leaders(t); slices.Contains(got, 2) {
			t.Errorf("leaders %v after the death of broker 2", got)
		}
		// The follower that fell out is drawn apart from those that are in sync, on each
		// lane, and the legend says what that means.
		page.until("it is drawn", `[...document.querySelectorAll(".lane")].every((l) =>
		  l.querySelector(".out").checkVisibility() && l.querySelector(".out").textContent === "2out of sync" &&
		  [...l.querySelectorAll(".led:not(.out) .token")].map((n) => n.textContent).sort().join("") === "13" &&
		  l.getAttribute("aria-label").includes("not in sync: 2"))`)
		page.until("the legend says so", `document.querySelector("#legend").innerText.includes("not in sync")`)
		for _, size := range sizes {
			page.resize(size.width, size.height, !size.phone)
			page.save(fmt.Sprintf("apache-broker-down-%d", size.width))
			var cut []string
			page.eval(`[...document.querySelectorAll(".lane .out, .lane .led, .broker .does, .broker .what, .state, .top label, .top button")].filter((n) => n.checkVisibility() && n.scrollWidth > n.clientWidth + 1).map((n) => n.textContent)`, &cut)
			if len(cut) > 0 {
				t.Errorf("at %d × %d is cut off: %q", size.width, size.height, cut)
			}
		}
		page.resize(1280, 720, false)
		page.save("apache-broker-down")
		p.startAll(t)
		page.until("all replicas are in sync again", inSync(3))
		page.untilSeen("one controller", func(s shown) bool {
			n := 0
			for _, b := range s.Brokers {
				if b.Tag {
					n++
				}
			}
			return n == 1 && s.Brokers[1].Up
		})
	})
}

// A record that is sent from the page lies where the page says, and arrives in
// the consumer of chapter 2.
func TestSendFromThePage(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 3)
		consumer := p.run(t, "02-consumer")
		page := p.open(t)
		page.until("records can be sent", `!document.querySelector("#send button").disabled`)
		for i, key := range []string{"7", "kafka", ""} {
			value := fmt.Sprintf("this is message%d", 1000+i)
			page.eval(`document.querySelectorAll("#send input").forEach((i) => { i.value = ""; })`, new(any))
			if key != "" {
				page.do(chromedp.SendKeys(chromedp.CSS("#send-key"), key))
			}
			page.do(chromedp.SendKeys(chromedp.CSS("#send-value"), value))
			page.click("#send button")
			page.until("the record lies on the page", fmt.Sprintf(`(document.querySelector(".cell.sent")?.getAttribute("aria-label") || "").endsWith("value %s")`, value))
			var said string
			page.eval(`document.querySelector("#said").textContent`, &said)
			m := regexp.MustCompile(`^It lies in partition (\d+), at offset (\d+)\.$`).FindStringSubmatch(said)
			if m == nil {
				t.Fatalf("the page says %q", said)
			}
			consumer.UntilLine(fmt.Sprintf("received:  %s   (partition %s, offset %s)", value, m[1], m[2]))
			if want := testkit.Murmur2([]byte(key), 3); key != "" && m[1] != fmt.Sprint(want) {
				t.Errorf("key %s went to partition %s, murmur2 says %d", key, m[1], want)
			}
		}
		page.save("sent-" + p.kind())
	})
}

// A partition is added on the page, by two clicks, and keys move.
func TestAddAPartition(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 3)
		p.write(t, numbered(24)...)
		page := p.open(t)
		page.untilSeen("the records", func(s shown) bool { return records(s) == 24 })
		page.click("#add")
		page.until("it asks again", `document.querySelector("#add").textContent === "Yes, add it"`)
		if got := len(p.leaders(t)); got != 3 {
			t.Fatalf("one click made %d partitions", got)
		}
		page.click("#add")
		s := page.untilSeen("four partitions", func(s shown) bool {
			return len(s.Lanes) == 4 && s.Lanes[3].Leader > 0 && s.event("has 4 partitions now")
		})
		moved := 0
		for i := range 24 {
			if testkit.Murmur2([]byte(fmt.Sprint(i)), 3) != testkit.Murmur2([]byte(fmt.Sprint(i)), 4) {
				moved++
			}
		}
		if !s.event(fmt.Sprintf("Of the 24 keys on the board, %d belong to another partition from now on.", moved)) {
			t.Errorf("the events are %q; %d of 24 keys move", s.Events, moved)
		}
		// What the page marks are the cells whose key belongs elsewhere now.
		for _, lane := range s.Lanes {
			for _, cell := range lane.Cells {
				home := testkit.Murmur2([]byte(*cell.Key), 4)
				if marked := strings.Contains(cell.Label, fmt.Sprintf("belongs to partition %d now", home)); marked != (home != lane.Partition) {
					t.Errorf("the cell of key %s in partition %d says %q, its partition is %d now", *cell.Key, lane.Partition, cell.Label, home)
				}
			}
		}
		page.save("added-" + p.kind())
		p.write(t, numbered(24)...)
		page.untilSeen("records in the new partition", func(s shown) bool { return records(s) == 48 && s.Lanes[3].End > 0 })
	})
}

// The cluster goes away and comes back: the page says so, and recovers by itself.
func TestClusterGoneAndBack(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 3)
		p.write(t, numbered(12)...)
		page := p.open(t)
		page.untilSeen("the records", func(s shown) bool { return records(s) == 12 })
		for id := 1; id <= 3; id++ {
			p.stop(t, id)
		}
		page.until("the page says that nobody answers", `document.querySelector("#state.bad") !== null && document.body.dataset.live === "false"`)
		page.save("gone-" + p.kind())
		p.startAll(t)
		page.until("it is live again", `document.body.dataset.live === "true"`)
		p.write(t, numbered(12)...)
		page.untilSeen("what came later", func(s shown) bool { return records(s) == 24 })
		// Its line may have gone up and out of sight already: many events follow it.
		p.happened(t, "The cluster answers again.")
	})
}

// The board's process ends and another one takes its place, with other records:
// the page loads itself again.
func TestBoardGoneAndBack(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	p.write(t, numbered(12)...)
	page := p.open(t)
	page.untilSeen("the records", func(s shown) bool { return records(s) == 12 })
	page.eval(`(window.old = true)`, new(bool))
	address := p.board.listener.Addr().String()
	p.board.Close()
	page.until("the page says that the board has ended", `document.querySelector("#state").textContent.startsWith("The board has ended")`)

	port, err := strconv.Atoi(address[strings.LastIndex(address, ":")+1:])
	if err != nil {
		t.Fatal(err)
	}
	b, err := Start(Options{Addrs: p.addrs, Topic: p.topic, Port: port, Brokers: p.embedded})
	if err != nil {
		t.Fatal(err)
	}
	p.board = b
	if got := b.listener.Addr().String(); got != address {
		t.Fatalf("the second board is on %s, not on %s", got, address)
	}
	page.until("the page was loaded again, and is live", `window.old === undefined && document.body?.dataset.live === "true"`)
	p.write(t, numbered(12)...)
	page.untilSeen("what came later", func(s shown) bool { return records(s) == 24 })
	// Its controls have the new token.
	page.click(`[data-broker="3"] [data-do="stop"]`)
	page.untilSeen("broker 3 down", func(s shown) bool { return !s.Brokers[2].Up })
}

// Ten pages are open at once, in one browser. That is more than the connections
// that a browser opens to a server, so each page must do without one of them.
func TestTenPages(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	var pages []*tab
	for range 10 {
		pages = append(pages, p.open(t))
	}
	p.write(t, numbered(12)...)
	for _, page := range pages {
		page.untilSeen("the records", func(s shown) bool { return records(s) == 12 })
	}
	// And a control still gets through.
	pages[9].click(`[data-broker="1"] [data-do="stop"]`)
	for _, page := range pages {
		page.untilSeen("broker 1 down", func(s shown) bool { return !s.Brokers[0].Up })
	}
}

// The board joins no group and commits nothing.
func TestBoardChangesNothing(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 3)
		p.write(t, numbered(12)...)
		adm := kadm.NewClient(testkit.Client(t, p.addrs))
		before, err := adm.ListGroups(testkit.Deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		page := p.open(t)
		page.untilSeen("the records", func(s shown) bool { return records(s) == 12 })
		page.click(".lane .cell")
		page.until("a record is read", `document.querySelector("#detail .why") !== null`)
		after, err := adm.ListGroups(testkit.Deadline(t))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before.Groups(), after.Groups()) {
			t.Errorf("groups before: %v, after: %v", before.Groups(), after.Groups())
		}
		if n := len(testkit.ReadLog(t, p.addrs, p.topic)); n != 12 {
			t.Errorf("%d records in the topic, 12 were written", n)
		}
	})
}

// More records come than can be looked at: the page shows a sample and says so,
// and the ends of the partitions are exact all the same.
func TestSampling(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	page := p.open(t)
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	seen := false
	total := int64(0)
	for deadline := time.Now().Add(long); !seen && time.Now().Before(deadline); {
		for range 20000 {
			client.Produce(t.Context(), kgo.KeyStringRecord(fmt.Sprint(total), "value"), nil)
			total++
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		page.eval(`document.querySelector("#legend").dataset.sampled === "true" && document.querySelector(".gap") !== null`, &seen)
		if seen {
			page.save("sample")
		}
	}
	if !seen {
		t.Fatalf("after %d records in quick succession the page doesn't say that it samples", total)
	}
	s := page.untilSeen("all records, and no sample any more", func(s shown) bool { return records(s) == total })
	page.until("it doesn't sample any more", `document.querySelector("#legend").dataset.sampled === "false"`)
	// After the storm, the newest records are there without gaps.
	s = page.look()
	for _, lane := range s.Lanes {
		if n := len(lane.Cells); n == 0 || lane.Cells[n-1].Offset != lane.End-1 {
			t.Errorf("partition %d ends at %d, and its last cells are %+v", lane.Partition, lane.End, lane.Cells[max(0, n-2):])
		}
	}
}

// The end of a transaction takes an offset, and is no record. (Apache Kafka only:
// with the versions that the embedded cluster offers, franz-go's transactions fail on it.)
func TestTransactionMarker(t *testing.T) {
	t.Run("apache", func(t *testing.T) {
		t.Parallel()
		p := onApache(t)
		p.create(t, 1)
		client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic), kgo.TransactionalID(p.topic))
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(testkit.Deadline(t), numbered(3)...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(testkit.Deadline(t), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		page := p.open(t)
		page.untilSeen("three records and a marker", func(s shown) bool {
			return len(s.Lanes) == 1 && len(s.Lanes[0].Cells) == 4 && s.Lanes[0].Cells[3].Label == "offset 3, end of a transaction"
		})
		page.click(".cell.marker")
		page.until("it says what that is", `document.querySelector("#detail .why")?.textContent.includes("Consumers never see it")`)
	})
}
