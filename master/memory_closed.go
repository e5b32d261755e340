// Clients that workers close since memory is short: the counters say how many, and here it is noticed when. So the status tells of it
// for as long as it goes on, though no worker is near its limit between two of them.

package master

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

// memoryClosedIsNews is for how long it is told of clients that were closed for their memory.
const memoryClosedIsNews = time.Minute

// memoryClosed is what is known of such clients of a pool. Loop only.
type memoryClosed struct {
	counted uint64    // by the workers of the generation, as last looked
	before  uint64    // of them, those that are no news
	lastAt  time.Time // when the last one was noticed; zero: none was
}

// note takes a look at the counter.
func (c *memoryClosed) note(counted uint64, now time.Time) {
	if counted <= c.counted {
		return
	}
	if now.Sub(c.lastAt) > memoryClosedIsNews {
		c.before = c.counted
	}
	c.counted, c.lastAt = counted, now
}

// closedForMemory returns how many clients of a pool the workers of the generation itself have closed.
func (g *generation) closedForMemory(pool int) (n uint64) {
	for _, s := range g.slots {
		n += atomic.LoadUint64(g.counters.PoolCounter(s.index, pool, link.FirstClosing+int(link.MemoryShort)))
	}
	return n
}

// memoryClosedStatus returns what is told of a pool; nil: there are no news.
func (g *generation) memoryClosedStatus(pool int, now time.Time) *admin.MemoryClosedStatus {
	if g.news == nil {
		return nil
	}
	c := &g.news[pool].memoryClosed
	if c.lastAt.IsZero() || now.Sub(c.lastAt) > memoryClosedIsNews {
		return nil
	}
	return &admin.MemoryClosedStatus{Clients: c.counted - c.before, LastAt: c.lastAt}
}
