package board

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
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

// A socket is the server's side of a WebSocket (RFC 6455), as far as the board
// needs it: it sends texts, and the page sends nothing.
//
// It isn't server-sent events, because a browser opens at most six HTTP/1.1
// connections to a server: the seventh page, and any button of the first six,
// would wait for ever.
type socket struct {
	conn net.Conn
	gone chan struct{} // closed when the page has gone
}

// upgrade makes a WebSocket of a request.
func upgrade(w http.ResponseWriter, r *http.Request) (*socket, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || key == "" || r.Header.Get("Sec-WebSocket-Version") != "13" {
		http.Error(w, "This is a WebSocket for the page of the board.", http.StatusUpgradeRequired)
		return nil, fmt.Errorf("not a WebSocket")
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("taking over the connection: %w", err)
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	s := &socket{conn: conn, gone: make(chan struct{})}
	if err := s.write([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")); err != nil {
		conn.Close()
		return nil, err
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		conn.Close()
		return nil, fmt.Errorf("preparing the connection: %w", err)
	}
	go s.listen(buffered.Reader)
	return s, nil
}

// listen reads what the page sends, until it closes the socket or sends what no
// page of the board sends.
func (s *socket) listen(r *bufio.Reader) {
	defer close(s.gone)
	for {
		var head [2]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		length := int64(head[1] & 0x7f)
		const ping, pong = 0x89, 0x8a
		if head[0] != ping && head[0] != pong || length > 125 {
			return // A farewell, or not ours. A browser's answer to silence is to connect again.
		}
		if _, err := io.CopyN(io.Discard, r, length+4); err != nil { // with the mask
			return
		}
	}
}

// send sends a message as a text.
func (s *socket) send(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing a message for the page: %w", err)
	}
	const text = 0x81
	frame := make([]byte, 0, len(raw)+10)
	switch n := len(raw); {
	case n < 126:
		frame = append(frame, text, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, text, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, text, 127), uint64(n))
	}
	return s.write(append(frame, raw...))
}

func (s *socket) write(raw []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("writing to the page: %w", err)
	}
	if _, err := s.conn.Write(raw); err != nil {
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
	if !b.collector.room() {
		http.Error(w, fmt.Sprintf("%d pages are open already: close some.", mostPages), http.StatusServiceUnavailable)
		return
	}
	s, err := upgrade(w, r)
	if err != nil {
		return // The client has its answer, or is gone.
	}
	defer s.conn.Close()
	shows := span{topic, from}
	release, err := b.collector.open(shows)
	if err != nil {
		return
	}
	defer release()

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
		case <-s.gone:
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

// room tells whether one more page may be opened.
func (c *collector) room() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pages < mostPages
}
