// Lending: a master that has taken over a worker without having its listeners gets copies of them, so that those who come
// after this worker accept from the same sockets.

package core

import (
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// lendAgain is when to try again what the kernel refused for another reason than that the master is busy.
const lendAgain = int64(50 * time.Millisecond)

// loan is what the master is still to get. Loop only.
type loan struct {
	asked bool        // and not answered in full
	next  int         // of the loop's listeners
	retry timer.Timer // off while the socket's readiness will do
}

// lend sends the master as many of the listeners as the socket takes. Those that are closed meanwhile, because the worker
// is about to end, are not among them.
func (c *masterLink) lend() {
	l := c.l
	l.timers.Stop(&c.loan.retry)
	for c.loan.asked && len(c.unsent) == 0 {
		first := min(c.loan.next, len(l.listeners))
		last := min(first+link.MaxLent, len(l.listeners))
		body := link.LentBody{More: last < len(l.listeners)}
		var fds []int
		for _, ln := range l.listeners[first:last] {
			if ln.last.Armed() { // nobody can connect there any more
				continue
			}
			body.Listeners, fds = append(body.Listeners, ln.spec), append(fds, ln.fd)
		}
		err := sock.SendFDs(c.fd, link.AppendMessage(nil, link.Message{Kind: link.Lent, Body: link.Body(body)}), fds)
		if err != nil {
			if !sock.Again(err) {
				l.timers.Set(&c.loan.retry, l.now+lendAgain)
			}
			return
		}
		c.loan.next, c.loan.asked = last, body.More
	}
}
