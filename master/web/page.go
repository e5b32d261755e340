// The page: what the browser loads, and what it asks then.

package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

//go:embed page.html page.css page.js icon.svg
var files embed.FS

// Nothing is loaded from anywhere else, and nothing runs that is not in page.js, whatever the names of pools and servers are.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageFiles are the files of the page by path.
var pageFiles = map[string]struct{ file, kind string }{
	"GET /{$}":      {"page.html", "text/html; charset=utf-8"},
	"GET /page.css": {"page.css", "text/css; charset=utf-8"},
	"GET /page.js":  {"page.js", "text/javascript; charset=utf-8"},
	"GET /icon.svg": {"icon.svg", "image/svg+xml"},
}

// guard sets what a browser has to know of every answer.
func guard(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentSecurity)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store") // an upgrade may have brought another page
}

// Pages are the handlers, the page among them.
func (l *Live) Pages() *http.ServeMux {
	mux := l.pages.mux()
	for pattern, one := range pageFiles {
		text, err := files.ReadFile(one.file)
		if err != nil {
			panic("web: " + err.Error()) // it is in the binary
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			guard(w)
			w.Header().Set("Content-Type", one.kind)
			w.Write(text)
		})
	}
	mux.HandleFunc("GET /slowlog.json", onlyByOurName(l.pages.slowKeys))
	l.pages.addKeys(mux)
	mux.HandleFunc("GET /state", onlyByOurName(l.answerState))
	mux.HandleFunc("GET /history", onlyByOurName(l.answerHistory))
	mux.HandleFunc("GET /events", onlyByOurName(l.answerEvents))
	return mux
}

// answerState answers with the state of the last read.
func (l *Live) answerState(w http.ResponseWriter, _ *http.Request) {
	text := l.text(partState)
	if text == nil {
		unavailable(w, "nothing is known yet")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(text)
}

// answerHistory answers with what is drawn: of ?pool=NAME, or of all together, in the last ten minutes, or with span=day.
func (l *Live) answerHistory(w http.ResponseWriter, r *http.Request) {
	pool, span := r.URL.Query().Get("pool"), r.URL.Query().Get("span")
	if span != "" && span != "10m" && span != "day" {
		http.Error(w, "span is 10m or day", http.StatusBadRequest)
		return
	}
	chart, has := l.chart(pool, span == "day")
	if !has {
		http.Error(w, "there is no history of such a pool", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(&chart)
}

const (
	maxWatchers  = 16              // of the page at a time
	watcherTakes = 5 * time.Second // what it is told, at the latest; otherwise it is dropped
)

// answerEvents tells what is new, as server-sent events, until the client goes, is too slow, or another master answers. Whoever takes
// long is not told what was new in between.
func (l *Live) answerEvents(w http.ResponseWriter, r *http.Request) {
	if !l.enter() {
		w.Header().Set("Retry-After", "5")
		unavailable(w, fmt.Sprintf("%d pages are open already", maxWatchers))
		return
	}
	defer l.leave()
	conn := http.NewResponseController(w)
	conn.SetReadDeadline(time.Time{}) // of the request, which would end the client's context
	w.Header().Set("Content-Type", "text/event-stream")
	var told [numParts]uint64
	text := []byte("retry: 300\n\n")
	for {
		texts, changed, stopping := l.news(&told)
		for i, one := range texts {
			if one != nil {
				text = fmt.Appendf(text, "event: %s\ndata: %s\n\n", partNames[i], one)
			}
		}
		conn.SetWriteDeadline(time.Now().Add(watcherTakes))
		if _, err := w.Write(text); err != nil || conn.Flush() != nil {
			return
		}
		text = text[:0]
		select {
		case <-changed:
		case <-stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// enter reports whether there is room for one more who watches.
func (l *Live) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watched == maxWatchers {
		return false
	}
	l.watched++
	return true
}

func (l *Live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watched--
}
