package board

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// marked lists the cells of a class, by their keys.
func (p *tab) marked(class string) (keys []string) {
	p.t.Helper()
	p.eval(fmt.Sprintf(`[...document.querySelectorAll(".cell.%s")].map((c) => c.dataset.key)`, class), &keys)
	return keys
}

// cellsOf counts the cells of a key on the page.
func (s shown) cellsOf(key string) int {
	n := 0
	for _, lane := range s.Lanes {
		for _, cell := range lane.Cells {
			if cell.Key != nil && *cell.Key == key {
				n++
			}
		}
	}
	return n
}

// Colour marks the cells of the key that is pointed at, by mouse and by keyboard,
// and no others, however many keys there are; the legend says so. It differs from
// the rest in lightness too, for those who see no hues, in light and in dark.
func TestColourMarksTheKeyPointedAt(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	var many []*kgo.Record
	for i := range 60 {
		many = append(many, kgo.KeyStringRecord(fmt.Sprint(i%15), "x"))
	}
	p.write(t, many...)
	for i, theme := range []string{"light", "dark"} {
		page := p.open(t, "theme", theme)
		s := page.untilSeen("the records", func(s shown) bool { return records(s) == int64(60+i) && len(s.Lanes[2].Cells) > 3 })
		var colours []string
		const backs = `[...new Set([...document.querySelectorAll(".cell .key")].map((n) => getComputedStyle(n).backgroundColor))]`
		if page.eval(backs, &colours); len(colours) != 1 {
			t.Errorf("%s: while nothing is pointed at, the cells have the colours %v", theme, colours)
		}
		key := s.keyLikeAnother(t)
		var at struct{ X, Y float64 }
		page.eval(fmt.Sprintf(`(() => { const r = document.querySelector('.cell[data-key=%q]').getBoundingClientRect(); return { X: r.x + r.width / 2, Y: r.y + 9 }; })()`, key), &at)
		page.do(chromedp.MouseEvent("mouseMoved", at.X, at.Y))
		page.until("its cells are marked", `document.querySelector(".cell.same") !== null`)
		page.settle()
		page.save("pointed-" + theme)
		right := func(s shown) {
			t.Helper()
			got := page.marked("same")
			if len(got) != s.cellsOf(key) || len(got) < 2 {
				t.Errorf("%s: %d cells are marked, %d have the key %s", theme, len(got), s.cellsOf(key), key)
			}
			for _, k := range got {
				if k != key {
					t.Errorf("%s: pointing at %s marks %s", theme, key, k)
				}
			}
		}
		right(s)
		// Also when the lanes are drawn again.
		p.write(t, kgo.KeyStringRecord("another", "x"))
		right(page.untilSeen("one more", func(s shown) bool { return records(s) == int64(61+i) }))
		var ratio float64
		page.eval(fmt.Sprintf(contrast, ".cell:not(.same) .key", ".cell.same .key"), &ratio)
		if ratio < 3 {
			t.Errorf("%s: without hues the marked cells differ from the others by %.1f, want 3", theme, ratio)
		}
		var pale []string
		if page.eval(tooPale, &pale); len(pale) > 0 {
			t.Errorf("%s: too little contrast: %q", theme, pale)
		}
		var legend string
		if page.eval(`document.querySelector("#legend").innerText`, &legend); !strings.Contains(legend, "the same key as the one that is pointed at") {
			t.Errorf("%s: the legend says %q", theme, legend)
		}
		page.do(chromedp.MouseEvent("mouseMoved", 5, 5))
		page.until("nothing is marked", `document.querySelector(".cell.same") === null`)
		// By keyboard.
		page.eval(`document.querySelector('.cell[tabindex="0"]').focus()`, new(any))
		page.do(chromedp.KeyEvent("\u0304")) // To the right.
		var focused string
		page.eval(`document.activeElement.dataset.key ?? ""`, &focused)
		page.until("the key that has the focus is marked", fmt.Sprintf(`[...document.querySelectorAll(".cell.same")].length > 0 && [...document.querySelectorAll(".cell.same")].every((c) => c.dataset.key === %q)`, focused))
	}
}

// keyLikeAnother returns a key that several cells have, and whose hash is like that
// of another key on the page, as far as eight colours could tell.
func (s shown) keyLikeAnother(t *testing.T) string {
	t.Helper()
	first := make(map[uint32]string)
	for _, lane := range s.Lanes {
		for _, cell := range lane.Cells {
			if cell.Key == nil || s.cellsOf(*cell.Key) < 2 {
				continue
			}
			hash := murmur2([]byte(*cell.Key)) % 8
			if other, ok := first[hash]; ok && other != *cell.Key {
				return *cell.Key
			}
			first[hash] = *cell.Key
		}
	}
	t.Fatal("no two keys are alike")
	return ""
}

