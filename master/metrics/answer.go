// A scrape's answer by HTTP.

package metrics

import (
	"bytes"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// making lets one answer be made at a time: ten scrapers at once take no more than one CPU, and the workers have the others.
var making sync.Mutex

// pages are answers that nobody needs any more.
var pages = sync.Pool{New: func() any { return new(page) }}

// page is an answer that is not sent yet.
type page struct {
	bytes.Buffer
	header http.Header
	code   int
}

func (p *page) Header() http.Header  { return p.header }
func (p *page) WriteHeader(code int) { p.code = code }

// Answer reads a view, releases it, and answers with what it says. How long the client takes to read concerns nobody else.
func Answer(w http.ResponseWriter, r *http.Request, v *View) {
	text := pages.Get().(*page)
	defer pages.Put(text)
	text.Reset()
	text.header, text.code = w.Header(), http.StatusOK
	text.make(r, v)
	w.WriteHeader(text.code)
	w.Write(text.Bytes())
}

func (p *page) make(r *http.Request, v *View) {
	making.Lock()
	defer making.Unlock()
	families := read(v).families()
	gatherer := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
	promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(p, r)
}
