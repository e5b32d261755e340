// The page: what the browser loads, and what it asks then.

package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/query"
)

//go:embed page
var files embed.FS

// Nothing is loaded from anywhere else, and nothing runs that is not in page.js, whatever the names of pools and servers are.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageFiles are what the page consists of by path: of several files, one after the other.
var pageFiles = map[string]struct {
	files []string
	kind  string
}{
	"GET /{$}":      {[]string{"page.html"}, "text/html; charset=utf-8"},
	"GET /page.css": {[]string{"page.css"}, "text/css; charset=utf-8"},
	"GET /page.js":  {[]string{"elements.js", "connection.js", "charts.js", "pools.js", "details.js", "main.js"}, "text/javascript; charset=utf-8"},
	"GET /icon.svg": {[]string{"icon.svg"}, "image/svg+xml"},
}

// textOf returns what files have together.
func textOf(names []string) (text []byte) {
	for _, name := range names {
		one, err := files.ReadFile("page/" + name)
		if err != nil {
			panic("web: " + err.Error()) // it is in the binary
		}
		text = append(text, one...)
	}
	return text
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
		text := textOf(one.files)
		mux.HandleFunc(pattern, onlyByOurName(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", one.kind)
			w.Write(text)
		}))
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

// What is drawn covers so much.
const (
	spanShort = "10m"
	spanDay   = "day"
)

// answerHistory answers with what is drawn: of ?pool=NAME, or of all together, in the last ten minutes, or with span=day.
func (l *Live) answerHistory(w http.ResponseWriter, r *http.Request) {
	pool, span := "", spanShort
	if !read(w, r, query.Parameters{"pool": query.Text(&pool), "span": query.Choice(&span, spanShort, spanDay)}) {
		return
	}
	chart, has := l.chart(pool, span == spanDay)
	if !has {
		admin.Refuse(w, admin.FailureUnknown, fmt.Sprintf("there is no history of a pool %q", pool))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(&chart)
}
