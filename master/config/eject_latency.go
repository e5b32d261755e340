// Servers that are ejected since they are slower than the others: in which pools that is possible, and what goes with it.

package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	leastEjectLatency = 2 // times: a server that takes a little longer than others is none to do without
	leastToCompare    = 3 // servers: of two nobody can tell which is the slow one

	// slowRetryGrowth is how many times server_retry_timeout a server is left alone at most that is slow whenever it is back, unless the
	// configuration says so.
	slowRetryGrowth = 10
)

func setEjectLatency(d *draft, k *Key, w word) *flaw {
	factor := &d.pool.EjectLatency
	f := parseNumber(k, w.text, 0, math.MaxInt32, factor)
	if f == nil && *factor > 0 && *factor < leastEjectLatency {
		return &flaw{message: "is no difference", hint: "write 2 or more, how many times longer than the others a server may take, or 0"}
	}
	return f
}

// checkEjectLatency finds pools in which no server can be ejected for its latency, or must not be. A probe does not find out that a server is
// slow, so pauses grow by themselves.
func (r *reader) checkEjectLatency(d *draft, s *section) {
	const key, floor, growth = "eject_latency", "eject_latency_floor", "server_retry_max"
	p := d.pool
	if d.cluster || slices.Contains(d.wrong, key) {
		return
	}
	if p.EjectLatency == 0 {
		if at, given := d.given[floor]; given && !d.hasDefault(lookup(floor, PoolScope)) {
			r.report(at, p.Name, flaw{message: fmt.Sprintf("%s is set, and %s is not", floor, key), hint: fmt.Sprintf("add %s: 10, or remove %s", key, floor)})
		}
		return
	}
	if !s.has(growth) {
		p.ServerRetryMax = slowRetryGrowth * max(p.ServerRetryTimeout, link.ProbePause)
	}
	wrong := flaw{}
	switch {
	case !p.Remaps():
		wrong = flaw{message: "keys of a server that is ejected live nowhere else", hint: "add on_failure: remap, or remove " + key}
	case d.follows:
		wrong = flaw{message: "the keys of a master live nowhere else", hint: "remove " + key + ": sentinels say which server is the master"}
	case p.ReadsReplicas():
		wrong = flaw{message: "a server is not slow because a replica of it is", hint: "remove " + key + ", or read_from"}
	case len(d.servers) < leastToCompare && !slices.Contains(d.wrong, "servers"):
		wrong = flaw{message: "with fewer than three servers nobody can tell which is the slow one", hint: "remove " + key}
	default:
		return
	}
	wrong.message = key + " is set, and " + wrong.message
	r.report(cmp.Or(d.given[key], p.at), p.Name, wrong)
}

func ejectLatencyFloor(d *draft) *time.Duration { return &d.pool.EjectLatencyFloor }
