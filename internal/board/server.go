package board

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// The front end: plain HTML, CSS and modules, served as they are.
//
//go:embed page
var files embed.FS

// mostBody is how large the body of a control may be.
const mostBody = 2 << 20

// types are the media types of the files. The system's own table may be wrong.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func (b *Board) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.file)
	mux.HandleFunc("GET /{file}", b.file)
	mux.HandleFunc("GET /stream", b.stream)
	mux.HandleFunc("GET /record", b.record)
	mux.HandleFunc("GET /key", b.key)
	mux.HandleFunc("POST /do/{what}", b.do)
	return b.guard(mux)
}

// guard refuses what doesn't come from the page, or from somebody who opens it.
func (b *Board) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if why := b.refuse(r); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// refuse says why a request is refused, or "".
func (b *Board) refuse(r *http.Request) string {
	// Another name for this computer may be anybody's, who then is "of the same
	// origin" for the browser (DNS rebinding).
	if !b.ours(r.Host) {
		return "The board answers to 127.0.0.1 and localhost only."
	}
	origin := r.Header.Get("Origin")
	if origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Scheme != "http" || u.Host != r.Host {
			return "The board answers to its own page only."
		}
	}
	// Browsers say of each request where it comes from. A link to the page may be
	// anywhere; everything else is for the page itself.
	site := r.Header.Get("Sec-Fetch-Site")
	opened := r.Method == http.MethodGet && r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
	if site != "" && site != "same-origin" && site != "none" && !opened {
		return "The board answers to its own page only."
	}
	// A browser always tells the origin of a WebSocket: without one it is no page.
	if r.URL.Path == "/stream" && origin == "" {
		return "The board answers to its own page only."
	}
	if r.Method == http.MethodPost {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("X-Board-Token")), []byte(b.token)) != 1 {
			return "This control needs the token of a page: load the page again."
		}
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return "A control is sent as JSON."
		}
	}
	return ""
}

// ours tells whether a host, with its port, is a name of this board.
func (b *Board) ours(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "80"
	}
	_, own, err := net.SplitHostPort(b.listener.Addr().String())
	return err == nil && port == own && (name == "127.0.0.1" || strings.EqualFold(name, "localhost"))
}

// boot identifies this board's process. A page that finds another one loads
// itself again, since it would have an old token, and perhaps old files.
func (b *Board) boot() string {
	sum := sha256.Sum256([]byte("boot " + b.token))
	return hex.EncodeToString(sum[:8])
}

// file serves a file of the front end.
func (b *Board) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	raw, err := files.ReadFile("page/" + name)
	kind, known := types[path.Ext(name)]
	if err != nil || !known {
		http.NotFound(w, r)
		return
	}
	if name == "index.html" {
		raw = bytes.ReplaceAll(raw, []byte("{{token}}"), []byte(b.token))
		raw = bytes.ReplaceAll(raw, []byte("{{boot}}"), []byte(b.boot()))
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	// If the browser has gone, nobody is there to be told.
	_, _ = w.Write(raw)
}

// answer sends JSON.
func answer(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte(`{"error":"the answer can't be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // If the browser has gone, nobody is there to be told.
}

func answerError(w http.ResponseWriter, status int, err error) {
	text, _ := clean([]byte(err.Error()), 400)
	answer(w, status, map[string]string{"error": text})
}

// do carries out a control.
func (b *Board) do(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err != nil {
		answerError(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the request can't be read: %w", err))
		return
	}
	var o order
	if err := json.Unmarshal(body, &o); err != nil {
		answerError(w, http.StatusBadRequest, fmt.Errorf("the request isn't JSON that the board understands: %w", err))
		return
	}
	var done any
	switch r.PathValue("what") {
	case "send":
		done, err = b.control.send(r.Context(), o)
	case "stop":
		err = b.control.stop(o.Broker)
	case "start":
		err = b.control.start(o.Broker)
	case "partitions":
		err = b.control.addPartition(r.Context(), o)
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		answerError(w, http.StatusConflict, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"done": done})
}
