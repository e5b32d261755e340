// A server: how it fares, and the connections to it.

package worker

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// blameAhead is how far ahead of this worker's time another one's may be, in ns, since each reads the clock once per turn.
// A time that is further ahead is none.
const blameAhead = int64(time.Minute)

// server is one backend of a pool as this worker sees it. Loop only, but for the liveness word.
type server struct {
	pool     *pool
	index    int
	spec     *link.Server
	conns    []*conn
	prober   *conn // asks an ejected server whether it serves again
	counters []uint64
	latency  *[link.LatencyBuckets]uint64 // of its replies
	word     *uint64                      // shared: the shard.Liveness
	heard    *uint64                      // shared: when the server last sent anything
	blamed   *uint64                      // shared: when a failure of the server was last counted
	retry    timer.Timer                  // of an ejection

	where   whereabouts
	ahead   ahead
	trial   bool   // its first connection is awaited by the roll call
	trouble string // what it last failed of; empty = it serves
	news    news
	open    bool // it has no password although the pool has, which is logged
}

func newServer(p *pool, index int) *server {
	s := &server{
		pool: p, index: index, spec: &p.spec.Servers[index],
		counters: p.l.shared.Server(p.l.spec.Slot, p.index, index),
		latency:  p.l.shared.Latency(p.l.spec.Slot, p.index, index),
		word:     p.l.shared.Liveness(p.index, index),
		heard:    sign(p.l.shared.Heard(p.l.spec.Slot, p.index, index)),
		blamed:   sign(p.l.shared.Blamed(p.index, index)),
	}
	if s.spec.Network == "tcp" {
		s.where.literal, _ = netip.ParseAddrPort(s.spec.Address)
	}
	if s.named() {
		s.recall()
	}
	s.where.hurry.Fire = s.connectExpected
	s.news.timer.Fire = s.catchUp
	s.retry.Fire = s.tryRetry
	for range p.spec.ServerConnections {
		s.conns = append(s.conns, newConn(s))
	}
	s.prober = newConn(s)
	return s
}

// conn returns the connection that clients of this lane always use, so that their requests keep their order.
func (s *server) conn(lane uint16) *conn { return s.conns[int(lane)%len(s.conns)] }

func (s *server) liveness() shard.Liveness { return shard.Liveness(loadWord(s.word)) }

// swap puts next in the place of old, unless another worker was faster.
func (s *server) swap(old, next shard.Liveness) bool {
	return atomic.CompareAndSwapUint64(s.word, uint64(old), uint64(next))
}

// failed is told that a connection with requests on it ended badly, or was silent for too long, and since when there was
// what proves it: the connection, the request, the silence.
func (s *server) failed(err error, since int64) {
	s.complain(err)
	if !s.pool.spec.AutoEjectHosts || !s.liveness().Alive() || !s.blame(since) {
		return
	}
	l := s.pool.l
	for {
		old := s.liveness()
		next, ejected := old.Fail(l.liveMillis(), s.pool.spec.ServerFailureLimit, s.pool.spec.ServerRetryTimeout.Milliseconds())
		if !s.swap(old, next) {
			continue
		}
		if ejected {
			s.pool.counters[link.ServerEjects]++
			s.counters[link.ServerEjectedAt] = uint64(time.Now().UnixMicro())
			s.pool.publish()
			s.report(levelWarn, fmt.Sprintf("pool %q: server %q ejected for %v: %v", s.pool.name, s.spec.Name,
				s.pool.spec.ServerRetryTimeout, cause(err)))
		}
		return
	}
}

// blame tells whether a failure counts. One blip of a server breaks connections of all workers, and what was there before
// the last failure that was counted says nothing new: it may be the same one. Of several workers at once one counts it.
func (s *server) blame(since int64) bool {
	now := s.pool.l.now
	for {
		last := loadWord(s.blamed)
		if int64(last) > since && int64(last) <= now+blameAhead {
			return false
		}
		if atomic.CompareAndSwapUint64(s.blamed, last, uint64(now)) {
			return true
		}
	}
}

// succeeded is told that the server has answered a request.
func (s *server) succeeded() {
	if s.trouble != "" {
		s.trouble = ""
		s.report(levelNotice, fmt.Sprintf("pool %q: server %q answers again", s.pool.name, s.spec.Name))
	}
	if !s.pool.spec.AutoEjectHosts {
		return
	}
	for {
		old := s.liveness()
		next, changed := old.Succeed()
		if !changed || s.swap(old, next) {
			return
		}
	}
}

// warnOpen logs, once, that anyone who reaches the server may use it, though not through the pool.
func (s *server) warnOpen() {
	if s.open {
		return
	}
	s.open = true
	s.report(levelWarn, fmt.Sprintf("pool %q: server %q at %s has no password: clients must give redis_auth, but the server asks nobody for it; set its requirepass",
		s.pool.name, s.spec.Name, s.spec.Address))
}
