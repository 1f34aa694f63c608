package board

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// long is how long a test waits for something that has to come. It only matters
// when a test fails.
const long = 20 * time.Second

// findChromium returns the path of a Chromium, or skips the test. In CI nothing
// is skipped: there the browser has to be.
func findChromium(t testing.TB) string {
	t.Helper()
	names := []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"}
	if path := os.Getenv("CHROMIUM"); path != "" {
		names = []string{path}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const say = "no Chromium is on the PATH, nor named by the environment variable CHROMIUM: install one (Debian: apt-get install chromium) to test the page"
	if os.Getenv("CI") != "" {
		t.Fatal(say)
	}
	t.Skip(say)
	return ""
}

// A browser is one headless Chromium, which all tests share.
var browser struct {
	once    sync.Once
	ctx     context.Context
	cancel  func()
	dir     string
	failure error
}

// startBrowser starts the browser that all tests share.
func startBrowser(t testing.TB) context.Context {
	t.Helper()
	path := findChromium(t)
	browser.once.Do(func() {
		dir, err := os.MkdirTemp("", "board-chromium-")
		if err != nil {
			browser.failure = err
			return
		}
		browser.dir = dir
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path),
			chromedp.UserDataDir(dir),
			chromedp.NoSandbox, // Tests run as root in a container, where Chromium's sandbox can't work.
			chromedp.DisableGPU,
			chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-component-update", true),
			chromedp.Flag("disable-sync", true),
			// A test asks how large the heap of a page is, after its garbage has gone.
			chromedp.Flag("enable-precise-memory-info", true),
			chromedp.Flag("js-flags", "--expose-gc"),
			chromedp.WindowSize(1280, 720),
			chromedp.WSURLReadTimeout(time.Minute),
		)
		allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, cancel := chromedp.NewContext(allocator)
		browser.ctx, browser.cancel = ctx, func() { cancel(); cancelAllocator() }
		browser.failure = chromedp.Do(ctx)
	})
	if browser.failure != nil {
		t.Fatalf("starting Chromium: %v", browser.failure)
	}
	return browser.ctx
}

func stopBrowser() error {
	if browser.cancel != nil {
		browser.cancel()
	}
	if browser.dir == "" {
		return nil
	}
	// The browser's last processes may still be writing there.
	var err error
	for range 20 {
		if err = os.RemoveAll(browser.dir); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

// A tab is a page of the board in the browser.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	errors []string // what the page's console and its exceptions say
}

// openTab opens a page of the board at 1280 × 720, and waits until it is live.
func openTab(t testing.TB, url string) *tab {
	t.Helper()
	p := newTab(t, url)
	p.until("it is live", `document.body.dataset.live === "true"`)
	return p
}

func newTab(t testing.TB, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(startBrowser(t))
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil { // The first call lives as long as the tab: it takes no timeout.
		t.Fatalf("opening a tab: %v", err)
	}
	p.do(chromedp.EmulateViewport(1280, 720))
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return // The tab is closed.
			}
			// That a connection fails is what some tests want, and no error of the page.
			if m.Source == "network" {
				continue
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning || m.Type == chromedp.ConsoleException {
				p.note(fmt.Sprintf("%s: %s", m.Type, m.Text))
			}
		}
	}()
	p.do(chromedp.Navigate(url))
	t.Cleanup(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range p.errors {
			t.Errorf("the page: %s", e)
		}
	})
	return p
}

func (p *tab) note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.errors) < 5 {
		p.errors = append(p.errors, s)
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, long)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
}

// eval evaluates JavaScript, and stores its value in to.
func (p *tab) eval(script string, to any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, long)
	defer cancel()
	ask := chromedp.Evaluate[string]("Promise.resolve("+script+").then((v) => JSON.stringify(v ?? null))", chromedp.EvalAwaitPromise)
	raw, err := chromedp.Run(ctx, ask)
	for err != nil && strings.Contains(err.Error(), "navigated or closed") && ctx.Err() == nil {
		raw, err = chromedp.Run(ctx, ask) // The page has loaded itself again meanwhile.
	}
	if err != nil {
		p.t.Fatalf("evaluating %s: %v", script, err)
	}
	if err := json.Unmarshal([]byte(raw), to); err != nil {
		p.t.Fatalf("evaluating %s: %v in %s", script, err, raw)
	}
}

