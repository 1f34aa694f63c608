package board

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafka-with-go/internal/testing/testkit"
)

// hostile are texts that anybody can write into a topic, to be shown as text.
func hostile() []string {
	// Each of these tries to run, or to become an element, if a page takes it as markup.
	texts := []string{
		`<script>window.pwned=1</script>`,
		`</script><script>window.pwned=1</script>`,
		`<img src=x onerror="window.pwned=1">`,
		`<svg onload=window.pwned=1>`,
		`<svg><animate onbegin=window.pwned=1 attributeName=x dur=1s>`,
		`<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`,
		`<body onload=window.pwned=1>`,
		`<details open ontoggle=window.pwned=1>`,
		`<input autofocus onfocus=window.pwned=1>`,
		`<a href="javascript:window.pwned=1">click</a>`,
		`<style>*{display:none!important}</style>`,
		`<link rel=stylesheet href=//192.0.2.1/x.css>`,
		`<meta http-equiv=refresh content="0;url=//192.0.2.1/">`,
		`<base href=//192.0.2.1/>`,
		`<form action=//192.0.2.1/><button>send</button></form>`,
		`<math><mtext></form><form><mglyph><style></math><img src onerror=window.pwned=1>`,
		`"><img src=x onerror=window.pwned=1>`,
		`' onmouseover='window.pwned=1' x='`,
		"` onmouseover=window.pwned=1 `",
		`{{constructor.constructor("window.pwned=1")()}}`,
		`${window.pwned=1}`,
		`javascript:window.pwned=1`,
		`-->`, `<!--`, `]]>`, `<![CDATA[`, `&lt;b&gt;`, `&#60;script&#62;`,
		`{"__proto__":{"polluted":1}}`, `__proto__`, `constructor`, `toString`, `hasOwnProperty`,
		`g my-group`, `r0`, `next`, `ends`, `none`, `note`, // names that the page uses itself
		`"]}`, `\`, `\\`, `\"`, `\u0000`, `%00`, `%s%n`, `../../etc/passwd`, `'; DROP TABLE records; --`,
		"\x00", "a\x00b", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\r\n\r\n<script>window.pwned=1</script>", "\t", " ", "",
		"\u202egnp.exe", "\u2066\u202e<b>\u2069", "\u200b\u200c\u200d\ufeff", "\u2028\u2029", "\u0085", "\U000e0041", "\ufdd0", "\uffff",
		strings.Repeat("\u0301", 300), "Z" + strings.Repeat("\u0351\u034d\u0321", 100), "ﷺﷺﷺ", "👩‍👩‍👧‍👦", "مفتاح", "מפתח", "ключ", "鍵",
		"\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "ok\xffok", string([]byte{0x80, 0x81, 0x82}),
		strings.Repeat("A", 5000), strings.Repeat("<b>", 2000), strings.Repeat("界", 3000), strings.Repeat("\xff", 4000),
	}
	for c := 1; c < 0x20; c++ {
		texts = append(texts, "c"+string(rune(c)))
	}
	return texts
}