// contrast is the ratio of the lightness of two elements' backgrounds, as WCAG has it.
const contrast = `(() => {
  const light = (s) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = getComputedStyle(document.querySelector(s)).backgroundColor;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  };
  const [a, b] = [light(%q), light(%q)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
})()`

// A key that is looked for: its cells stand out, and its partition is named, also
// before it has a record, and anew when a partition is added.
func TestFindAKey(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	p.write(t, numbered(24)...)
	p.write(t, kgo.KeyStringRecord("ключ <b>", "x"), kgo.KeyStringRecord(strings.Repeat("long", 30), "x"))
	page := p.open(t)
	s := page.untilSeen("the records", func(s shown) bool { return records(s) == 26 && len(s.Lanes[2].Cells) > 3 })
	look := func(key string) string {
		t.Helper()
		// It is pasted as a whole: while a long key is typed, its beginnings are looked for,
		// and they look alike.
		page.eval(fmt.Sprintf(`(() => { const f = document.querySelector("#find"); f.value = %q; f.dispatchEvent(new Event("input")); })()`, key), new(any))
		shownKey := shownKey([]byte(key))
		page.until("the page has looked for "+key, fmt.Sprintf(`document.querySelector("#found-said").textContent.startsWith(%q)`,
			fmt.Sprintf("Key %s belongs in partition %d.", shownKey, testkit.Murmur2([]byte(key), 3))))
		var said string
		page.eval(`document.querySelector("#legend").innerText`, &said)
		return said
	}
	for _, key := range []string{"7", "23", "ключ <b>", strings.Repeat("long", 30), "never-written"} {
		home := testkit.Murmur2([]byte(key), 3)
		said := look(key)
		if !strings.Contains(said, fmt.Sprintf("belongs in partition %d.", home)) {
			t.Errorf("of key %s, which belongs in partition %d, the page says %q", key, home, said)
		}
		got := page.marked("found")
		if want := s.cellsOf(shownKey([]byte(key))); len(got) != want {
			t.Errorf("%d cells are found of key %s, which has %d: %q", len(got), key, want, got)
		}
		var lanes []string
		page.eval(`[...document.querySelectorAll(".lane.home")].map((n) => n.dataset.partition)`, &lanes)
		if len(lanes) != 1 || lanes[0] != fmt.Sprint(home) {
			t.Errorf("of key %s, which belongs in partition %d, the lanes %v are marked", key, home, lanes)
		}
	}
	page.eval(`document.querySelector("#find").value = ""`, new(any))
	page.do(chromedp.SendKeys(chromedp.CSS("#find"), "7"))
	page.until("the key that was typed is found", `document.querySelector("#found-said").textContent.startsWith("Key 7 belongs in partition ")`)
	for _, projector := range []bool{false, true} {
		page.resize(1280, 720, projector)
		page.save(fmt.Sprintf("found-%v", projector))
	}
	// With one more partition it may belong elsewhere.
	page.click("#add")
	page.click("#add")
	page.untilSeen("four partitions", func(s shown) bool { return len(s.Lanes) == 4 })
	page.until("the key's partition is told anew", fmt.Sprintf(`document.querySelector("#found-said").textContent.startsWith("Key 7 belongs in partition %d.")`, testkit.Murmur2([]byte("7"), 4)))
	page.do(chromedp.SendKeys(chromedp.CSS("#find"), "\x1b"))
	page.until("Escape ends the search", `document.querySelector(".found, .home") === null && document.querySelector("#find").value === ""`)
}

// Pausing holds the page, also while it changes its size, and says what comes
// meanwhile; going on shows all of it.
func TestPause(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	p.write(t, numbered(12)...)
	page := p.open(t)
	page.untilSeen("the records", func(s shown) bool { return records(s) == 12 })
	page.click("#pause")
	page.until("it says so", `document.querySelector("#state").textContent === "paused" && document.querySelector("#pause").textContent === "Go on"`)
	before := page.look()
	p.write(t, numbered(30)...)
	if err := p.embedded.StopBroker(3); err != nil {
		t.Fatal(err)
	}
	page.until("it says what has come", `document.querySelector("#state").textContent === "paused · 30 records since"`)
	p.happened(t, "Broker 3 has stopped")
	page.resize(1024, 768, true)
	page.resize(1280, 720, false)
	page.save("paused")
	after := page.look()
	if records(after) != records(before) || len(after.Events) != len(before.Events) || !after.Brokers[2].Up {
		t.Errorf("while it is paused the page goes on, from %+v to %+v", before, after)
	}
	// A record that is shown can be opened all the same.
	page.click(".lane .cell")
	page.until("a record is read", `document.querySelector("#detail .why") !== null`)
	page.do(chromedp.KeyEvent("\x1b"))
	page.click("#pause")
	page.untilSeen("what has come", func(s shown) bool { return records(s) == 42 && s.event("Broker 3 has stopped") && !s.Brokers[2].Up })
}

