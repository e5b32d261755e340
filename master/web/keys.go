// Hot and big keys, as JSON.

package web

import (
	"net/http"
	"strconv"

	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Keys is the answer to GET /hotkeys.json and /bigkeys.json.
type Keys struct {
	Keys []totals.Key `json:"keys"` // of all pools, the greatest count first
}

// How many keys of a pool are told, and how many at most if more are asked for.
const (
	someKeys = 20
	mostKeys = 256
)

func (p *pages) hotKeys(w http.ResponseWriter, r *http.Request) { p.keys(w, r, link.ByRequests) }
func (p *pages) bigKeys(w http.ResponseWriter, r *http.Request) { p.keys(w, r, link.ByBytes) }

func (p *pages) keys(w http.ResponseWriter, r *http.Request, by int) {
	n, err := strconv.Atoi(r.URL.Query().Get("count"))
	if err != nil || n <= 0 {
		n = someKeys
	}
	p.counted(w, r, func(of *totals.Whole) any {
		keys := of.Keys(by, r.URL.Query().Get("pool"), min(n, mostKeys), sock.Monotonic())
		if keys == nil {
			keys = []totals.Key{}
		}
		return Keys{keys}
	})
}