// Whatever the records, the groups and the clients are called, the page shows
// it as text: nothing runs, no element comes into being, nothing is fetched.
func TestHostileRecords(t *testing.T) {
	t.Parallel()
	onEachCluster(t, func(t *testing.T, p *place) {
		p.create(t, 3)
		page := p.open(t)
		var elements string
		const kinds = `[...new Set([...document.querySelectorAll("*")].map((e) => e.localName))].filter((n) => ["script", "img", "iframe", "svg", "style", "a", "base", "meta", "link", "form", "details", "math", "object", "embed"].includes(n)).map((n) => n + document.querySelectorAll(n).length).join(" ")`
		page.eval(kinds, &elements)

		texts := hostile()
		inputs := 0
		var records []*kgo.Record
		for _, text := range texts {
			records = append(records, &kgo.Record{Key: []byte(text), Value: []byte(text), Headers: []kgo.RecordHeader{{Key: text, Value: []byte(text)}}})
			inputs += 4
		}
		big := bytes.Repeat([]byte("<script>window.pwned=1</script>\xff"), 25000) // 800 kB
		records = append(records, &kgo.Record{Key: []byte("big"), Value: big}, &kgo.Record{Key: big[:300000], Value: nil},
			&kgo.Record{Key: nil, Value: []byte("no key")}, &kgo.Record{Key: []byte{}, Value: []byte{}})
		for i := range 300 {
			records[0].Headers = append(records[0].Headers, kgo.RecordHeader{Key: fmt.Sprint(i), Value: nil})
		}
		inputs += 4
		// A few at a time, so that each is on the page for a while and can be opened.
		for i := 0; i < len(records); i += 9 {
			batch := records[i:min(i+9, len(records))]
			p.write(t, batch...)
			ends := p.ends(t)
			page.untilSeen("the records", func(s shown) bool {
				for _, lane := range s.Lanes {
					if n := len(lane.Cells); ends[lane.Partition] != lane.End || ends[lane.Partition] > 0 && (n == 0 || lane.Cells[n-1].Offset != lane.End-1) {
						return false
					}
				}
				return true
			})
			for _, r := range batch {
				page.openRecord(t, p, r)
			}
		}
		var polls sync.WaitGroup
		for i, text := range texts {
			if text == "" || strings.ContainsRune(text, 0) && p.apache != nil || len(text) > 200 {
				continue
			}
			if i%4 != 0 { // A quarter of them, as names of groups and clients.
				continue
			}
			inputs += 2
			client := testkit.Client(t, p.addrs, kgo.ConsumerGroup(text), kgo.ClientID(text), kgo.ConsumeTopics(p.topic))
			polls.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				client.PollFetches(ctx)
			})
		}
		page.untilSeen("a group whose name is markup", func(s shown) bool { return s.group(name(texts[0])) != nil })
		polls.Wait()
		page.save("hostile-" + p.kind())
		var after string
		var pwned bool
		page.eval(kinds, &after)
		page.eval(`window.pwned !== undefined || ({}).polluted !== undefined || document.title !== "The board"`, &pwned)
		if pwned {
			t.Error("a record ran on the page")
		}
		if after != elements {
			t.Errorf("the page's elements were %s, and are %s", elements, after)
		}
		var foreign []string
		page.eval(`performance.getEntriesByType("resource").map((e) => e.name).filter((n) => !n.startsWith(location.origin + "/"))`, &foreign)
		if len(foreign) > 0 {
			t.Errorf("the page has fetched %q", foreign)
		}
		page.until("the page is still live and has a layout", `document.body.dataset.live === "true" && document.querySelectorAll(".lane .cell").length > 5 && document.documentElement.scrollWidth <= 1280`)
		t.Logf("hostile inputs shown as text: %d", inputs)
	})
}

// openRecord opens a record that was written, and compares what is shown with it.
func (page *tab) openRecord(t *testing.T, p *place, r *kgo.Record) {
	t.Helper()
	cell := fmt.Sprintf(`.cell[data-partition="%d"][data-offset="%d"]`, r.Partition, r.Offset)
	var there bool
	page.eval(fmt.Sprintf(`(document.querySelector('%s')?.click(), document.querySelector('%s') !== null)`, cell, cell), &there)
	if !there {
		return // So wide are the others that it has left the lane.
	}
	title := fmt.Sprintf("Partition %d, offset %d", r.Partition, r.Offset)
	page.until("the record is shown", fmt.Sprintf(`document.querySelector("#detail-title").textContent === %q && document.querySelector("#detail dl") !== null`, title))
	var got struct {
		Key, Value *string
	}
	page.eval(`(() => { const dd = [...document.querySelectorAll("#detail dd")]; return { Key: dd[0].querySelector("pre")?.textContent ?? null, Value: dd[1].querySelector("pre")?.textContent ?? null }; })()`, &got)
	for _, pair := range []struct {
		what  string
		shown *string
		raw   []byte
	}{{"key", got.Key, r.Key}, {"value", got.Value, r.Value}} {
		if len(pair.raw) == 0 {
			if pair.shown != nil {
				t.Errorf("an empty %s is shown as %q", pair.what, *pair.shown)
			}
			continue
		}
		want := inText(pair.raw).Text
		if pair.what == "value" {
			want = indented(pair.raw).Text
		}
		if pair.shown == nil || *pair.shown != want {
			t.Errorf("the %s %.60q is shown as %v, want %.60q", pair.what, pair.raw, pair.shown, want)
		}
	}
	page.eval(`document.querySelector("#detail-close").click()`, new(any))
}

