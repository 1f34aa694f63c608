package board

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

var figures = flag.Bool("figures", false, "measure the figures of the board, which takes about five minutes")

// TestFigures measures what the board costs, and prints it. It asserts nothing
// about time, since that depends on the computer and on what else it does:
//
//	go test ./internal/board -run TestFigures -figures -v
func TestFigures(t *testing.T) {
	t.Logf("%s/%s, %d processors, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	t.Run("page", figureSize)
	if !*figures {
		return // The others take minutes, and only measure.
	}
	t.Run("latency", func(t *testing.T) {
		t.Run("embedded", func(t *testing.T) { figureLatency(t, onEmbedded(t)) })
		t.Run("apache", func(t *testing.T) { figureLatency(t, onApache(t)) })
	})
	t.Run("idle", figureIdle)
	t.Run("memory", figureMemory)
	t.Run("cost", figureCost)
}

func figureSize(t *testing.T) {
	size, n := int64(0), 0
	err := fs.WalkDir(files, "page", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		size += info.Size()
		n++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the browser loads %d bytes in %d files, uncompressed", size, n)
}

// figureLatency measures the time from the acknowledgement of a write to the
// frame in which the page shows its cell.
func figureLatency(t *testing.T, p *place) {
	p.create(t, 3)
	page := p.open(t)
	page.eval(`(() => {
	  window.seen = {};
	  new MutationObserver((list) => {
	    for (const m of list) for (const n of m.addedNodes) if (n.classList && n.classList.contains("cell")) {
	      const at = n.dataset.partition + "/" + n.dataset.offset;
	      requestAnimationFrame(() => { window.seen[at] ??= performance.timeOrigin + performance.now(); });
	    }
	  }).observe(document.querySelector("#lanes"), { childList: true, subtree: true });
	})()`, new(any))
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic), kgo.ProducerLinger(0))
	acknowledged := make(map[string]float64)
	for i := range 200 {
		r := kgo.KeyStringRecord(fmt.Sprint(i), "value")
		if err := client.ProduceSync(testkit.Deadline(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		acknowledged[fmt.Sprintf("%d/%d", r.Partition, r.Offset)] = float64(time.Now().UnixMicro()) / 1000
		time.Sleep(time.Duration(20+i*37%90) * time.Millisecond)
	}
	page.untilSeen("the last record", func(s shown) bool { return records(s) == 200 })
	time.Sleep(300 * time.Millisecond)
	var seen map[string]float64
	page.eval("window.seen", &seen)
	var took []float64
	for at, ack := range acknowledged {
		if seen[at] > 0 {
			took = append(took, seen[at]-ack)
		}
	}
	slices.Sort(took)
	if len(took) < 150 {
		t.Fatalf("only %d of 200 records were seen as cells", len(took))
	}
	t.Logf("acknowledged to visible, %d records, a write each 20 to 110 ms: median %.0f ms, p95 %.0f ms, longest %.0f ms",
		len(took), took[len(took)/2], took[len(took)*95/100], took[len(took)-1])
}

// watching starts 00-cluster -watch as a process, and returns it and its address.
func (p *place) watching(t *testing.T) (*testkit.Process, string) {
	t.Helper()
	path := testkit.Build(t, "00-cluster", testkit.Constants{"topic": strconv.Quote(p.topic)})
	process := testkit.Start(t, path, append([]string{"-board", "0", "-watch"}, p.addrs...)...)
	process.UntilLine("Ctrl-C ends the board")
	address := regexp.MustCompile(`http://\S+`).FindString(process.Output())
	return process, address
}

// figureIdle measures what the board takes when little happens in a large cluster.
func figureIdle(t *testing.T) {
	p := onEmbedded(t)
	p.create(t, 48)
	p.crowd(t)
	process, address := p.watching(t)
	time.Sleep(5 * time.Second)
	const during = 15 * time.Second
	before := processor(t, process.PID())
	time.Sleep(during)
	nobody := processor(t, process.PID()) - before
	page := openTab(t, address+"/?topic="+p.topic)
	page.untilSeen("everything", func(s shown) bool { return len(s.Lanes) == 48 && len(s.Groups) == 20 })
	time.Sleep(8 * time.Second)
	before = processor(t, process.PID())
	time.Sleep(during)
	nothing := processor(t, process.PID()) - before

	ctx, cancel := context.WithCancel(t.Context())
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic))
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			client.Produce(ctx, kgo.KeyStringRecord(fmt.Sprintf("k%d", i), "value"), nil)
			time.Sleep(time.Second)
		}
	}()
	time.Sleep(2 * time.Second)
	before = processor(t, process.PID())
	time.Sleep(during)
	little := processor(t, process.PID()) - before
	cancel()
	t.Logf("48 partitions, 20 groups, 100 members: the board's process takes %.1f %% of a core while no page is open; with one page %.1f %% while nothing happens, %.1f %% at one record a second",
		100*nobody.Seconds()/during.Seconds(), 100*nothing.Seconds()/during.Seconds(), 100*little.Seconds()/during.Seconds())
}

