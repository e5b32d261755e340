// Servers that get their keys little by little when they are back: in which pools that is possible.

package config

import (
	"cmp"
	"slices"
	"time"
)

// leastSlowStart has the steps of a start be tens of ms at least: all workers are to take each at the same time.
const leastSlowStart = time.Second

func slowStart(d *draft) *time.Duration { return &d.pool.SlowStart }

func setSlowStart(d *draft, k *Key, w word) *flaw {
	f := millis(slowStart).set(d, k, w)
	if over := d.pool.SlowStart; f == nil && over > 0 && over < leastSlowStart {
		return &flaw{message: "is too little to be slow", hint: "write 1000 or more, or 0"}
	}
	return f
}

// checkSlowStart finds pools in which no other server has the keys meanwhile.
func (r *reader) checkSlowStart(d *draft) {
	const key = "slow_start"
	p := d.pool
	if p.SlowStart == 0 || d.cluster || slices.Contains(d.wrong, key) {
		return
	}
	wrong := flaw{}
	switch {
	case !p.Remaps():
		wrong = flaw{message: "its keys live nowhere else while a server is ejected", hint: "add on_failure: remap, or remove " + key}
	case len(d.servers) < 2 && !slices.Contains(d.wrong, "servers"):
		wrong = flaw{message: "there is no other server that has the keys meanwhile", hint: "remove " + key}
	default:
		return
	}
	wrong.message = key + " is set, and " + wrong.message
	r.report(cmp.Or(d.given[key], p.at), p.Name, wrong)
}
