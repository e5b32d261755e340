// A server: whether its keys live on it, or for the moment on others.

package core

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// blameAhead is how far ahead of this worker's time another worker's may be, in ns, since each reads the clock once per turn.
// A time further ahead is invalid.
const blameAhead = int64(time.Minute)

// server is one of those among which a pool's keys are divided, as this worker sees it: what the ring knows of it, and where
// requests for it go. Loop only, but for the liveness word.
type server struct {
	pool     *pool
	index    int
	spec     *link.Server
	primary  *endpoint
	replicas []*replica       // that may be read from, by number; none: reads go to the primary
	near     bool             // its primary is in the process's zone
	counters link.ServerWords // shared: written here only
	word     *uint64          // shared: the shard.Liveness
	blamed   *uint64          // shared: when a failure of the server was last counted
	ejection *uint64          // shared: the link.Ejection
	askedAt  *uint64          // shared: when it was last probed while it was live
	slow     *uint64          // shared: how many ns it may take to answer a probe; 0: it was not ejected since it was slow
	back     *uint64          // shared: since when it is back, in ms, if it starts slowly
	ask      timer.Timer      // for the next such probe
	retry    timer.Timer      // of an ejection
	probe    *probe           // the last one of this worker
	logState serverLog

	doubtedAt      int64 // when the master was last told that the server may be elsewhere; 0: never
	resubscription resubscription
	leaving        []*conn              // of a cluster: to a former endpoint, and still heard out
	node           *link.ServerTopology // of a place of a cluster: the node that has it; nil: none
}

func newServer(p *pool, index int) *server {
	s := &server{
		pool: p, index: index, spec: &p.spec.Servers[index],
		counters: p.l.shared.Server(p.l.spec.Slot, p.index, index),
		word:     p.l.shared.Liveness(p.index, index),
		blamed:   sign(p.l.shared.Blamed(p.index, index)),
		ejection: p.l.shared.Ejection(p.index, index),
		askedAt:  p.l.shared.ProbedAt(p.index, index),
		slow:     p.l.shared.SlowLimit(p.index, index),
		back:     sign(p.l.shared.StartedAt(p.index, index)),
	}
	s.logState.timer.Fire = s.logPending
	s.retry.Fire = s.tryRetry
	if p.spec.IsCluster() {
		spec := *s.spec // its name is the node's
		s.spec = &spec
	}
	network, address := s.address()
	s.primary = newEndpoint(s, network, address)
	return s
}

func (s *server) liveness() shard.Liveness { return shard.Liveness(loadWord(s.word)) }

// swap replaces old by next, unless another worker was faster.
func (s *server) swap(old, next shard.Liveness) bool {
	return atomic.CompareAndSwapUint64(s.word, uint64(old), uint64(next))
}

// failed is called when requests to the server have failed. since is when the evidence for that begins: the connection, the
// request, the silence.
func (s *server) failed(err error, since int64) {
	if !s.pool.spec.Ejects() || !s.liveness().Alive() || !s.blame(since) {
		return
	}
	l := s.pool.l
	word, pause := s.ejectionFor(troubleOf(err))
	for {
		old := s.liveness()
		next, ejected := old.Fail(l.liveMillis(), s.pool.spec.ServerFailureLimit, pause.Milliseconds())
		if !s.swap(old, next) {
			continue
		}
		if ejected {
			atomic.StoreUint64(s.ejection, uint64(word))
			atomic.StoreUint64(s.slow, 0)
			*s.pool.counters[link.ServerEjects]++
			*s.counters[link.ServerEjectedAt] = uint64(time.Now().UnixMicro())
			s.pool.placement.publish()
			s.logLimited(logevent.ServerEjected, s.pool.name, s.spec.Name, pause.Round(time.Millisecond), s.pool.consequence(), cause(err))
			s.pool.noteAllEjected(s)
		}
		return
	}
}

// noteAllEjected logs that the server that was ejected just now was the last one.
func (p *pool) noteAllEjected(last *server) {
	for _, s := range p.servers {
		if s.liveness().Alive() {
			return
		}
	}
	last.logLimited(logevent.PoolEjected, p.name)
}

// ejectionFor returns the word of the server if it is ejected now, and for how long it is left alone. A replica answers a ping, whatever it
// says to writes, so one that is readmitted and says so again is left alone for longer, in pools with server_retry_max.
func (s *server) ejectionFor(why link.Trouble) (link.Ejection, time.Duration) {
	spec, now := s.pool.spec, time.Now().UnixMilli()
	if why != link.TroubleReadOnly {
		return link.NewEjection(why, now), spec.ServerRetryTimeout
	}
	word := spec.EjectedAgain(link.Ejection(loadWord(s.ejection)), why, now)
	if word.Probes() == 0 {
		return word, spec.ServerRetryTimeout
	}
	return word, spec.RetryPause(s.spec.Name, word.Probes(), s.pool.l.now)
}

// blame tells whether a failure counts. One blip of a server breaks connections of all workers, and evidence from before the
// last counted failure says nothing new: it may be the same one. Of several workers at once one counts it.
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

// succeeded is called when the server has answered a request.
func (s *server) succeeded() {
	if !s.pool.spec.Ejects() {
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
