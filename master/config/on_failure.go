// What becomes of the keys of a server that has failed: two keys say it, nutcracker's auto_eject_hosts and on_failure.

package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// checkOnFailure finds two answers to one question, and requests that are to wait for no time at all. What it says, auto_eject_hosts says then, too:
// earlier builds know only that.
func (r *reader) checkOnFailure(d *draft) {
	const key, other, wait = "on_failure", "auto_eject_hosts", "failover_wait"
	p := d.pool
	at, given := d.given[key]
	if !given || d.cluster || slices.Contains(d.wrong, key) || slices.Contains(d.wrong, other) {
		return
	}
	_, both := d.given[other]
	remaps := p.OnFailure == link.OnFailureRemap
	switch {
	case both && p.AutoEjectHosts != remaps:
		r.report(at, p.Name, flaw{message: fmt.Sprintf("%s is %s, and %s is %t", key, p.OnFailure, other, p.AutoEjectHosts),
			hint: fmt.Sprintf("remove %s: %s says it all", other, key)})
	case p.OnFailure == link.OnFailureHold && p.FailoverWait == 0 && !slices.Contains(d.wrong, wait):
		r.report(at, p.Name, flaw{message: fmt.Sprintf("%s is %s, and %s is 0", key, p.OnFailure, wait),
			hint: fmt.Sprintf("remove %s, or say for how many ms requests wait", wait)})
	}
	p.AutoEjectHosts = remaps
}

// leastProbeInterval keeps probes from being a load of their own.
const leastProbeInterval = 100 * time.Millisecond

// checkProbes finds probes from which nothing follows, and too many of them.
func (r *reader) checkProbes(d *draft) {
	const key = "probe_interval"
	p := d.pool
	at := d.given[key]
	switch {
	case p.ProbeInterval == 0 || d.cluster || slices.Contains(d.wrong, key):
	case p.ProbeInterval < leastProbeInterval:
		r.report(at, p.Name, flaw{message: fmt.Sprintf("%s is %d", key, p.ProbeInterval.Milliseconds()), hint: "write 100 or more, or 0"})
	case p.OnFailure == link.OnFailureHold:
		r.report(at, p.Name, flaw{message: key + " is set, and with on_failure: hold requests wait for a server and ask for it themselves", hint: "remove " + key})
	case !p.Ejects():
		r.report(at, p.Name, flaw{message: key + " is set, and no server is ever ejected",
			hint: fmt.Sprintf("add on_failure: remap or on_failure: fail_fast, or remove %s", key)})
	}
}
