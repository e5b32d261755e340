// The flush window: how long a busy loop sleeps after it has written.

package core

import (
	"time"
)

// window moderates the loop like the interrupts of a network card are moderated. A loop that answers every event at once
// writes, and wakes its peers, for one request at a time, and they wake it for one reply at a time; the system calls and
// the wake-ups cost far more than the requests. So when many clients are waiting, a loop that had little to do sleeps for
// a moment after it has written, and then takes all that has come. The sleep is a real one: waiting in the poller would
// end with the first event, and have the peer pay for the wake-up. It comes after the writing, not before, so that peers
// have something to do meanwhile.
//
// Whether that pays, and for how long, is found by trying: sleeps go on while they gather something, become longer while
// they gather little and shorter when they gather enough, since then peers may have run out of work. With few clients
// waiting lately, or with turns that are full by themselves, there is none. Loop only.
type window struct {
	most  time.Duration // coalesce_us; 0 = off
	width time.Duration // of the next sleep; leastWidth ≤ width ≤ most, unless most is less or no sleep was tried
	trust int           // that the next sleep gathers something, by those before it; 0 = none, but try now and then
	idle  int           // turns since the last try
	crowd int           // the most clients that waited lately, times crowdScale
}

const (
	leastCrowd = 8                     // clients that waited lately, up to which nothing is held up
	leastWidth = 20 * time.Microsecond // a shorter sleep costs more than it gathers
	leastGain  = 2                     // events that a sleep must gather to pay
	mostTrust  = 16                    // after so many sleeps in vain there is none
	fullTurn   = 48                    // events that are worth a turn however many clients wait
	tryEvery   = 64                    // turns without a sleep, until one is tried
	crowdScale = 64                    // the crowd forgets its peak with this time constant, in turns
)

// sleep returns how long to sleep after a turn that has handled so many events; busy clients wait. How many wait just now says
// little: of a crowd that the loop is ahead of, most are about to ask again.
func (w *window) sleep(events, busy int) time.Duration {
	w.crowd = max(w.crowd-w.crowd/crowdScale, busy*crowdScale)
	if w.most == 0 || w.crowd <= leastCrowd*crowdScale || events >= w.enough() {
		return 0
	}
	if w.trust == 0 {
		if w.idle++; w.idle < tryEvery {
			return 0
		}
		w.idle = 0
	}
	w.width = min(max(w.width, leastWidth), w.most)
	return w.width
}

// slept is called with the number of events after a sleep.
func (w *window) slept(gathered int) {
	if gathered >= leastGain {
		w.trust = min(w.trust+2, mostTrust)
	} else {
		w.trust = max(w.trust-1, 0)
	}
	switch {
	case gathered < w.enough()/2:
		w.width += w.width / 4
	case gathered >= w.enough():
		w.width -= w.width / 4
	}
}

// enough returns how many events are worth a turn: a part of the crowd, since not all of it can be here at once, and never
// more than saves anything.
func (w *window) enough() int { return min(w.crowd/crowdScale/3, fullTurn) }

// mostPartialBytes is how much output a client may have and yet be passed over.
const mostPartialBytes = 16 << 10

// passOver tells whether a client is not written in this turn, but in the next one: servers still owe it replies, and in a
// pipeline over several servers each reply would cost a system call, and wake the client for a part of what it waits for. The
// next turn comes at once, or after the sleep that is due.
func (c *client) passOver() bool {
	l := c.pool.l
	if c.queued&inPartial != 0 {
		c.queued &^= inPartial
		return false
	}
	if c.head == nil || c.stream.Unwritten() == 0 || c.stream.Unwritten() >= mostPartialBytes || c.life != clientOpen ||
		c.moving.frozen() || c.moving.unwanted() || l.draining.on || c.overflows() {
		return false
	}
	if c.head.isTransaction() && !c.isBehind() { // its +QUEUED go with the reply to EXEC, as from Redis
		return true
	}
	c.queued |= inPartial
	l.agenda.partial = append(l.agenda.partial, c)
	return true
}
