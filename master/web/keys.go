// Hot and big keys, as JSON.

package web

import (
	"net/http"

	"github.com/pinion-proxy/pinion/master/query"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Keys is the answer to GET /hotkeys.json and /bigkeys.json.
type Keys struct {
	Keys []totals.Key `json:"keys"` // of all pools, the greatest count first
}

// How many keys of a pool are told, and how many may be asked for.
const (
	someKeys = 20
	mostKeys = 256
)

func (p *pages) hotKeys(w http.ResponseWriter, r *http.Request) { p.keys(w, r, link.ByRequests) }
func (p *pages) bigKeys(w http.ResponseWriter, r *http.Request) { p.keys(w, r, link.ByBytes) }

func (p *pages) keys(w http.ResponseWriter, r *http.Request, by int) {
	pool, n := "", someKeys
	if !read(w, r, query.Parameters{"pool": query.Text(&pool), "count": query.Number(&n, 1, mostKeys)}) {
		return
	}
	p.counted(w, r, pool, func(of *totals.Whole) any {
		keys := of.Keys(by, pool, n, sock.Monotonic())
		if keys == nil {
			keys = []totals.Key{}
		}
		return Keys{keys}
	})
}
