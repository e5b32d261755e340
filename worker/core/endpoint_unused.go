// Server connections of sessions with a greeting of their own: they close when nobody has used them for a while.

package core

import "time"

// unusedAfter is how long such a connection may be silent.
const unusedAfter = int64(time.Minute)

// watchUnused has the pool look for unused connections, from when there is one on.
func (p *pool) watchUnused() {
	if !p.unused.Armed() {
		p.unused.Fire = p.closeUnused
		p.l.timers.Set(&p.unused, p.l.now+unusedAfter/4)
	}
}

// closeUnused closes those that have been silent for too long. The next request opens them again.
func (p *pool) closeUnused() {
	left := false
	for _, s := range p.servers {
		left = s.primary.closeUnusedShared() || left
		if p.cluster != nil { // whose replicas have places
			continue
		}
		for _, r := range s.replicas {
			left = r.endpoint.closeUnusedShared() || left
		}
	}
	if left {
		p.watchUnused()
	}
}

// closeUnusedShared closes those of the endpoint, and tells whether some are left that are open.
func (e *endpoint) closeUnusedShared() (left bool) {
	for _, conns := range e.others {
		for _, c := range conns {
			if c.state == connReady && c.head == nil && e.pool.l.now-c.heard >= unusedAfter {
				c.retire()
			}
			left = left || c.state != connClosed
		}
	}
	return left
}
