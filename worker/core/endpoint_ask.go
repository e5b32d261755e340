// Probes of live servers, in pools with probe_interval: one that hangs or cannot do its work is noticed while nobody asks it for anything,
// and without a timeout. One worker asks for all: whoever first finds that it is time. If that worker dies, the next one does.

package core

import (
	"bytes"
	"sync/atomic"
	"time"
)

// awaitAsk arms the timer for the next probe of the live server, if there are any.
func (s *server) awaitAsk() {
	if interval := int64(s.pool.spec.ProbeInterval); interval > 0 && s.pool.spec.Ejects() {
		s.ask.Fire = s.askAlive
		s.pool.l.timers.Set(&s.ask, s.pool.l.now+interval)
	}
}

// askAlive probes the server if that is due, unless another worker does.
func (s *server) askAlive() {
	l, interval := s.pool.l, int64(s.pool.spec.ProbeInterval)
	last := loadWord(s.askedAt)
	if next := int64(last) + interval; next > l.now && int64(last) <= l.now+blameAhead {
		l.timers.Set(&s.ask, next)
		return
	}
	l.timers.Set(&s.ask, l.now+interval)
	if !l.succession.serving || !s.liveness().Alive() || s.primary.prober.head != nil || len(s.primary.conns) == 0 {
		return
	}
	if atomic.CompareAndSwapUint64(s.askedAt, last, uint64(l.now)) {
		s.sendProbe(&probe{server: s})
	}
}

// probeTime returns how long a probe may take.
func (p *pool) probeTime() time.Duration {
	if p.timeout > 0 {
		return time.Duration(p.timeout)
	}
	return probeLease
}

// sendProbe asks the server whether it serves.
func (s *server) sendProbe(p *probe) {
	l := s.pool.l
	s.probe, p.asked = p, l.now
	p.answered = p.end
	r := l.requests.get()
	r.errand = &p.errand
	r.deadline = l.now + int64(s.pool.probeTime())
	s.primary.prober.send(r, s.pool.ping, nil)
}

// endOfLive is called as end is, with a server that was live when it was asked. That a connection has failed is counted already. A good
// answer makes up for failures that are older than the last probe: one that only requests run into, and no probe, counts on.
func (p *probe) endOfLive(reply []byte) {
	s := p.server
	switch {
	case p.failure != nil:
	case !isServing(s.pool.spec.Protocol, reply):
		s.primary.failed(&refusal{bytes.Clone(reply)}, p.asked)
	case int64(loadWord(s.blamed)) < p.asked-int64(s.pool.spec.ProbeInterval):
		s.succeeded()
	}
}
