package board

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// consume adds members to a group, which read and commit until the test ends.
func (p *place) consume(t testing.TB, group string, members int, pause time.Duration, topics ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	for i := range members {
		client := testkit.Client(t, p.addrs, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...),
			kgo.ClientID(fmt.Sprintf("%s-%d", group, i+1)), kgo.AutoCommitInterval(300*time.Millisecond))
		go func() {
			for ctx.Err() == nil && !client.PollRecords(ctx, 4).IsClientClosed() {
				time.Sleep(pause)
			}
		}()
	}
}

// With three brokers, three partitions and two groups, everything is on one
// screen of 1280 × 720, in each look: nothing is cut off, nothing scrolls, and
// every text has enough contrast.
func TestOneScreen(t *testing.T) {
	p := onEmbedded(t)
	p.topic = "message-log" // These screenshots are for the README.
	p.create(t, 3)
	p.write(t, numbered(40)...)
	p.consume(t, "my-group", 4, 0, p.topic)
	p.consume(t, "audit", 1, 1500*time.Millisecond, p.topic)
	var page *tab
	for _, look := range []struct{ name, theme, view string }{
		{"light", "light", ""}, {"dark", "dark", ""}, {"projector", "light", "projector"}, {"projector-dark", "dark", "projector"},
	} {
		page = p.open(t, "theme", look.theme, "view", look.view)
		page.untilSeen("two groups, and a member that is idle", func(s shown) bool {
			g := s.group("my-group")
			a := s.group("audit")
			return g != nil && a != nil && len(g.Members) == 4 && len(a.Members) == 1 && g.State == "Stable" && strings.Contains(fmt.Sprint(g.Members), "4 members share 3 partitions")
		})
		page.until("nothing moves", "document.getAnimations().length === 0")
		page.save(look.name)
		var cut []string
		page.eval(cutOff, &cut)
		if len(cut) > 0 {
			t.Errorf("%s: cut off: %q", look.name, cut)
		}
		var pale []string
		page.eval(tooPale, &pale)
		if len(pale) > 0 {
			t.Errorf("%s: too little contrast: %q", look.name, pale)
		}
		if look.view == "projector" {
			var small []string
			page.eval(`[...document.querySelectorAll(".cell .key, .lane h3, .chip, .lag, .broker .what, .events li:first-child .text, .gname")].filter((n) => n.checkVisibility() && parseFloat(getComputedStyle(n).fontSize) < 17).map((n) => n.className + " " + getComputedStyle(n).fontSize)`, &small)
			if len(small) > 0 {
				t.Errorf("%s: too small for the last row: %q", look.name, small)
			}
		}
	}
}

// cutOff lists what doesn't fit: boxes that would scroll, and texts that are clipped.
const cutOff = `(() => {
  const bad = [];
  const de = document.documentElement;
  if (de.scrollHeight > 720 || de.scrollWidth > 1280) bad.push("the page is " + de.scrollWidth + " x " + de.scrollHeight);
  for (const s of ["#lanes", "#groups"]) {
    const n = document.querySelector(s);
    if (n.scrollHeight > n.clientHeight + 1 || n.scrollWidth > n.clientWidth + 1) bad.push(s + " scrolls: " + n.scrollHeight + " > " + n.clientHeight);
  }
  for (const n of document.querySelectorAll("h1, h2, h3, .state, .what, .does, .chip, .lag, .gname, .gstate, .key, .has .words, button, .events li:first-child .text")) {
    if (!n.checkVisibility() || n.classList.contains("unseen")) continue;
    if (n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).display !== "inline") bad.push((n.className || n.localName) + ": " + n.textContent);
    const r = n.getBoundingClientRect();
    if (r.width && (r.right > 1281 || r.bottom > 721)) bad.push("outside: " + n.textContent);
  }
  return bad;
})()`

