// Readmission: an ejected server gets no request before it has answered a probe.

package core

import (
	"bytes"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// probe is a claim to ping an ejected server, which one worker holds at a time.
type probe struct {
	errand
	server *server
	word   shard.Liveness // as claimed
}

// probeLease bounds a probe in pools without a timeout.
const probeLease = time.Second

// probePause is the least time between two probes of a server: with server_retry_timeout: 0 it is asked at once, but not
// all the time.
const probePause = 100 * time.Millisecond

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
	lease := probeLease
	if s.pool.timeout > 0 {
		lease = time.Duration(s.pool.timeout)
	}
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
	s.probe = &probe{server: s, word: claimed}
	s.probe.answered = s.probe.end
	r := l.requests.get()
	r.errand = &s.probe.errand
	r.deadline = l.now + int64(lease)
	s.primary.prober.send(r, s.pool.ping, nil)
}

// end is called with the server's reply, or with the error that stands for none.
func (p *probe) end(reply []byte) {
	s := p.server
	l := s.pool.l
	s.primary.prober.retire()
	if !isServing(s.pool.spec.Protocol, reply) {
		pause := max(s.pool.spec.ServerRetryTimeout, probePause)
		if p.notSent {
			pause = min(pause, probeAgain)
		}
		next := p.word.Reject(l.liveMillis(), pause.Milliseconds())
		s.swap(p.word, next)
		s.awaitRetry(s.liveness())
		return
	}
	if s.swap(p.word, p.word.Readmit()) {
		s.primary.trouble = ""
		s.pool.placement.publish()
		s.logLimited(levelNotice, fmt.Sprintf("pool %q: server %q answers again, readmitted", s.pool.name, s.spec.Name))
	}
}

// isServing tells whether a reply to a probe comes from a server that can process requests. One that only asks for a password
// is at work; whether the pool's password is right its clients will see.
func isServing(protocol link.Protocol, reply []byte) bool {
	if protocol == link.Memcache {
		return bytes.HasPrefix(reply, []byte("VERSION "))
	}
	return bytes.HasPrefix(reply, []byte("+PONG")) || bytes.HasPrefix(reply, []byte("-NOAUTH")) || bytes.HasPrefix(reply, []byte("-NOPERM"))
}
