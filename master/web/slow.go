// Slow requests, as JSON.

package web

import (
	"encoding/json"
	"net/http"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/query"
	"github.com/pinion-proxy/pinion/master/totals"
)

// SlowLog is the answer to GET /slowlog.json.
type SlowLog struct {
	Requests []totals.SlowRequest `json:"requests"` // the latest first
}

func (p *pages) slowLog(w http.ResponseWriter, r *http.Request) {
	p.slow(w, r, func(*totals.SlowRequest) {})
}

// slowKeys is slowLog where nobody has to say who he is: down to keys, without values.
func (p *pages) slowKeys(w http.ResponseWriter, r *http.Request) {
	p.slow(w, r, func(s *totals.SlowRequest) { s.Args = withoutValues(s) })
}

func (p *pages) slow(w http.ResponseWriter, r *http.Request, shown func(*totals.SlowRequest)) {
	pool := ""
	if !read(w, r, query.Parameters{"pool": query.Text(&pool)}) {
		return
	}
	p.counted(w, r, pool, func(of *totals.Whole) any {
		all := of.Slow(pool)
		for i := range all {
			shown(&all[i])
		}
		return SlowLog{all}
	})
}

// withoutValues returns the first argument of a request, which is a key or a number as a rule.
func withoutValues(s *totals.SlowRequest) []string {
	switch s.Command {
	case "eval", "eval_ro", "echo", "ping":
		return []string{}
	}
	return s.Args[:min(len(s.Args), 1)]
}

// counted answers with JSON that is made of the counters, where there is the pool; empty: all are meant.
func (p *pages) counted(w http.ResponseWriter, r *http.Request, pool string, make func(of *totals.Whole) any) {
	state, answered := p.state(r.Context(), Ask{View: true})
	if !answered || state.View == nil {
		admin.Refuse(w, admin.FailureReplaced, noAnswer)
		return
	}
	text, err := func() ([]byte, error) {
		defer state.View.Release()
		if !hasPool(w, state.View, pool) {
			return nil, nil
		}
		return json.Marshal(make(state.View.Counts))
	}()
	switch {
	case err != nil:
		admin.Refuse(w, admin.FailureInside, err.Error())
		return
	case text == nil: // it is refused
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(text, '\n'))
}
