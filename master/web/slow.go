// Slow requests, as JSON.

package web

import (
	"encoding/json"
	"net/http"

	"github.com/pinion-proxy/pinion/master/totals"
)

// SlowLog is the answer to GET /slowlog.json.
type SlowLog struct {
	Requests []totals.SlowRequest `json:"requests"` // the latest first
}

func (p *pages) slowLog(w http.ResponseWriter, r *http.Request) {
	p.counted(w, r, func(of *totals.Whole) any {
		return SlowLog{of.Slow(r.URL.Query().Get("pool"))}
	})
}

// slowKeys is slowLog where nobody has to say who he is: down to keys, without values.
func (p *pages) slowKeys(w http.ResponseWriter, r *http.Request) {
	p.counted(w, r, func(of *totals.Whole) any {
		all := of.Slow(r.URL.Query().Get("pool"))
		for i := range all {
			all[i].Args = withoutValues(&all[i])
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

// counted answers with JSON that is made of the counters.
func (p *pages) counted(w http.ResponseWriter, r *http.Request, make func(of *totals.Whole) any) {
	state, answered := p.state(r.Context(), Ask{View: true})
	if !answered || state.View == nil {
		unavailable(w, noAnswer)
		return
	}
	text, err := func() ([]byte, error) {
		defer state.View.Release()
		return json.Marshal(make(state.View.Counts))
	}()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(text, '\n'))
}
