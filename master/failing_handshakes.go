// Handshakes of clients that only fail, as after a renewal to a certificate that nobody believes: the counters say how many, and here it
// is noticed when.

package master

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// failingIsNews is for how long it is told of handshakes that have failed.
	failingIsNews = 5 * time.Minute
	// fewFailing is up to how many say nothing: whoever looks for open ports does that.
	fewFailing = 2
)

// handshakeFaults are the counters of handshakes that have failed.
var handshakeFaults = [...]int{
	link.ClientPlaintext, link.ClientUnsupported, link.ClientCertificate, link.ClientRefusesTLS, link.ClientHandshakeLate, link.ClientHandshakeFailed,
}

// handshakeCounts is what workers have counted of a pool's clients.
type handshakeCounts struct {
	done   uint64
	failed [len(handshakeFaults)]uint64
}

// failingHandshakes is what is known of a pool. Loop only.
type failingHandshakes struct {
	counted handshakeCounts // as last looked
	before  handshakeCounts // when those that are news began
	lastAt  time.Time       // when one was last noticed that had failed, and none was done; zero: that is no news
}

// note takes a look at the counters.
func (f *failingHandshakes) note(counted handshakeCounts, now time.Time) {
	switch {
	case counted.done != f.counted.done:
		f.before, f.lastAt = counted, time.Time{}
	case counted.failed != f.counted.failed:
		if now.Sub(f.lastAt) > failingIsNews {
			f.before = f.counted
		}
		f.lastAt = now
	}
	f.counted = counted
}

// status returns what is told; nil: there are no news.
func (f *failingHandshakes) status(now time.Time) *admin.FailingHandshakesStatus {
	if f.lastAt.IsZero() || now.Sub(f.lastAt) > failingIsNews {
		return nil
	}
	s := &admin.FailingHandshakesStatus{LastAt: f.lastAt}
	most := uint64(0)
	for i, n := range f.counted.failed {
		n -= min(f.before.failed[i], n)
		s.Failed += n
		if n > most {
			most, s.Cause = n, link.PoolCounters[handshakeFaults[i]].Name
		}
	}
	if s.Failed <= fewFailing {
		return nil
	}
	return s
}

// countedHandshakes returns what the workers of the generation itself have counted.
func (g *generation) countedHandshakes(pool int) (n handshakeCounts) {
	for _, s := range g.slots {
		n.done += atomic.LoadUint64(g.counters.PoolCounter(s.index, pool, link.ClientHandshakes))
		for i, counter := range handshakeFaults {
			n.failed[i] += atomic.LoadUint64(g.counters.PoolCounter(s.index, pool, counter))
		}
	}
	return n
}

// failingStatus returns what is told of a pool; nil: nothing.
func (g *generation) failingStatus(pool int, now time.Time) *admin.FailingHandshakesStatus {
	if g.news == nil {
		return nil
	}
	return g.news[pool].handshakes.status(now)
}