// figureMemory measures the board's process before and after a million records.
func figureMemory(t *testing.T) {
	p := onEmbedded(t)
	p.create(t, 3)
	p.write(t, numbered(300)...)
	process, address := p.watching(t)
	page := openTab(t, address+"/?topic="+p.topic)
	page.untilSeen("the records", func(s shown) bool { return records(s) == 300 })
	time.Sleep(3 * time.Second)
	before := resident(t, process.PID())
	var heap, heapAfter float64
	page.eval(`performance.memory.usedJSHeapSize`, &heap)
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic), kgo.MaxBufferedRecords(20000))
	begin := time.Now()
	for i := range 1_000_000 {
		client.Produce(t.Context(), kgo.KeyStringRecord(strconv.Itoa(i%1000), "this is message"+strconv.Itoa(i)), nil)
	}
	if err := client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	page.untilSeen("all of them", func(s shown) bool {
		n := int64(0)
		for _, l := range s.Lanes {
			n += l.End
		}
		return n == 1_000_300
	})
	time.Sleep(3 * time.Second)
	page.eval(`performance.memory.usedJSHeapSize`, &heapAfter)
	t.Logf("a million records in %.1f s: the board's process grew from %.1f to %.1f MB resident, the page's heap from %.1f to %.1f MB",
		took.Seconds(), before, resident(t, process.PID()), heap/1e6, heapAfter/1e6)
}

// figureCost measures how fast a producer is with a page open, and without one,
// in pairs: so that both meet the same noise. "Nothing, twice" is that noise.
func figureCost(t *testing.T) {
	p := onEmbedded(t)
	p.create(t, 3)
	process, address := p.watching(t)
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic), kgo.MaxBufferedRecords(20000), kgo.RequiredAcks(kgo.AllISRAcks()))
	const during = 1500 * time.Millisecond
	produce := func() float64 {
		n := 0
		begin := time.Now()
		for time.Since(begin) < during {
			for range 1000 {
				client.Produce(t.Context(), kgo.KeyStringRecord(strconv.Itoa(n%1000), "this is message"+strconv.Itoa(n)), nil)
				n++
			}
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return float64(n) / time.Since(begin).Seconds()
	}
	measure := func(what string, open func() (shut func())) {
		const pairs = 12
		produce()
		var losses, speeds, shares []float64
		for i := range pairs {
			with, without := 0.0, 0.0
			for half := range 2 {
				if (i+half)%2 == 0 {
					shut := open()
					before, begin := processor(t, process.PID()), time.Now()
					with = produce()
					shares = append(shares, 100*(processor(t, process.PID())-before).Seconds()/time.Since(begin).Seconds())
					shut()
				} else {
					without = produce()
				}
				time.Sleep(200 * time.Millisecond)
			}
			losses = append(losses, 100*(1-with/without))
			speeds = append(speeds, without)
		}
		slices.Sort(losses)
		slices.Sort(speeds)
		slices.Sort(shares)
		t.Logf("%s: a producer at %.0f records a second loses %.1f %% (median of %d pairs; quartiles %.1f and %.1f); the board's process takes %.1f %% of a core",
			what, speeds[pairs/2], (losses[pairs/2-1]+losses[pairs/2])/2, pairs, losses[pairs/4], losses[pairs*3/4], shares[pairs/2])
	}
	measure("nothing, twice", func() func() { return func() {} })
	measure("a page that is only read", func() func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); readStream(ctx, t, address, p.topic) }()
		time.Sleep(500 * time.Millisecond)
		return func() { cancel(); <-done }
	})
	page := newTab(t, "about:blank")
	measure("a page in a browser on the same processors", func() func() {
		page.do(chromedp.Navigate(address + "/?topic=" + p.topic))
		page.until("it is live", `document.body.dataset.live === "true"`)
		return func() { page.do(chromedp.Navigate("about:blank")) }
	})
}

// processor returns the processor time that a process has taken.
func processor(t *testing.T, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skipf("this figure needs Linux: %v", err)
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// resident returns the memory of a process in MB.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("this figure needs Linux: %v", err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindStringSubmatch(string(raw))
	if m == nil {
		t.Fatal("there is no VmRSS")
	}
	kb, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb * 1024 / 1e6
}