// until waits until a condition in JavaScript holds, and returns how long that took.
func (p *tab) until(what, condition string) time.Duration {
	p.t.Helper()
	begin := time.Now()
	for {
		var ok bool
		p.eval("Boolean("+condition+")", &ok)
		if ok {
			return time.Since(begin)
		}
		if time.Since(begin) > long {
			p.save("failed-" + strings.ReplaceAll(p.t.Name(), "/", "-"))
			var text string
			p.eval("document.body.innerText", &text)
			p.t.Fatalf("waited %v in vain until %s; the page says:\n%s", long, what, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// click clicks on an element, as a mouse does.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// save saves a screenshot in the folder that BOARD_SCREENSHOTS names.
func (p *tab) save(name string) {
	p.t.Helper()
	dir := os.Getenv("BOARD_SCREENSHOTS")
	if dir == "" {
		return
	}
	time.Sleep(400 * time.Millisecond) // What moves comes to rest.
	ctx, cancel := context.WithTimeout(p.ctx, long)
	defer cancel()
	raw, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatalf("taking a screenshot: %v", err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		p.t.Fatalf("reading a screenshot: %v", err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewColours(picture)); err != nil {
		p.t.Fatalf("writing a screenshot: %v", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), small.Bytes(), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// fewColours gives a picture the 256 colours that it has most of: what is drawn
// with so few plain areas looks the same, and takes a third of the space.
func fewColours(picture image.Image) *image.Paletted {
	count := make(map[color.RGBA]int)
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA) }
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	var palette color.Palette
	for _, c := range all[:min(256, len(all))] {
		palette = append(palette, c)
	}
	nearest := make(map[color.RGBA]uint8)
	for _, c := range all {
		nearest[c] = uint8(palette.Index(c))
	}
	small := image.NewPaletted(b, palette)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			small.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	return small
}

// What a test reads from the page.
type (
	shown struct {
		Lanes   []shownLane   `json:"lanes"`
		Brokers []shownBroker `json:"brokers"`
		Groups  []shownGroup  `json:"groups"`
		Events  []string      `json:"events"`
	}
	shownLane struct {
		Partition int32       `json:"partition"`
		Leader    int32       `json:"leader"`
		End       int64       `json:"end"`
		Cells     []shownCell `json:"cells"`
		Rails     []shownRail `json:"rails"`
	}
	shownCell struct {
		Offset int64   `json:"offset"`
		Key    *string `json:"key"`
		Label  string  `json:"label"`
	}
	shownRail struct {
		Group     string `json:"group"`
		Committed string `json:"committed"`
		Owner     string `json:"owner"`
		Lag       string `json:"lag"`
	}
	shownBroker struct {
		ID    int32  `json:"id"`
		Up    bool   `json:"up"`
		Leads string `json:"leads"`
		Tag   bool   `json:"controller"`
	}
	shownGroup struct {
		Name    string        `json:"name"`
		State   string        `json:"state"`
		Lag     string        `json:"lag"`
		Command string        `json:"command"`
		Members []shownMember `json:"members"`
	}
	shownMember struct {
		Label  string `json:"label"`
		Has    string `json:"has"`
		Idle   string `json:"idle"`
		Client string `json:"client"`
	}
)

// readPage reads from the page's elements what somebody sees there.
const readPage = `(() => {
  const all = (n, s) => [...n.querySelectorAll(s)];
  return {
    lanes: all(document, ".lane").map((n) => ({
      partition: +n.dataset.partition, leader: +n.dataset.leader, end: +n.dataset.end,
      cells: all(n, ".cell").map((c) => ({ offset: +c.querySelector(".at").textContent, key: c.dataset.key ?? null, label: c.getAttribute("aria-label") })),
      rails: all(n, ".rail").map((r) => {
        const o = all(n, ".owner").find((o) => o.dataset.group === r.dataset.group);
        return { group: r.dataset.group, committed: r.dataset.committed, owner: o.dataset.owner, lag: o.dataset.lag };
      }),
    })),
    brokers: all(document, ".broker[data-broker]").map((n) => ({
      id: +n.dataset.broker, up: n.dataset.up === "true", leads: n.dataset.leads, controller: !n.querySelector(".tag").hidden,
    })),
    groups: all(document, ".group").map((n) => ({
      name: n.querySelector(".gname").textContent, state: n.dataset.state, lag: n.dataset.lag, command: n.querySelector(".command code").textContent,
      members: all(n, ".members li").map((m) => ({
        label: m.dataset.member, has: m.dataset.has, idle: m.dataset.idle ?? "", client: m.querySelector(".client").textContent,
      })),
    })),
    events: all(document, ".events .text").map((n) => n.textContent),
  };
})()`

// look reads the page.
func (p *tab) look() shown {
	p.t.Helper()
	var s shown
	p.eval(readPage, &s)
	return s
}

// untilSeen waits until the page shows what the test wants to see.
func (p *tab) untilSeen(what string, seen func(shown) bool) shown {
	p.t.Helper()
	begin := time.Now()
	for {
		s := p.look()
		if seen(s) {
			return s
		}
		if time.Since(begin) > long {
			p.save("failed-" + strings.ReplaceAll(p.t.Name(), "/", "-"))
			p.t.Fatalf("waited %v in vain until the page shows %s; it shows %.4000s", long, what, fmt.Sprintf("%+v", s))
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// event tells whether one of the lines says something.
func (s shown) event(part string) bool {
	for _, e := range s.Events {
		if strings.Contains(e, part) {
			return true
		}
	}
	return false
}

func (s shown) group(name string) *shownGroup {
	for i := range s.Groups {
		if s.Groups[i].Name == name {
			return &s.Groups[i]
		}
	}
	return nil
}
