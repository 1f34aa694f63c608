package board

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"
)

const (
	// between is the shortest time between two messages to a page. All that
	// changes meanwhile goes into one.
	between = 80 * time.Millisecond
	// heartbeat is how often a page hears that the board is there.
	heartbeat = 5 * time.Second
	// writeTimeout is how long a page may keep a message waiting, until it is
	// taken for gone. It connects again when it wakes up.
	writeTimeout = 10 * time.Second
	// mostPages is how many pages may be open at once.
	mostPages = 60
)

// A socket is the server's side of a WebSocket: it sends texts, and the page
// sends nothing.
//
// It isn't server-sent events, because a browser opens at most six HTTP/1.1
// connections to a server: the seventh page, and any button of the first six,
// would wait for ever.
type socket struct {
	conn *websocket.Conn
	gone context.Context // ended when the page has gone
}

// upgrade makes a WebSocket of a request. Whether that comes from the page of
// this board was asked before, see refuse.
func upgrade(w http.ResponseWriter, r *http.Request) (*socket, error) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		// Each page would keep tables in memory, and loopback is fast without them.
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the connection to the page: %w", err)
	}
	// A page that sends anything is none of the board's: the connection is closed.
	return &socket{conn: conn, gone: conn.CloseRead(r.Context())}, nil
}

// send sends a message as a text.
func (s *socket) send(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing a message for the page: %w", err)
	}
	ctx, cancel := context.WithTimeout(s.gone, writeTimeout)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, raw); err != nil {
		return fmt.Errorf("writing to the page: %w", err)
	}
	return nil
}

// stream tells a page what is new, until one of the two is gone.
func (b *Board) stream(w http.ResponseWriter, r *http.Request) {
	topic := r.URL.Query().Get("topic")
	if topic == "" {
		topic = b.collector.first
	}
	if len(topic) > 249 {
		http.Error(w, "No topic has such a long name.", http.StatusBadRequest)
		return
	}
	from := 0
	if text := r.URL.Query().Get("from"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 || n%mostLanes != 0 {
			http.Error(w, fmt.Sprintf("A page begins with a partition that is a multiple of %d.", mostLanes), http.StatusBadRequest)
			return
		}
		from = int(n)
	}
	shows := span{topic, from}
	release, err := b.collector.open(shows)
	if err != nil {
		http.Error(w, capital(err.Error())+".", http.StatusServiceUnavailable)
		return
	}
	defer release()
	s, err := upgrade(w, r)
	if err != nil {
		return // The client has its answer, or is gone.
	}
	// The page connects again by itself: it needs no farewell, and none is waited for.
	defer func() { _ = s.conn.CloseNow() }()
	p := &page{span: shows}
	hello := b.boot()
	for {
		begin := time.Now()
		m, changed := b.collector.next(p)
		if m != nil {
			m.Boot, hello = hello, ""
			if err := s.send(m); err != nil {
				return
			}
		}
		select {
		case <-changed:
		case <-time.After(heartbeat):
			if err := s.send(message{}); err != nil {
				return
			}
		case <-s.gone.Done():
			return
		case <-b.collector.ctx.Done():
			return
		}
		// The first change after a pause goes out at once, what follows waits a little.
		select {
		case <-time.After(between - time.Since(begin)):
		case <-b.collector.ctx.Done():
			return
		}
	}
}
