package board

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafka-with-go/internal/testing/testkit"
)

// A cluster that says of itself that it has 100,000 brokers and a topic with
// 200,000 partitions doesn't fill the page or the board: both show a bounded part,
// say so, and go on.
func TestNonsenseCluster(t *testing.T) {
	t.Parallel()
	const brokers, partitions = 100_000, 200_000
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	host, port, err := net.SplitHostPort(cluster.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cluster.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := r.ResponseKind().(*kmsg.MetadataResponse)
		for id := range int32(brokers) {
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host, b.Port = id, host, int32(number)
			answer.Brokers = append(answer.Brokers, b)
		}
		topic := kmsg.NewMetadataResponseTopic()
		name := "nonsense"
		topic.Topic, topic.TopicID[0] = &name, 1
		for id := range int32(partitions) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = id, id%brokers
			p.Replicas, p.ISR = []int32{p.Leader}, []int32{p.Leader}
			topic.Partitions = append(topic.Partitions, p)
		}
		answer.Topics = append(answer.Topics, topic)
		return answer, nil, true
	})
	p := newPlace(cluster.ListenAddrs())
	p.topic = "nonsense"
	p.serve(t)
	page := p.open(t)
	page.until("it says what it shows", `document.querySelector("#turn-words").textContent === "Partitions 0 to 47 of 200,000: the board shows 48 at once."`)
	page.until("it says how many brokers there are", `document.querySelector("#brokers").textContent.includes("99,952 more brokers are not shown.") && document.querySelector("#state").textContent.includes("100,000 of 100,000 brokers up")`)
	page.until("it says that it doesn't ask for the groups", `document.querySelector("#groups").textContent.includes("so many brokers")`)
	page.settle()
	page.save("nonsense")
	var seen int
	page.eval(`[...document.querySelectorAll(".lane")].filter((n) => n.getBoundingClientRect().bottom <= document.querySelector("#lanes").getBoundingClientRect().bottom).length`, &seen)
	if seen < 20 {
		t.Errorf("beside so many brokers only %d partitions are in sight", seen)
	}
	var nodes, heap float64
	page.eval(`document.querySelectorAll("*").length`, &nodes)
	page.eval(`performance.memory.usedJSHeapSize / 1e6`, &heap)
	if nodes > 6000 || heap > 100 {
		t.Errorf("the page has %.0f elements and a heap of %.0f MB", nodes, heap)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("the page has %.0f elements and a heap of %.1f MB; this process, with the board and the cluster that answers so, has %d MB from the system", nodes, heap, memory.Sys/1_000_000)
	// One can turn to other partitions, also to the last ones.
	page.click("#turn-on")
	page.until("the next partitions", `document.querySelector("#turn-words").textContent.startsWith("Partitions 48 to 95 of") && document.querySelector('.lane[data-partition="95"]') !== null`)
	page.do(chromedp.SendKeys(chromedp.CSS("#find"), "a key\r"))
	home := testkit.Murmur2([]byte("a key"), partitions)
	page.until("the partitions of a key", fmt.Sprintf(`document.querySelector('.lane.home[data-partition="%d"]') !== null`, home))
}

// 500 partitions with 500 records a second leave the page's main thread most of its
// time, and all of them can be looked at.
func TestFiveHundredPartitions(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 500)
	page := p.open(t)
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; t.Context().Err() == nil; i++ {
			client.Produce(t.Context(), kgo.KeyStringRecord(fmt.Sprint(i), "x"), nil)
			if i%10 == 0 {
				<-tick.C
			}
		}
	}()
	page.untilSeen("records in each lane", func(s shown) bool {
		if len(s.Lanes) != 48 {
			return false
		}
		for _, lane := range s.Lanes {
			if len(lane.Cells) < 3 {
				return false
			}
		}
		return true
	})
	// What the page's own code takes of the main thread, while records come in.
	var busy float64
	page.eval(`new Promise((done) => {
	  const frame = window.requestAnimationFrame;
	  const begin = performance.now();
	  let spent = 0;
	  window.requestAnimationFrame = (f) => frame.call(window, (at) => { const from = performance.now(); f(at); spent += performance.now() - from; });
	  setTimeout(() => { window.requestAnimationFrame = frame; done(spent / (performance.now() - begin)); }, 4000);
	})`, &busy)
	t.Logf("drawing takes %.0f %% of the page's main thread", 100*busy)
	if busy > 0.4 {
		t.Errorf("drawing takes %.0f %% of the page's main thread", 100*busy)
	}
	page.save("five-hundred")
	var said string
	page.eval(`document.querySelector("#turn-words").textContent`, &said)
	if said != "Partitions 0 to 47 of 500: the board shows 48 at once." {
		t.Errorf("the page says %q", said)
	}
	for range 10 {
		page.click("#turn-on")
	}
	s := page.untilSeen("the last ones", func(s shown) bool { return len(s.Lanes) == 20 && len(s.Lanes[19].Cells) > 0 })
	if s.Lanes[19].Partition != 499 {
		t.Errorf("the last lane is that of partition %d", s.Lanes[19].Partition)
	}
	var address string
	if page.eval(`location.search`, &address); !strings.Contains(address, "from=480") {
		t.Errorf("the page's address is %s", address)
	}
	if n := p.board.collector.tails.count(); n != 1 {
		t.Errorf("one page is open, and the board reads for %d", n)
	}
}