// Requests with another host, from another origin, without the token, or that
// are no requests at all, are refused, and change nothing.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	address := p.board.listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	own := "http://" + address
	send := `{"topic":"` + p.topic + `","key":"k","value":"v"}`
	type headers map[string]string
	good := func(extra headers) headers {
		h := headers{"Origin": own, "X-Board-Token": p.board.token, "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
		for k, v := range extra {
			h[k] = v
		}
		return h
	}
	upgrade := headers{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x", "Sec-WebSocket-Version": "13"}
	with := func(h headers, extra headers) headers {
		all := headers{}
		for k, v := range h {
			all[k] = v
		}
		for k, v := range extra {
			all[k] = v
		}
		return all
	}
	type try struct {
		method, path, host string
		headers            headers
		body               string
		want               int
	}
	tries := []try{
		// What is allowed.
		{"GET", "/", "", nil, "", 200},
		{"GET", "/", "localhost:" + port, nil, "", 200},
		{"GET", "/", "", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, "", 200}, // a link
		{"POST", "/do/send", "", good(nil), send, 200},
		{"POST", "/do/send", "localhost:" + port, good(headers{"Origin": "http://localhost:" + port}), send, 200},
		// What isn't.
		{"GET", "/stream", "", upgrade, "", 403},
		{"GET", "/stream", "", with(upgrade, headers{"Origin": "http://evil.example"}), "", 403},
		{"GET", "/stream", "", with(upgrade, headers{"Origin": "null"}), "", 403},
		{"GET", "/stream", "", headers{"Origin": own}, "", 426},
		{"GET", "/", "", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, "", 403},
		{"GET", "/board.js", "", headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, "", 403},
		{"GET", "/record?topic=x&partition=0&offset=0", "", headers{"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, "", 403},
		{"POST", "/do/send", "", good(headers{"X-Board-Token": ""}), send, 403},
		{"POST", "/do/send", "", good(headers{"X-Board-Token": p.board.token[1:]}), send, 403},
		{"POST", "/do/send", "", good(headers{"Content-Type": "text/plain"}), send, 403},
		{"POST", "/do/send", "", good(headers{"Content-Type": "application/x-www-form-urlencoded"}), send, 403},
		{"GET", "/do/send", "", good(nil), send, 405},
		{"PUT", "/do/stop", "", good(nil), `{"broker":1}`, 405},
		{"POST", "/", "", good(nil), "", 405},
		{"POST", "/do/nothing", "", good(nil), "{}", 404},
		{"POST", "/do/stop", "", good(nil), `{"broker":9}`, 409},
		{"POST", "/do/stop", "", good(nil), `{"broker":-1}`, 409},
		{"POST", "/do/stop", "", good(nil), `{"broker":"1"}`, 400},
		{"POST", "/do/start", "", good(nil), `{"broker":1}`, 409}, // it runs
		{"POST", "/do/stop", "", good(nil), `[`, 400},
		{"POST", "/do/stop", "", good(nil), ``, 400},
		{"POST", "/do/send", "", good(nil), strings.Repeat("x", mostBody+1), 413},
		{"POST", "/do/send", "", good(nil), `{"topic":"not-there","key":"k","value":"v"}`, 409},
		{"POST", "/do/partitions", "", good(nil), `{"topic":"` + p.topic + `","partitions":0}`, 409},
		{"POST", "/do/partitions", "", good(nil), `{"topic":"` + p.topic + `","partitions":1000000}`, 409},
		{"POST", "/do/partitions", "", good(nil), `{"topic":"` + p.topic + `","partitions":1}`, 409}, // a page of long ago
		{"GET", "/record", "", nil, "", 400},
		{"GET", "/record?topic=x&partition=0&offset=0", "", nil, "", 404},
		{"GET", "/record?topic=" + p.topic + "&partition=99999&offset=0", "", nil, "", 404},
		{"GET", "/record?topic=" + p.topic + "&partition=-1&offset=0", "", nil, "", 400},
		{"GET", "/record?topic=" + p.topic + "&partition=0&offset=99999999999999999999", "", nil, "", 400},
		{"GET", "/../board.go", "", nil, "", 404}, {"GET", "/..%2fboard.go", "", nil, "", 404}, {"GET", "/page%2findex.html", "", nil, "", 404},
		{"GET", "/nothing.html", "", nil, "", 404}, {"GET", "/page/", "", nil, "", 404}, {"GET", "/index.html%00", "", nil, "", 404},
		{"TRACE", "/", "", nil, "", 405}, {"OPTIONS", "/do/send", "", headers{"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}, "", 403},
		{"GET", "/stream?topic=" + strings.Repeat("x", 300), "", with(upgrade, headers{"Origin": own}), "", 400},
	}
	for _, host := range []string{"evil.example", "evil.example:" + port, "127.0.0.1", "127.0.0.1:1", "localhost", "localhost.evil.example:" + port, "127.0.0.1.nip.io:" + port,
		"[::1]:" + port, "0.0.0.0:" + port, "127.1:" + port, "2130706433:" + port, "127.0.0.2:" + port, "LOCALHOST.:" + port, "user@127.0.0.1:" + port} {
		tries = append(tries, try{"GET", "/", host, nil, "", 403}, try{"POST", "/do/send", host, good(nil), send, 403},
			try{"GET", "/stream", host, with(upgrade, headers{"Origin": "http://" + host}), "", 403})
	}
	for _, origin := range []string{"http://evil.example", "https://" + address, "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost:" + port, "null", "file://", own + ".evil.example", own + "@evil.example", "chrome-extension://x", "%"} {
		tries = append(tries, try{"POST", "/do/stop", "", good(headers{"Origin": origin}), `{"broker":1}`, 403},
			try{"GET", "/", "", headers{"Origin": origin}, "", 403})
	}
	for _, site := range []string{"cross-site", "same-site", "x"} {
		tries = append(tries, try{"POST", "/do/stop", "", good(headers{"Sec-Fetch-Site": site}), `{"broker":1}`, 403})
	}
	// The board knows the topic once it was asked for.
	page := p.open(t)
	page.untilSeen("the topic", func(s shown) bool { return len(s.Lanes) == 3 })
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	sent := 0
	for _, try := range tries {
		r, err := http.NewRequest(try.method, own+try.path, strings.NewReader(try.body))
		if err != nil {
			t.Fatal(err)
		}
		if try.host != "" {
			r.Host = try.host
		}
		for k, v := range try.headers {
			r.Header.Set(k, v)
		}
		answer, err := client.Do(r)
		if err != nil {
			if try.want == 413 {
				continue // The server hangs up on a sender that goes on.
			}
			t.Errorf("%s %s: %v", try.method, try.path, err)
			continue
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		refused := answer.StatusCode == try.want
		if try.want == 404 && (answer.StatusCode == 400 || answer.StatusCode/100 == 3) {
			refused = true // A path that isn't clean is refused or redirected before it is looked up.
		}
		if try.want == 403 && answer.StatusCode == 400 {
			refused = true // Go's server knows some hosts to be malformed.
		}
		if err != nil || !refused {
			t.Errorf("%s %.60s, host %q, %v: status %d (%.80s), want %d", try.method, try.path, try.host, try.headers, answer.StatusCode, body, try.want)
		}
		if answer.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s %s gives another origin access", try.method, try.path)
		}
		if policy := answer.Header.Get("Content-Security-Policy"); answer.StatusCode == 200 && (!strings.Contains(policy, "script-src 'self';") || strings.Contains(policy, "unsafe")) {
			t.Errorf("%s %s has the policy %q", try.method, try.path, policy)
		}
		if try.path == "/do/send" && answer.StatusCode == 200 {
			sent++
		}
	}
	if n := len(testkit.ReadLog(t, p.addrs, p.topic)); n != sent || sent != 2 {
		t.Errorf("%d records were written, %d requests were accepted, want 2", n, sent)
	}
	for id := 1; id <= 3; id++ {
		if !p.embedded.Running(id) {
			t.Errorf("broker %d was stopped by a request that was refused", id)
		}
	}
	if got := len(p.leaders(t)); got != 3 {
		t.Errorf("the topic has %d partitions", got)
	}
	// What isn't HTTP, and frames that no page sends.
	raws := []string{"\x00\x01\x02", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("A", 1<<20), "\x16\x03\x01\x02\x00\x01"}
	handshake := "GET /stream?topic=" + p.topic + " HTTP/1.1\r\nHost: " + address + "\r\nOrigin: " + own + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for _, frame := range []string{"", "\x81\x85abcdhello", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x88\x80abcd", "\x89\x80abcd\x8a\x80abcd\x00", "\xff\xff", "\x8a\xfe\xff\xff"} {
		raws = append(raws, handshake+frame)
	}
	for _, raw := range raws {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, raw); err != nil && len(raw) < 1<<20 {
			t.Errorf("writing %.20q: %v", raw, err)
		}
		if strings.HasPrefix(raw, handshake) {
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || answer.StatusCode != 101 || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
				t.Errorf("the handshake of the WebSocket fails: %v, %v", answer, err)
			}
		}
		conn.Close()
	}
	for deadline := time.Now().Add(long); ; time.Sleep(20 * time.Millisecond) {
		if p.board.pages() == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d pages are open after all but one have gone", p.board.pages())
		}
	}
	t.Logf("hostile requests and connections: %d", len(tries)+len(raws)-5)
}

// A page of another origin, in a real browser, gets nothing from the board and
// can do nothing there.
func TestOtherOrigin(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if _, err := io.WriteString(w, `<!doctype html><title>another page</title><p>hello`); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(other.Close)
	own := p.board.URL()
	tries := map[string]string{
		"reading the page":        fmt.Sprintf(`fetch(%q).then((r) => r.text(), () => "refused")`, own),
		"reading a record":        fmt.Sprintf(`fetch(%q).then((r) => r.text(), () => "refused")`, own+"/record?topic="+p.topic+"&partition=0&offset=0"),
		"stopping a broker":       fmt.Sprintf(`fetch(%q, {method: "POST", headers: {"Content-Type": "application/json", "X-Board-Token": "x"}, body: '{"broker":1}'}).then((r) => r.text(), () => "refused")`, own+"/do/stop"),
		"a simple POST":           fmt.Sprintf(`fetch(%q, {method: "POST", mode: "no-cors", body: '{"broker":1}'}).then((r) => r.type === "opaque" ? "refused" : "answered", () => "refused")`, own+"/do/stop"),
		"a WebSocket":             fmt.Sprintf(`new Promise((done) => { const s = new WebSocket(%q); s.onmessage = () => done("a message"); s.onopen = () => done("open"); s.onerror = () => done("refused"); })`, strings.Replace(own, "http", "ws", 1)+"/stream?topic="+p.topic),
		"an event source":         fmt.Sprintf(`new Promise((done) => { const s = new EventSource(%q); s.onmessage = () => done("a message"); s.onerror = () => { s.close(); done("refused"); }; })`, own+"/stream"),
		"its script":              fmt.Sprintf(`new Promise((done) => { const s = document.createElement("script"); s.type = "module"; s.src = %q; s.onload = () => done("loaded"); s.onerror = () => done("refused"); document.body.append(s); })`, own+"/board.js"),
		"its picture":             fmt.Sprintf(`new Promise((done) => { const s = new Image(); s.src = %q; s.onload = () => done("loaded"); s.onerror = () => done("refused"); })`, own+"/icon.svg"),
		"a frame":                 fmt.Sprintf(`new Promise((done) => { const s = document.createElement("iframe"); s.src = %q; s.onload = () => { try { done(s.contentDocument && s.contentDocument.querySelector("#lanes") ? "shown" : "refused"); } catch { done("refused"); } }; document.body.append(s); })`, own),
		"a form that sends by":    fmt.Sprintf(`new Promise((done) => { const f = document.createElement("form"); f.method = "POST"; f.enctype = "text/plain"; f.action = %q; f.target = "elsewhere"; const i = document.createElement("input"); i.name = '{"broker":1,"x":"'; i.value = '"}'; f.append(i); document.body.append(f); const w = document.createElement("iframe"); w.name = "elsewhere"; document.body.append(w); w.onload = () => done("refused"); f.submit(); })`, own+"/do/stop"),
		"a beacon":                fmt.Sprintf(`Promise.resolve(navigator.sendBeacon(%q, '{"broker":1}')).then(() => "refused")`, own+"/do/stop"),
		"a window that it opened": fmt.Sprintf(`new Promise((done) => { const w = window.open(%q); setTimeout(() => { try { done(w && w.document && w.document.querySelector("#lanes") ? "reads it" : "refused"); } catch { done("refused"); } }, 300); })`, own),
	}
	ctx, cancel := chromedp.NewContext(startBrowser(t))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	// localhost is another origin than 127.0.0.1, and so is another port.
	there, err := url.Parse(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, origin := range []string{other.URL, "http://localhost:" + there.Port()} {
		page := &tab{t: t, ctx: ctx}
		page.do(chromedp.Navigate(origin))
		for what, script := range tries {
			var got string
			page.eval(script, &got)
			if got != "refused" {
				t.Errorf("from %s, %s: %s", origin, what, got)
			}
		}
	}
	for id := 1; id <= 3; id++ {
		if !p.embedded.Running(id) {
			t.Errorf("broker %d was stopped from another origin", id)
		}
	}
	t.Logf("attempts from another origin: %d", 2*len(tries))
}

// The page itself can't run inline script, nor make elements of text.
func TestPolicyInTheBrowser(t *testing.T) {
	t.Parallel()
	p := onEmbedded(t)
	p.create(t, 3)
	page := p.open(t)
	var ran, made, compiled bool
	page.eval(`(() => { const s = document.createElement("script"); try { s.textContent = "window.ran = true"; document.body.append(s); } catch {} return window.ran === true; })()`, &ran)
	page.eval(`(() => { try { document.createElement("div").innerHTML = "<b>x</b>"; return true; } catch { return false; } })()`, &made)
	page.eval(`new Promise((done) => setTimeout(() => { try { new Function("window.ran = true")(); } catch {} done(window.ran === true); }))`, &compiled)
	if ran || made || compiled {
		t.Errorf("inline script runs: %v, text becomes elements: %v, text becomes a function: %v", ran, made, compiled)
	}
	page.mu.Lock()
	page.errors = nil // The browser has reported each of the three, as it should.
	page.mu.Unlock()
}

// The front end is small, whole and our own.
func TestFrontEnd(t *testing.T) {
	t.Parallel()
	entries, err := files.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, e := range entries {
		raw, err := files.ReadFile("page/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		size += len(raw)
		text := string(raw)
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "onclick=", " style=\"", "<style"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %s", e.Name(), bad)
			}
		}
		for _, line := range strings.Split(text, "\n") {
			if strings.Contains(line, "://") && !strings.Contains(line, "http://www.w3.org/2000/svg") && !strings.Contains(line, "ws://${location.host}/") {
				t.Errorf("%s names another place: %s", e.Name(), line)
			}
		}
	}
	if size > 150_000 {
		t.Errorf("the browser loads %d bytes, and 150 kB are allowed", size)
	}
	t.Logf("the browser loads %d bytes in %d files", size, len(entries))
}

// clean makes harmless what text alone can't, and loses nothing that is visible.
func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                   "",
		"plain <b> & text":   "plain <b> & text",
		"a\x00b\n\x7f":       `a\x00b\n\x7f`,
		"\xffok":             `\xffok`,
		"\u202eabc":          `\u{202e}abc`,
		"ключ 鍵":             "ключ 鍵",
		"\u00a0\u2028\ufeff": `\u{a0}\u{2028}\u{feff}`,
	} {
		if got, cut := clean([]byte(in), 100); got != want || cut {
			t.Errorf("clean(%q) = %q, %v; want %q", in, got, cut, want)
		}
	}
	if got, cut := clean([]byte("äöü"), 2); got != "äö" || !cut {
		t.Errorf("cutting gives %q, %v", got, cut)
	}
	for _, text := range hostile() {
		got, _ := clean([]byte(text), 1<<20)
		if raw, err := json.Marshal(got); err != nil || !json.Valid(raw) || strings.ContainsAny(got, "\x00\n\r\x1b\u202e") {
			t.Errorf("clean(%.40q) = %.40q (%v)", text, got, err)
		}
	}
}

