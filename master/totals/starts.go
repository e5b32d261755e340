// Which servers of a pool start slowly.

package totals

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// Starts returns of each server of a pool since when it is back and gets its keys little by little, in ms of CLOCK_MONOTONIC, of which now is one; 0: it
// does not, see shard.Starts.
func (c *Counters) Starts(pool int, now int64) []int64 {
	p := &c.Pools[pool]
	live, since := make([]bool, len(p.Servers)), make([]int64, len(p.Servers))
	if p.SlowStart <= 0 || !p.Remaps() {
		return since
	}
	for k := range p.Servers {
		live[k] = shard.Liveness(atomic.LoadUint64(c.Liveness(pool, k))).Alive()
		since[k] = int64(load(c.StartedAt(pool, k)))
	}
	return shard.Starts(live, since, max(p.SlowStart.Milliseconds(), 1), now)
}

// Share returns what part of its keys a server of a pool has now, from 0 to 1: none if it is ejected and others have them.
func (c *Counters) Share(pool, server int) float64 {
	p, now := &c.Pools[pool], sock.Monotonic()/int64(time.Millisecond)
	if p.Remaps() && !shard.Liveness(atomic.LoadUint64(c.Liveness(pool, server))).Alive() {
		return 0
	}
	if since := c.Starts(pool, now)[server]; since > 0 {
		return shard.StartedShare(now-since, max(p.SlowStart.Milliseconds(), 1))
	}
	return 1
}
