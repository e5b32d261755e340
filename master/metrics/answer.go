// A scrape's answer by HTTP.

package metrics

import (
	"net/http"
	"sync"
)

// making lets one answer be made at a time: ten scrapers at once take no more than one CPU, and the workers have the others.
var making sync.Mutex

// pages are texts that nobody needs any more.
var pages = sync.Pool{New: func() any { return new(text) }}

// Answer reads a view, releases it, and answers with what it says. How long the client takes to read concerns nobody else.
func Answer(w http.ResponseWriter, v *View) {
	page := pages.Get().(*text)
	defer pages.Put(page)
	page.make(v)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write(page.b)
}

func (t *text) make(v *View) {
	making.Lock()
	defer making.Unlock()
	t.b = t.b[:0]
	read(v).write(t)
}
