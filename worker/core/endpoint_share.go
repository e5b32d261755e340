// Connections that share a slow server: where it does not do one request for each of them in the time that it may take, they
// alternate.

package core

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// sharePart of the timeout is the pause after which a connection looks again whether it may write.
	sharePart = 256
	// minSharePause is that pause at least.
	minSharePause = int64(time.Millisecond)
	// longestShareWait is the number of timeouts after which it writes in any case.
	longestShareWait = 4
)

// mayShare tells whether the server owes everyone so little that c may give it a request. If not, c tries again soon. A
// connection that has just written lets those go first that wait; one that has waited for long writes, since the others may
// know better what the server can do.
func (c *conn) mayShare() bool {
	if c.gauge.shared == 0 || c.owed > 0 {
		c.shareSince = 0
		return true
	}
	l := c.endpoint.pool.l
	if c.shareRetry.Armed() && c.shareRetry.Due() > l.now {
		return false
	}
	if c.shareSince == 0 {
		c.shareSince = l.now
	}
	wait := int64(1)
	free := c.endpoint.owedOthers(c) < c.gauge.shared
	if free && (!c.yields || !c.endpoint.othersWait(c)) || l.now-c.shareSince >= longestShareWait*c.endpoint.pool.timeout {
		c.yields, c.shareSince = true, l.now
		return true
	}
	c.yields = false
	if free {
		wait = 2
	}
	l.timers.Set(&c.shareRetry, l.now+wait*max(minSharePause, c.endpoint.pool.timeout/sharePart))
	return false
}

// owedOthers returns how much the server owes over other connections than c, also of the other workers.
func (e *endpoint) owedOthers(c *conn) int {
	return e.sumOthers(c.owed, link.OutQueue)
}

// othersWait tells whether there is something to be written over other connections than c.
func (e *endpoint) othersWait(c *conn) bool { return e.sumOthers(c.unbegun, link.InQueue) > 0 }

// sumOthers adds up a figure of all workers, but for a part of this worker's. A worker that has not heard of the server for
// as long as makes a connection end is stopped or has only begun: it does not count.
func (e *endpoint) sumOthers(mine, counter int) (sum int) {
	l := e.pool.l
	sum = max(0, int(*e.counters[counter])-mine)
	for slot := range l.shared.Slots() {
		if slot == l.spec.Slot {
			continue
		}
		heard := l.shared.Heard(slot, e.pool.index, e.server.index)
		if heard != nil && l.now-int64(atomic.LoadUint64(heard)) < lateFactor*e.pool.timeout {
			sum += int(atomic.LoadUint64(l.shared.ServerCounter(slot, e.pool.index, e.server.index, counter)))
		}
	}
	return sum
}
