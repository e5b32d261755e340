// What is answered: each page is made of what the loop says when it is asked.

package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/pinion-proxy/pinion/master/live"
	"github.com/pinion-proxy/pinion/master/metrics"
)

// Ask asks the loop for its State.
type Ask struct {
	View       bool         // the one of metrics, too
	Page       bool         // what the page is made of, too
	Statistics bool         // the text of the statistics, too
	Reply      chan<- State // has room for one
}

// State is what the loop says of itself.
type State struct {
	Unready string        // why load balancers should send nobody; empty: they should
	View    *metrics.View // nil: it was not asked for, or nothing serves; otherwise it has to be released

	Page       *live.Source // nil: likewise; otherwise it has to be released
	Statistics []byte       // nutcracker's JSON; nil: likewise
}

// askPatience is how long the loop may take to say anything. It takes a millisecond, unless something is wrong with it.
const askPatience = 3 * time.Second

// Pages are the handlers. They ask asks, unless done is closed, which means that the loop answers no more.
func Pages(asks chan<- *Ask, done <-chan struct{}) *http.ServeMux {
	p := &pages{asks, done}
	mux := p.mux()
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /slowlog.json", p.slowLog)
	p.addKeys(mux)
	return mux
}

// PagesForReading are those for somebody who may look at Pinion but not at values.
func PagesForReading(asks chan<- *Ask, done <-chan struct{}) *http.ServeMux {
	p := &pages{asks, done}
	mux := p.mux()
	mux.HandleFunc("GET /slowlog.json", p.slowKeys)
	p.addKeys(mux)
	return mux
}

// addKeys adds the pages that show keys.
func (p *pages) addKeys(mux *http.ServeMux) {
	mux.HandleFunc("GET /hotkeys.json", onlyByOurName(p.hotKeys))
	mux.HandleFunc("GET /bigkeys.json", onlyByOurName(p.bigKeys))
}

// StatisticsPages are those of the statistics port: nutcracker's JSON, and the same as elsewhere.
func StatisticsPages(asks chan<- *Ask, done <-chan struct{}) *http.ServeMux {
	p := &pages{asks, done}
	mux := p.mux()
	mux.HandleFunc("GET /", p.statistics)
	return mux
}

func (p *pages) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", p.metrics)
	mux.HandleFunc("GET /healthz", p.health)
	mux.HandleFunc("GET /readyz", p.readiness)
	return mux
}

type pages struct {
	asks chan<- *Ask
	done <-chan struct{}
}

// statistics answers with what tools for nutcracker read.
func (p *pages) statistics(w http.ResponseWriter, r *http.Request) {
	state, answered := p.state(r.Context(), Ask{Statistics: true})
	if !answered || state.Statistics == nil {
		unavailable(w, noAnswer)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(state.Statistics)
}

// index says what there is.
func (p *pages) index(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "/metrics: for Prometheus\n/healthz: 200 as long as the master answers\n/readyz: 200 as long as clients are taken, 503 from when Pinion is asked to end\n"+
		"/slowlog.json: slow requests, the latest first; ?pool=NAME: of that pool\n"+
		"/hotkeys.json, /bigkeys.json: keys that are asked for most, by requests and by bytes; ?pool=NAME&count=N")
}

// metrics answers a scrape.
func (p *pages) metrics(w http.ResponseWriter, r *http.Request) {
	state, answered := p.state(r.Context(), Ask{View: true})
	if !answered || state.View == nil {
		unavailable(w, noAnswer)
		return
	}
	metrics.Answer(w, state.View)
}

// noAnswer is said when the loop does not answer.
const noAnswer = "the master does not answer"

// health answers as long as the loop does.
func (p *pages) health(w http.ResponseWriter, r *http.Request) {
	if _, answered := p.state(r.Context(), Ask{}); !answered {
		unavailable(w, noAnswer)
		return
	}
	fmt.Fprintln(w, "ok")
}

// readiness tells whether load balancers should send clients.
func (p *pages) readiness(w http.ResponseWriter, r *http.Request) {
	state, answered := p.state(r.Context(), Ask{})
	switch {
	case !answered:
		unavailable(w, noAnswer)
	case state.Unready != "":
		unavailable(w, state.Unready)
	default:
		fmt.Fprintln(w, "ready")
	}
}

// unavailable answers with 503, and why.
func unavailable(w http.ResponseWriter, why string) {
	http.Error(w, why, http.StatusServiceUnavailable)
}

// state asks the loop, unless it has ended or the client is gone.
func (p *pages) state(ctx context.Context, a Ask) (s State, answered bool) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	reply := make(chan State, 1)
	a.Reply = reply
	select {
	case p.asks <- &a:
	case <-p.done:
		return s, false
	case <-ctx.Done():
		return s, false
	}
	select {
	case s = <-reply:
		return s, true
	case <-p.done:
	}
	select {
	case s = <-reply: // the last act of the loop
		return s, true
	default:
		return s, false
	}
}
