// What requests for pages may say, and what is answered when they say something else.

package web

import (
	"net/http"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/metrics"
	"github.com/pinion-proxy/pinion/master/query"
)

// read reads the parameters of a request; false: it is refused.
func read(w http.ResponseWriter, r *http.Request, p query.Parameters) bool {
	if err := p.Read(r.URL.RawQuery); err != nil {
		admin.Refuse(w, admin.FailureParameter, err.Error())
		return false
	}
	return true
}

// hasPool tells whether a view has the pool that is asked for, which is any without a name; false: the request is refused.
func hasPool(w http.ResponseWriter, v *metrics.View, pool string) bool {
	var names []string
	for _, p := range v.Counts.Serving().Pools {
		names = append(names, p.Name)
		if p.Name == pool {
			return true
		}
	}
	if pool != "" {
		admin.Refuse(w, admin.FailureUnknown, admin.NoPool(pool, names))
	}
	return pool == ""
}
