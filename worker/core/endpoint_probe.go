// Readmission: an ejected server gets no request before it has answered a probe.

package core

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

// probe is a claim to ping an ejected server, which one worker holds at a time.
type probe struct {
	errand
	server *server
	word   shard.Liveness // as claimed; 0: the server is live
	asked  int64          // ns: when it was sent
	timed  bool           // it was sent over a connection that was there: how long the answer takes is one round trip
}

// errSlow is why a server stays ejected that answers, and still takes too long for it.
var errSlow = errors.New("it takes too long to answer")

// probeLease bounds a probe in pools without a timeout.
const probeLease = time.Second

// probeAgain is after how long a probe is repeated that failed for this host's own fault.
const probeAgain = time.Second

// awaitRetry arms the timer that ends an ejection, or disarms it.
func (s *server) awaitRetry(word shard.Liveness) {
	at, ok := word.RetryAt(s.pool.l.liveMillis())
	if !ok {
		s.pool.l.timers.Stop(&s.retry)
		return
	}
	s.pool.l.timers.Set(&s.retry, at*int64(time.Millisecond))
}

// tryRetry probes the server, unless another worker does.
func (s *server) tryRetry() {
	l := s.pool.l
	lease := s.pool.probeTime()
	old := s.liveness()
	claimed, ok := old.Claim(l.liveMillis(), 2*lease.Milliseconds())
	if !ok || !s.swap(old, claimed) {
		s.awaitRetry(s.liveness())
		return
	}
	if s.primary.prober.head != nil { // this worker has stood still for longer than the lease of its own probe
		s.probe.word = claimed
		return
	}
	s.sendProbe(&probe{server: s, word: claimed})
}

// end is called with the server's reply, or with the error that stands for none.
func (p *probe) end(reply []byte) {
	s := p.server
	l := s.pool.l
	serves := isServing(s.pool.spec.Protocol, reply)
	if limit := int64(loadWord(s.slow)); serves && limit > 0 && !p.word.Alive() {
		if !p.timed {
			p.timed = true
			s.sendProbe(p)
			return
		}
		if l.now-p.asked > limit {
			serves, p.failure = false, errSlow
		}
	}
	s.primary.prober.retire()
	if p.word.Alive() {
		p.endOfLive(reply)
		return
	}
	if !serves {
		pause := p.reject(reply)
		next := p.word.Reject(l.liveMillis(), pause.Milliseconds())
		s.swap(p.word, next)
		s.awaitRetry(s.liveness())
		return
	}
	s.beginStart(p.word)
	if s.swap(p.word, p.word.Readmit()) {
		s.primary.trouble = ""
		s.primary.troubles.End()
		s.pool.placement.publish()
		but := ""
		if isMisconfigured(reply) {
			but = ", but takes no writes: " + trimmed(reply)
		}
		s.logLimited(logevent.ServerReadmitted, s.pool.name, s.spec.Name, but)
	}
}

// reject notes that the probe has failed, and returns after which pause the next one is due. What fails for this host's own fault says
// nothing about the server.
func (p *probe) reject(reply []byte) time.Duration {
	s := p.server
	if p.notSent {
		return min(max(s.pool.spec.ServerRetryTimeout, link.ProbePause), probeAgain)
	}
	before := link.Ejection(loadWord(s.ejection))
	err := p.failure
	if err == nil {
		err = &refusal{bytes.Clone(reply)}
	}
	after := before.Rejected(troubleOf(err))
	if loadWord(s.word) == uint64(p.word) { // else another worker has claimed it meanwhile
		atomic.StoreUint64(s.ejection, uint64(after))
	}
	pause := s.pool.spec.RetryPause(s.spec.Name, after.Probes(), s.pool.l.now)
	said := trimmed(reply)
	if p.failure == errSlow {
		said = errSlow.Error()
	}
	if (p.failure == nil || p.failure == errSlow) && (after.Why() != before.Why() || after.Probes() == 1) {
		s.logLimited(logevent.ServerStaysEjected, s.pool.name, s.spec.Name, said)
	}
	return pause
}

// isMisconfigured tells whether a server says that it takes no writes since it cannot save them. It serves reads, which a store has
// nowhere else and a cache would have to fill again.
func isMisconfigured(reply []byte) bool { return bytes.HasPrefix(reply, []byte("-MISCONF ")) }

// trimmed returns an error reply for the log.
func trimmed(reply []byte) string {
	return fmt.Sprintf("%.200s", bytes.TrimRight(bytes.TrimPrefix(reply, []byte("-")), "\r\n"))
}

// isServing tells whether a reply to a probe comes from a server that can process requests. One that only asks for a password
// is at work; whether the pool's password is right its clients will see.
func isServing(protocol link.Protocol, reply []byte) bool {
	if protocol == link.Memcache {
		return bytes.HasPrefix(reply, []byte("VERSION "))
	}
	return bytes.HasPrefix(reply, []byte("+PONG")) || isMisconfigured(reply) || bytes.HasPrefix(reply, []byte("-NOAUTH")) || bytes.HasPrefix(reply, []byte("-NOPERM"))
}