// tooPale lists texts with less contrast to what is behind them than WCAG's 4.5.
const tooPale = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colour, under) => {
    canvas.clearRect(0, 0, 1, 1);
    if (under) { canvas.fillStyle = "rgb(" + under.join(",") + ")"; canvas.fillRect(0, 0, 1, 1); }
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const behind = (n) => {
    const layers = [];
    for (let at = n; at; at = at.parentElement) layers.unshift(getComputedStyle(at).backgroundColor);
    return layers.reduce((under, c) => rgb(c, under), [255, 255, 255]);
  };
  const light = (c) => c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const bad = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const n = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !n.checkVisibility() || n.closest("button:disabled, option")) continue;
    const b = behind(n), l = [light(rgb(getComputedStyle(n).color, b)), light(b)].sort((x, y) => y - x);
    const ratio = (l[0] + 0.05) / (l[1] + 0.05);
    if (ratio < 4.5) bad.push(n.className + " " + walk.currentNode.data.slice(0, 20) + ": " + ratio.toFixed(1));
  }
  return [...new Set(bad)];
})()`

// The page can be used with the keyboard alone, and says to a screen reader what
// others see.
func TestKeyboardAndScreenReader(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	p.write(t, numbered(24)...)
	page := p.open(t)
	s := page.untilSeen("the records", func(s shown) bool { return records(s) == 24 && len(s.Lanes[1].Cells) > 3 })
	focus := func() (p, o string) {
		var at []string
		page.eval(`[document.activeElement.dataset.partition ?? "", document.activeElement.dataset.offset ?? document.activeElement.id]`, &at)
		return at[0], at[1]
	}
	press := func(keys ...string) {
		for _, key := range keys {
			page.do(chromedp.KeyEvent(key))
		}
	}
	// Tab reaches the lanes; they are one stop, in which the arrow keys move.
	reached := false
	for range 30 {
		press(kb.Tab)
		if p, o := focus(); p != "" && o != "" {
			reached = true
			break
		}
	}
	if !reached {
		t.Fatal("thirty times Tab doesn't reach a record")
	}
	press(kb.ArrowDown, kb.Home, kb.ArrowRight, kb.ArrowRight)
	want := s.Lanes[1].Cells[2]
	if p, o := focus(); p != "1" || o != fmt.Sprint(want.Offset) {
		t.Fatalf("the focus is on partition %s, offset %s; want 1 and %d", p, o, want.Offset)
	}
	press(kb.Enter)
	page.until("the record is shown", `document.querySelector("#detail .why") !== null`)
	var detail string
	page.eval(`document.querySelector("#detail").innerText`, &detail)
	hash := fmt.Sprintf("murmur2(%s) = %d", *want.Key, murmur2([]byte(*want.Key)))
	for _, part := range []string{"this is message" + *want.Key, hash, "mod 3 partitions = 1", "Headers\nnone", "bytes of key, value and headers"} {
		if !strings.Contains(detail, part) {
			t.Errorf("the record's detail doesn't say %q:\n%s", part, detail)
		}
	}
	page.save("detail")
	press(kb.Escape)
	page.until("the detail is closed", `document.querySelector("#detail").hidden`)
	if p, o := focus(); p != "1" || o != fmt.Sprint(want.Offset) {
		t.Errorf("after Escape the focus is on partition %s, offset %s", p, o)
	}
	// A new record doesn't take the focus away.
	p.write(t, numbered(24)...)
	page.untilSeen("more records", func(s shown) bool { return records(s) == 48 })
	if p, o := focus(); p != "1" || o == "" {
		t.Errorf("after new records the focus is on %q, %q", p, o)
	}
	// Everything that can be pressed has a name, and so has every lane.
	var nameless []string
	page.eval(`[...document.querySelectorAll("button, input, select, [role=group], [role=img], article, section")].filter((n) => n.checkVisibility() &&
	  !(n.getAttribute("aria-label") || n.textContent.trim() || n.closest("label") || n.getAttribute("aria-labelledby"))).map((n) => n.outerHTML.slice(0, 90))`, &nameless)
	if len(nameless) > 0 {
		t.Errorf("without a name: %q", nameless)
	}
	var lane string
	page.eval(`document.querySelector('.lane[data-partition="1"]').getAttribute("aria-label")`, &lane)
	if !strings.HasPrefix(lane, "Partition 1, led by broker 2, offsets 0 to ") {
		t.Errorf("a screen reader hears of the lane: %q", lane)
	}
	// What happens is said.
	if err := p.embedded.StopBroker(3); err != nil {
		t.Fatal(err)
	}
	page.until("it is said", `document.querySelector("#spoken[aria-live=polite]").textContent.includes("Broker 3 has stopped.")`)
}

// 48 partitions, 20 groups and 100 members are all on the page, and nothing in
// the lanes is cut off.
func TestManyPartitions(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 48)
	p.crowd(t)
	page := p.open(t)
	s := page.untilSeen("48 lanes and 20 groups", func(s shown) bool {
		stable := 0
		for _, g := range s.Groups {
			if g.State == "Stable" {
				stable++
			}
		}
		return len(s.Lanes) == 48 && stable == 20 && records(s) == 2000
	})
	for i, lane := range s.Lanes {
		if len(lane.Rails) != 2 || lane.Rails[0].Owner == "" || lane.Rails[1].Owner == "" || lane.End > 0 && len(lane.Cells) < 3 {
			t.Errorf("lane %d shows %+v", i, lane)
		}
	}
	page.settle()
	page.save("many")
	var hidden int
	page.eval(`document.querySelector("#lanes").scrollHeight - document.querySelector("#lanes").clientHeight`, &hidden)
	if hidden > 1 {
		t.Errorf("of the 48 lanes %d pixels are out of sight", hidden)
	}
	var bad []string
	page.eval(`[...document.querySelectorAll("#lanes .lane h3, #lanes .chip, #lanes .lag, #lanes .key")].filter((n) => n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).display !== "inline").map((n) => n.textContent)`, &bad)
	if len(bad) > 0 {
		t.Errorf("cut off: %q", slices.Compact(bad))
	}
	// Another group's rail is switched on by its name.
	last := s.Groups[len(s.Groups)-1].Name
	page.eval(fmt.Sprintf(`[...document.querySelectorAll(".group")].find((g) => g.dataset.group === %q).querySelector("button").click()`, last), new(any))
	page.untilSeen("the rails of "+last, func(s shown) bool {
		return slices.ContainsFunc(s.Lanes[0].Rails, func(r shownRail) bool { return r.Group == last && r.Owner != "" })
	})
}

// crowd writes 2,000 records, and adds 20 groups with 5 members each.
func (p *place) crowd(t testing.TB) {
	t.Helper()
	var records []*kgo.Record
	for i := range 2000 {
		records = append(records, kgo.KeyStringRecord(fmt.Sprintf("k%d", i%300), "value"))
	}
	p.write(t, records...)
	for g := range 20 {
		p.consume(t, fmt.Sprintf("group-%02d", g+1), 5, 0, p.topic)
	}
	for g := range 20 {
		adm := kadm.NewClient(testkit.Client(t, p.addrs))
		for {
			described, err := adm.DescribeGroups(testkit.Deadline(t), fmt.Sprintf("group-%02d", g+1))
			if err != nil {
				t.Fatal(err)
			}
			if d := described[fmt.Sprintf("group-%02d", g+1)]; d.State == "Stable" && len(d.Members) == 5 {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}
