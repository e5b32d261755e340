// Lines in the log about requests that were answered: some of all, and slow ones, and never more than is cheap.
//
// Where the log has none the straight line of a request pays nothing for it: what it compares with anyway, to find slow ones, is
// set so that it finds the next one when another line is due.

package core

import (
	"math"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// requestLog is what the log gets of requests. Loop only.
type requestLog struct {
	l     *loop
	pause int64 // ns between lines; 0: there are none
	due   bool  // the next request that is answered gets a line
	timer timer.Timer
	last  uint64 // requests that there were when the last line was written

	slowPause int64 // ns between lines about slow ones; 0: there are none
	slowFrom  int64 // ns: when there may be another one
	slowLess  int   // slow ones that had none, since the last
}

func (r *requestLog) init(l *loop) {
	r.l = l
	r.timer.Fire = r.wake
	if n := l.spec.LoggedRequests; n > 0 {
		r.pause = int64(time.Second) / int64(n)
	}
	if n := l.spec.LoggedSlow; n > 0 {
		r.slowPause = int64(time.Second) / int64(n)
	}
}

// begin has the first request have a line.
func (r *requestLog) begin() {
	if r.pause > 0 {
		r.last = r.count() // of a worker that was here before
		r.wake()
	}
}

// wake has the next request that is answered have a line.
func (r *requestLog) wake() {
	r.due = true
	for _, p := range r.l.pools {
		p.noteFrom = 0
	}
}

// sleep waits until another line may be written.
func (r *requestLog) sleep() {
	r.due = false
	for _, p := range r.l.pools {
		p.noteFrom = p.slow
	}
	r.l.timers.Set(&r.timer, r.l.now+r.pause)
}

// note writes a line about a request that was answered, if one is due.
func (r *requestLog) note(c *client, q *request) {
	if !r.due || q.state&(isBlocking|isNoReply) != 0 || q.said.at == nil {
		return
	}
	if q.said.answered == 0 {
		q.said.answered = r.l.now
	}
	r.sleep()
	e := r.l.slow.entryOf(c, q)
	count := r.count()
	r.l.log(logevent.Request, append(r.valuesOf(&e), count-r.last)...)
	r.last = count
}

// noteSlow writes a line about a slow request, unless there were enough in this second.
func (r *requestLog) noteSlow(e *link.SlowEntry) {
	switch {
	case r.slowPause == 0:
		return
	case r.l.now < r.slowFrom:
		r.slowLess++
		return
	}
	r.slowFrom = r.l.now + r.slowPause
	r.l.logAfter(r.slowLess, logevent.SlowRequest, r.valuesOf(e)...)
	r.slowLess = 0
}

// count returns how many requests this worker has counted.
func (r *requestLog) count() (n uint64) {
	for _, p := range r.l.pools {
		for f := range link.NumCommandFamilies {
			n += *p.counters[link.FirstCommandFamily+f]
		}
	}
	return n
}

// valuesOf returns what both events have.
func (r *requestLog) valuesOf(e *link.SlowEntry) []any {
	took := func(micros uint64) time.Duration {
		return time.Duration(min(micros, math.MaxInt64/1000)) * time.Microsecond
	}
	key := ""
	if arg, cut, _, ok := link.SlowArg(e.Args); ok {
		key = string(arg)
		if cut {
			key += "…"
		}
	}
	return []any{
		r.l.pools[e.Pool].name, e.Client, e.Peer, e.Command, key, e.ServerName, took(e.Took()), took(e.Wait), took(e.Server), took(e.Behind),
		e.ClientName, e.Address,
	}
}