// The hash is that of Kafka's Java client, which franz-go has too.
func TestMurmur2(t *testing.T) {
	t.Parallel()
	for i := range 2000 {
		key := []byte(strings.Repeat("é", i%7) + fmt.Sprint(i*i))
		for _, n := range []int{1, 3, 7, 48} {
			if got, want := int32(murmur2(key)%uint32(n)), testkit.Murmur2(key, n); got != want {
				t.Fatalf("key %q of %d partitions: %d, want %d", key, n, got, want)
			}
		}
	}
}

// A port that is taken is passed over.
func TestNextFreePort(t *testing.T) {
	first, err := listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	port := first.Addr().(*net.TCPAddr).Port
	second, err := listen(port)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if got := second.Addr().(*net.TCPAddr); got.Port <= port || got.Port >= port+portsTried || !got.IP.IsLoopback() {
		t.Errorf("beside port %d the board takes %v", port, got)
	}
}

// readStream opens the stream of a page, and reads what comes until ctx ends.
func readStream(ctx context.Context, t testing.TB, url, topic string) {
	address := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, "GET /stream?topic="+topic+" HTTP/1.1\r\nHost: "+address+"\r\nOrigin: "+url+
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Error(err)
		return
	}
	// It ends with an error, when the connection is closed above.
	_, _ = io.Copy(io.Discard, conn)
}
