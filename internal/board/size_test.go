package board

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// sizes are the windows in which the page has to be good: those of projectors,
// large and small, and those of phones.
var sizes = []struct {
	width, height int64
	phone         bool
}{{1280, 720, false}, {1024, 768, false}, {1920, 1080, false}, {390, 844, true}, {360, 640, true}}

// resize gives the page another size, and switches the projector on or off.
func (p *tab) resize(width, height int64, projector bool) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	p.eval(fmt.Sprintf(`document.querySelector("#projector").getAttribute("aria-pressed") === "%v" || document.querySelector("#projector").click()`, projector), new(any))
	drawn := fmt.Sprintf("%d × %d", width, height)
	if projector {
		drawn += ", projector"
	}
	p.until("it was drawn at this size", fmt.Sprintf(`document.body.dataset.drawn === %q`, drawn))
	p.settle()
}

// settle waits until the page has been drawn, and nothing on it moves.
func (p *tab) settle() {
	p.t.Helper()
	p.eval(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))`, new(any))
	p.until("nothing moves", "document.getAnimations().length === 0")
}

// At each size, with the projector's mode and without it: the newest event is
// there as a whole, however long it is; no number is cut off, also where nobody
// consumes; the value can be typed; and the text grows with the page.
func TestSizes(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	adm := kadm.NewClient(testkit.Client(t, p.addrs))
	var many []*kgo.Record
	for i := range 45_000 {
		many = append(many, kgo.KeyStringRecord(fmt.Sprint(i%40), "x"))
	}
	// A group whose members have all gone, with a large lag.
	behind := make(kadm.Offsets)
	for partition := range int32(3) {
		behind.Add(kadm.Offset{Topic: p.topic, Partition: partition, At: 0, LeaderEpoch: -1})
	}
	if err := adm.CommitAllOffsets(testkit.Deadline(t), "nobody", behind); err != nil {
		t.Fatal(err)
	}
	p.write(t, many...)
	p.consume(t, "my-group", 4, 0, p.topic)
	page := p.open(t)
	page.untilSeen("two groups, and a member that is idle", func(s shown) bool {
		g, nobody := s.group("my-group"), s.group("nobody")
		return g != nil && nobody != nil && len(g.Members) == 4 && g.State == "Stable" && g.Lag == "0" && nobody.Lag == "45000" && s.event("4 members share 3 partitions") && s.event("Partition 0 lags by 19125: nobody") && s.event("Partition 1 lags by 16875: nobody") && s.event("Partition 2 lags by 9000: nobody")
	})
	// The longest line there is.
	p.board.collector.journal.say(warning, "Member B4 (a-program-of-a-chapter@a-computer-with-a-long-name) of my-group is idle: 4 members share 3 partitions, and each partition has one owner.")
	page.untilSeen("that line", func(s shown) bool { return strings.Contains(s.Events[0], "a-computer") })
	for _, size := range sizes {
		for _, projector := range []bool{false, true} {
			name := fmt.Sprintf("size-%dx%d", size.width, size.height)
			if projector {
				name += "-projector"
			}
			page.resize(size.width, size.height, projector)
			page.save(name)
			if size.phone {
				page.eval(`scrollTo(0, 1e6)`, new(any))
				page.save(name + "-bottom")
				page.eval(`scrollTo(0, 0)`, new(any))
			}
			var bad []string
			page.eval(fmt.Sprintf(unfit, size.width, size.height, size.phone, projector), &bad)
			if len(bad) > 0 {
				t.Errorf("%s: %q", name, bad)
			}
		}
	}
}

// unfit lists what isn't as it has to be at a size.
const unfit = `((width, height, phone, projector) => {
  const bad = [];
  const all = (s) => [...document.querySelectorAll(s)].filter((n) => n.checkVisibility() && !n.classList.contains("unseen"));
  const inside = (n, box) => {
    const a = n.getBoundingClientRect(), b = box.getBoundingClientRect();
    return a.left >= b.left - 1 && a.right <= b.right + 1 && a.top >= b.top - 1 && a.bottom <= b.bottom + 1;
  };
  const de = document.documentElement;
  if (de.scrollWidth > width) bad.push("the page is " + de.scrollWidth + " wide");
  if (!phone && de.scrollHeight > height) bad.push("the page is " + de.scrollHeight + " high");
  for (const n of all("body *")) if (n.getBoundingClientRect().right > width + 1 && !n.closest(".track")) bad.push("too far right: " + n.className + " " + n.id);
  const first = document.querySelector("#events li:first-child .text");
  if (!first || !first.textContent || !first.checkVisibility({ visibilityProperty: true })) bad.push("no event is there");
  else if (!inside(first, document.querySelector("#events"))) bad.push("the first event is cut off");
  for (const n of all("#events li:not(.out)")) if (!inside(n, document.querySelector("#events"))) bad.push("cut off: " + n.textContent);
  for (const n of all(".lag, .chip, .lane h3, .broker .what, .broker .does, .ends span, .lagsum, .has, .key, button, .legend span, .rate, .out .word")) {
    if (n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).display !== "inline") bad.push((n.className || n.localName) + ": " + n.textContent);
    const lane = n.closest(".lane");
    if (lane && !inside(n, lane) && !n.closest(".track")) bad.push("outside its lane: " + n.textContent);
    const card = n.closest(".panel");
    if (card && !inside(n, card) && !n.closest(".lanes") && !n.closest(".groups")) bad.push("outside its panel: " + n.textContent);
  }
  if (![...document.querySelectorAll(".lag")].some((n) => /^lag 1\d,\d\d\d$/.test(n.innerText))) bad.push("no lag of nobody: " + all(".lag").map((n) => n.innerText));
  const field = document.querySelector("#send-value").getBoundingClientRect().width;
  if (field < (phone ? 200 : 100)) bad.push("the field of the value is " + field + " wide");
  const texts = all(projector ? ".lane h3, .cell .key:not(.long), .chip, .lag, .broker .what, .events li:first-child .text, .gname, .client" : ".lane h3, .cell .key:not(.long), .lag, .broker .what, .events li:first-child .text");
  const least = phone ? 14 : width * (projector ? 0.0130 : 0.0112);
  for (const n of texts) {
    const size = parseFloat(getComputedStyle(n).fontSize);
    if (size < least) bad.push(n.className + " is written in " + size + "px, want " + least + ": " + n.textContent);
  }
  return [...new Set(bad)];
})(%d, %d, %v, %v)`