// JSON is laid out on lines; nothing in it changes.
func TestJSONIsIndented(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"order":7,"lines":[{"price":1.50,"n":12345678901234567890}],"a":{},"a":1}`: "{\n  \"order\": 7,\n  \"lines\": [\n    {\n      \"price\": 1.50,\n      \"n\": 12345678901234567890\n    }\n  ],\n  \"a\": {},\n  \"a\": 1\n}",
		` [1,"<b>\u202e"]`: "[\n  1,\n  \"<b>\\u202e\"\n]",
		`{"a":1`:           `{"a":1`,
		`7`:                `7`,
		`{not json}`:       `{not json}`,
		"{\"a\":\"\x00\"}": `{"a":"\x00"}`,
	} {
		if got := indented([]byte(in)); got.Text != want {
			t.Errorf("%s is shown as %s, want %s", in, got.Text, want)
		}
	}
	deep := strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000)
	if got := indented([]byte(deep)); got.JSON || got.Bytes != len(deep) {
		t.Error("what is nested 30,000 times is indented")
	}
	p := onEmbedded(t)
	p.create(t, 1)
	p.write(t, kgo.KeyStringRecord("7", `{"order":7,"customer":{"name":"Ada","city":"Berlin"},"lines":[{"article":"book","price":12.50}]}`))
	page := p.open(t)
	page.untilSeen("the record", func(s shown) bool { return records(s) == 1 })
	page.click(".cell")
	page.until("its lines", `document.querySelector("#detail pre:not(dd:first-of-type pre)") !== null`)
	var text string
	page.eval(`document.querySelectorAll("#detail pre")[1].textContent`, &text)
	if !strings.Contains(text, "{\n  \"order\": 7,\n  \"customer\": {\n    \"name\": \"Ada\",") || !strings.Contains(text, `"price": 12.50`) {
		t.Errorf("the value is shown as %s", text)
	}
	page.save("json")
}

// One long key is shortened to its end, and takes no room from the others.
func TestLongKey(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	p.write(t, numbered(60)...)
	page := p.open(t)
	before := page.untilSeen("the records", func(s shown) bool { return records(s) == 60 && len(s.Lanes[0].Cells) > 9 })
	p.write(t, kgo.KeyStringRecord("a-key-longer-than-the-others", "x"))
	s := page.untilSeen("one more", func(s shown) bool { return records(s) == 61 })
	page.settle()
	page.save("long-key")
	for i := range s.Lanes {
		if got, was := len(s.Lanes[i].Cells), len(before.Lanes[i].Cells); got < was {
			t.Errorf("after a long key, lane %d has %d cells; it had %d", i, got, was)
		}
	}
	var text string
	page.eval(`document.querySelector(".cell .key.long").textContent`, &text)
	if !strings.HasPrefix(text, "…") || !strings.HasSuffix("a-key-longer-than-the-others", strings.TrimPrefix(text, "…")) || len(text) < 5 {
		t.Errorf("the long key is shown as %q", text)
	}
}

// While records come at 90 a second, every cell is as easy to read as at rest,
// and stands still long enough to be read.
func TestReadableWhenFast(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	p.write(t, numbered(60)...)
	page := p.open(t)
	page.untilSeen("the records", func(s shown) bool { return records(s) == 60 })
	client := testkit.Client(t, p.addrs, kgo.DefaultProduceTopic(p.topic), kgo.ProducerLinger(0))
	go func() {
		tick := time.NewTicker(time.Second / 90)
		defer tick.Stop()
		for i := 0; t.Context().Err() == nil; i++ {
			client.Produce(t.Context(), kgo.KeyStringRecord(fmt.Sprint(i%100), "x"), nil)
			<-tick.C
		}
	}()
	page.until("the page knows how fast it is", `/\d\d records a second: press Pause/.test(document.querySelector("#legend").textContent)`)
	page.save("fast")
	for range 20 {
		var bad []string
		page.eval(`[...document.querySelectorAll(".cell .key")].filter((n) => {
		  const s = getComputedStyle(n);
		  return s.opacity !== "1" || s.transform !== "none" || !n.textContent || s.backgroundColor === s.color || n.getAnimations().length > 0;
		}).map((n) => n.textContent)`, &bad)
		if len(bad) > 0 {
			t.Fatalf("cells that are pale, blank or on the move: %q", bad)
		}
		time.Sleep(30 * time.Millisecond)
	}
	// How long the cells stand still between two drawings of which the second was put off.
	var pauses []float64
	page.eval(`new Promise((done) => {
	  const pauses = [];
	  let last = 0;
	  new MutationObserver(() => {
	    const now = performance.now();
	    if (last && Number(document.body.dataset.rest) >= 500) pauses.push(now - last);
	    last = now;
	    if (pauses.length === 5) done(pauses);
	  }).observe(document.querySelector(".cells"), { childList: true });
	})`, &pauses)
	for _, ms := range pauses {
		if ms < 400 {
			t.Errorf("the cells stand still for %.0f ms only: %v", ms, pauses)
			break
		}
	}
}
