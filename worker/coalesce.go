// The flush window: for how long a turn looks away before it writes.

package worker

import "time"

// window moderates the loop like the interrupts of a network card are moderated. A loop that answers every event at once
// writes, and wakes its peers, for one request at a time, and they wake it for one reply at a time; the system calls and
// the wake-ups cost far more than the requests. So when many clients are waiting, a turn that has little to write sleeps
// for a moment and then takes what has come meanwhile, too. The sleep is a real one: waiting in the poller would end with
// the first event.
//
// Its length is found by trying: it grows while turns handle fewer events than would be worth writing for and sleeping
// gathers some, and shrinks when it gathers none or more than is needed. With few clients waiting, or with turns that are
// full by themselves, it is zero. Loop only.
type window struct {
	most  time.Duration // coalesce_us; 0 = off
	width time.Duration // of the next sleep; 0 = none, but try now and then
	idle  int           // turns since the last try
	crowd int           // the most clients that waited lately, times crowdScale
}

const (
	leastBusy  = 8                     // clients that wait, up to which nothing is held up
	leastWidth = 10 * time.Microsecond // a shorter sleep costs more than it gathers
	fullTurn   = 48                    // events that are worth a turn however many clients wait
	tryEvery   = 64                    // turns without a sleep, until one is tried
	crowdScale = 64                    // the crowd forgets its peak with this time constant, in turns
)

// sleep returns how long a turn that has handled so many events should sleep before it writes; busy clients wait.
func (w *window) sleep(events, busy int) time.Duration {
	w.crowd = max(w.crowd-w.crowd/crowdScale, busy*crowdScale)
	if w.most == 0 || busy <= leastBusy || events >= w.enough() {
		return 0
	}
	if w.width > 0 {
		return w.width
	}
	if w.idle++; w.idle < tryEvery {
		return 0
	}
	w.idle = 0
	return min(leastWidth, w.most)
}

// slept is told what a sleep gathered: so many events after those before it.
func (w *window) slept(width time.Duration, before, gathered int) {
	switch {
	case gathered < 2:
		width /= 2
	case before+gathered < w.enough():
		width += width / 4
	case before+gathered > 2*w.enough():
		width -= width / 4
	}
	if width < leastWidth {
		width = 0
	}
	w.width = min(width, w.most)
}

// enough returns how many events are worth a turn: a part of the crowd, since not all of it can be here at once, and never
// more than saves anything.
func (w *window) enough() int { return min(w.crowd/crowdScale/3, fullTurn) }

// coalesce looks away for a moment if that pays, and handles what has come meanwhile.
func (l *loop) coalesce(events int) error {
	if len(l.again) > 0 || len(l.dirtyConns)+len(l.dirtyClients) == 0 {
		return nil
	}
	width := l.window.sleep(events, l.busy)
	if width == 0 {
		return nil
	}
	l.poller.Sleep(width)
	more, err := l.poller.Wait(0)
	if err != nil {
		return err
	}
	l.now = l.clock()
	l.handle(more)
	l.window.slept(width, events, len(more))
	return nil
}
