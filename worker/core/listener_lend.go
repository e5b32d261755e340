// Copies of the listeners for a master that has adopted this worker without having them: later generations accept from the
// same sockets.

package core

import (
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// lendAgain is after how long sending is tried again where the kernel refused for another reason than a full socket.
const lendAgain = int64(50 * time.Millisecond)

// loan is which listeners are still to be sent. Loop only.
type loan struct {
	asked bool        // the master has asked, and does not have all
	next  int         // index into the loop's listeners
	retry timer.Timer // off while the socket's readiness will do
}

// lend sends as many of the listeners as the socket has room for, except those that are being closed.
func (c *masterLink) lend() {
	l := c.l
	l.timers.Stop(&c.loan.retry)
	for c.loan.asked && len(c.unsent) == 0 {
		first := min(c.loan.next, len(l.listeners))
		last := min(first+link.MaxLent, len(l.listeners))
		body := link.LentBody{More: last < len(l.listeners)}
		var fds []int
		for _, ln := range l.listeners[first:last] {
			if ln.closing.Armed() { // nobody can connect there any more
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
