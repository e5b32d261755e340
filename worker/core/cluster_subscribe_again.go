// Subscriptions of a cluster that are nowhere: they are asked for where they belong, as soon as that is known and a slice per turn.

package core

import (
	"unsafe"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// resubscriptions are subscriptions that are nowhere, and on their way to where they belong. Those that are not go there with the next
// topology. Loop only.
type resubscriptions struct {
	all     []resubscribed
	looked  int // of all, those that were looked at since the last ones were due
	kept    int // of these, those that are kept
	charged int // bytes of memory
	timer   timer.Timer
}

// resubscribed is one of them.
type resubscribed struct {
	askedSubscription
	client *client
	r      *request // for whose confirmation the client waits; nil: it has heard of it before
	due    int64    // ns: when it is asked for again
}

// lookToll is what it counts in a slice to see that one is not due.
const lookToll = 4

// resubscribe has a subscription that the server from has refused be asked for where it belongs.
func (cl *cluster) resubscribe(s resubscribed, from int) {
	l := cl.pool.l
	if s.until == 0 {
		s.until = l.now + int64(cl.pool.spec.FailoverWait)
	}
	if subs := s.client.session.subscriptions; subs != nil {
		if _, ok := subs.byName[s.kind][s.name]; ok {
			subs.place(s.kind, s.name, nowhere)
		}
	}
	s.due = l.now
	if now, live := cl.pool.placeOf(s.kind, []byte(s.name)); !live || now == from || s.moves >= redirectsAtOnce {
		s.moves = 0
		s.pause(l.now)
	}
	s.moves++
	cl.nowhere.add(l, s)
}

// askLater asks for a subscription of which its client has heard before, in its turn.
func (cl *cluster) askLater(c *client, s subscription) {
	l := cl.pool.l
	c.session.subscriptions.place(s.kind, s.name, nowhere)
	cl.nowhere.add(l, resubscribed{askedSubscription: askedSubscription{subscription: s, until: l.now + int64(cl.pool.spec.FailoverWait)}, client: c, due: l.now})
}

func (n *resubscriptions) add(l *loop, s resubscribed) {
	n.all = append(n.all, s)
	n.charge(l.memory)
	n.awaken(l, s.due)
}

// charge accounts for the memory that they take now.
func (n *resubscriptions) charge(m *memory.Allocator) {
	size := cap(n.all) * int(unsafe.Sizeof(resubscribed{}))
	m.Charge(size - n.charged)
	n.charged = size
}

// awaken has them be looked at when one is due.
func (n *resubscriptions) awaken(l *loop, due int64) {
	if t := &n.timer; !t.Armed() || due < t.Due() {
		l.timers.Set(t, due)
	}
}

// pause has it be asked for in a while: soon, if somebody waits for it.
func (s *resubscribed) pause(now int64) {
	s.due = now + int64(subscribePause)
	if s.r != nil {
		s.due = now + redirectPause
	}
}

// subscribeAgain asks for what is nowhere and due: a slice per turn, so that nobody else waits.
func (cl *cluster) subscribeAgain() {
	n, l, budget := &cl.nowhere, cl.pool.l, sliceBytes
	for n.looked < len(n.all) && budget > 0 {
		s := n.all[n.looked]
		n.looked++
		budget -= lookToll
		if s.due <= l.now || s.client.life != clientOpen {
			budget -= keyToll + len(s.name)
			if cl.place(&s) {
				continue
			}
		}
		n.all[n.kept] = s
		n.kept++
	}
	l.io.Spent += sliceBytes - budget
	if n.looked < len(n.all) {
		l.agenda.nextTurn(subscribesNowhere{cl})
		return
	}
	clear(n.all[n.kept:])
	n.all = n.all[:n.kept]
	if n.looked, n.kept = 0, 0; len(n.all) == 0 {
		n.all = nil
	}
	n.charge(l.memory)
	for i := range n.all {
		n.awaken(l, n.all[i].due)
	}
}

// subscribesNowhere is a cluster with more subscriptions that are due than a turn has time for.
type subscribesNowhere struct{ cl *cluster }

func (s subscribesNowhere) receive() {
	if s.cl.nowhere.looked > 0 {
		s.cl.subscribeAgain()
	}
}

// place asks for a subscription where it belongs, and tells whether there is no more to be done.
func (cl *cluster) place(s *resubscribed) (done bool) {
	l, c, r := cl.pool.l, s.client, s.r
	subs := c.session.subscriptions
	if r != nil && r.client == nil || c.life != clientOpen || subs == nil || r == nil && c.moving.inFlight() { // see watchDedicated
		s.end(nil)
		return true
	}
	on, ok := subs.byName[s.kind][s.name]
	if !ok || on != nowhere && r == nil { // it has ended meanwhile, or is where it belongs
		s.end(s.confirmation(c, subscribeBegins[s.kind]))
		return true
	}
	place, live := cl.pool.placeOf(s.kind, []byte(s.name))
	switch {
	case r != nil && s.until <= l.now:
		cause := error(errSlotMoves)
		if !live {
			cause = errNoOwner
		}
		*cl.pool.counters[link.ForwardError]++
		s.end(cl.pool.failure(r, cl.pool.errorText(cause), false))
		return true
	case !live:
		s.pause(l.now)
		cl.tellStale()
		return false
	}
	own, err := c.subscribedConn(place)
	subs.place(s.kind, s.name, place)
	switch {
	case err != nil && r == nil:
		cl.pool.servers[place].subscribeLater(c)
	case err != nil:
		*cl.pool.counters[link.ForwardError]++
		s.end(cl.pool.errorText(err))
	case r == nil:
		c.tellSubscription(place, s.askedSubscription)
	default:
		r.state &^= inConn
		l.scratch = s.appendRequest(l.scratch[:0], false)
		c.owedSize += uint32(len(l.scratch)) - uint32(r.bytes)
		own.noteAsked(s.askedSubscription)
		own.send(r, l.scratch, nil)
	}
	return true
}

// end answers the request for it, if somebody waits for that.
func (s *resubscribed) end(answer []byte) {
	if s.r != nil {
		s.r.state &^= inConn
		s.client.pool.l.answer(s.r, answer, nil)
	}
}
