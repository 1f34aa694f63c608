package board

import (
	"context"
	"flag"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// 400 WebSockets come at once: as many as there may be pages are served, the
// others are told why not, and all are forgotten when they have gone.
func TestFourHundredWebSockets(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	page := p.open(t)
	address := strings.Replace(p.board.URL(), "http", "ws", 1) + "/stream?topic=" + p.topic
	type outcome struct {
		conn   *websocket.Conn
		status int
		err    error
	}
	outcomes := make(chan outcome)
	for range 400 {
		go func() {
			conn, answer, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {p.board.URL()}}})
			o := outcome{conn: conn, err: err}
			if answer != nil {
				o.status = answer.StatusCode
			}
			outcomes <- o
		}()
	}
	var open []*websocket.Conn
	refused := 0
	for range 400 {
		switch o := <-outcomes; {
		case o.err == nil:
			open = append(open, o.conn)
		case o.status == http.StatusServiceUnavailable:
			refused++
		default:
			t.Errorf("status %d: %v", o.status, o.err)
		}
	}
	if len(open)+refused != 400 || len(open) != mostPages-1 {
		t.Errorf("%d of 400 were served, and %d refused; there is room for %d more pages", len(open), refused, mostPages-1)
	}
	p.write(t, numbered(12)...)
	page.untilSeen("the records", func(s shown) bool { return records(s) == 12 })
	for _, conn := range open {
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Errorf("one that was served hears nothing: %v", err)
		}
		if err := conn.CloseNow(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	for deadline := time.Now().Add(long); p.board.pages() != 1; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d pages are open after all but one have gone", p.board.pages())
		}
	}
}

var storm = flag.Duration("storm", 3*time.Second, "how long records come fast while the page's heap is measured")

// While records come at 50,000 a second, the page's heap and its elements stay as
// many as they are. The long form:
//
//	go test ./internal/board -run TestHeapStaysConstant -storm 10m -v -timeout 20m
func TestHeapStaysConstant(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	page := p.open(t)
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic), kgo.MaxBufferedRecords(20_000))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan int)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		n := 0
		for ; ctx.Err() == nil; n++ {
			client.Produce(ctx, kgo.KeyStringRecord(strconv.Itoa(n%1000), "this is message"+strconv.Itoa(n)), nil)
			if n%500 == 499 {
				<-tick.C
			}
		}
		done <- n
	}()
	measure := func() (heap, nodes float64) {
		page.eval(`(window.gc(), performance.memory.usedJSHeapSize / 1e6)`, &heap)
		page.eval(`document.querySelectorAll("*").length`, &nodes)
		return heap, nodes
	}
	page.untilSeen("lanes that are full", func(s shown) bool {
		return len(s.Lanes) == 3 && len(s.Lanes[0].Cells) > 5 && len(s.Lanes[1].Cells) > 5 && len(s.Lanes[2].Cells) > 5 && records(s) > 10_000
	})
	heap, nodes := measure()
	begin := time.Now()
	most := heap
	for time.Since(begin) < *storm {
		time.Sleep(min(*storm/6, 20*time.Second))
		now, _ := measure()
		most = max(most, now)
	}
	after, nodesAfter := measure()
	took := time.Since(begin)
	cancel()
	n := <-done
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("about %d records in %v; the page's heap: %.2f MB before, %.2f MB at most, %.2f MB after; its elements: %.0f before, %.0f after; this process (cluster, producer and board) has %d MB from the system",
		n, took.Round(time.Second), heap, most, after, nodes, nodesAfter, memory.Sys/1_000_000)
	if after > heap+2 {
		t.Errorf("the page's heap has grown from %.1f to %.1f MB", heap, after)
	}
	if nodesAfter > nodes+200 {
		t.Errorf("the page's elements have become more: from %.0f to %.0f", nodes, nodesAfter)
	}
}
