// What a client has subscribed to is subscribed again where its server was gone, or is another one now. Nobody hears of it; what is
// published meanwhile is missed, as it is by a client of the server itself.

package core

import (
	"slices"
	"time"
	"unsafe"

	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// subscribePause is how often a server that is gone is tried, by one client.
	subscribePause = 100 * time.Millisecond
	// subscribeBatch is how many clients subscribe again in one turn, once it is back.
	subscribeBatch = 64
)

// resubscription is which clients are to subscribe again at a server. Loop only.
type resubscription struct {
	clients []*client
	timer   timer.Timer
}

// lostSubscriptions is called when the client's connection to a server has ended that held subscriptions.
func (c *client) lostSubscriptions(s *server) {
	if c.life != clientOpen || !c.session.subscriptions.areOn(c.pool, s.index) {
		return
	}
	s.subscribeLater(c)
}

// subscribeLater subscribes again what c has on the server: soon, or if the server is in trouble in a while.
func (s *server) subscribeLater(c *client) {
	r, l := &s.resubscription, s.pool.l
	r.clients = append(r.clients, c)
	if !r.timer.Armed() {
		r.timer.Fire = s.subscribeAgain
		l.timers.Set(&r.timer, l.now+s.subscribePause())
	}
}

func (s *server) subscribePause() int64 {
	if s.primary.trouble != "" {
		return int64(subscribePause)
	}
	return 0
}

// subscribeNow is called when a shared connection to the server has come about, and when it answers again: who waits to subscribe there need
// not wait any longer.
func (s *server) subscribeNow() {
	if r, l := &s.resubscription, s.pool.l; len(r.clients) > 0 {
		l.timers.Set(&r.timer, l.now)
	}
}

// subscribeAgain subscribes again for some clients; where it is not known that the server is back, for one.
func (s *server) subscribeAgain() {
	r, l := &s.resubscription, s.pool.l
	for range min(len(r.clients), subscribeBatch) {
		c := r.clients[0]
		r.clients = r.clients[1:]
		if !c.subscribeAgain(s) {
			r.clients = append(r.clients, c)
			break
		}
		if s.primary.trouble != "" || l.io.Spent >= maxTurnBytes {
			break
		}
	}
	switch pause := s.subscribePause(); {
	case len(r.clients) == 0:
		r.clients = nil
	case pause == 0:
		l.agenda.nextTurn(subscribesAgain{s})
	default:
		l.timers.Set(&r.timer, l.now+pause)
	}
}

// subscribesAgain is a server with more clients that subscribe again than a turn has time for.
type subscribesAgain struct{ s *server }

func (a subscribesAgain) receive() {
	if len(a.s.resubscription.clients) > 0 {
		a.s.subscribeAgain()
	}
}

// subscribeAgain sends all that the client has on the server over a new connection, and tells whether that could be done.
func (c *client) subscribeAgain(s *server) (done bool) {
	switch own := c.dedicatedTo(s.index); {
	case c.life != clientOpen, c.moving.inFlight(), !c.session.subscriptions.areOn(c.pool, s.index): // if it comes back, see watchDedicated
		return true
	case own != nil && own.own.purposes&forSubscription != 0:
		return true
	}
	_, err := c.subscribedConn(s.index)
	return err == nil
}

// subscribedConn returns the client's own connection to a server, over which it is subscribed to all that it has there.
func (c *client) subscribedConn(server int) (*conn, error) {
	own := c.dedicatedTo(server)
	if own != nil && own.own.purposes&forSubscription != 0 {
		return own, nil
	}
	own, err := c.dedicate(server, forSubscription)
	if err != nil {
		return nil, err
	}
	subs := c.session.subscriptions
	own.own.renews = make([]subscription, 0, subs.perServer[server])
	for kind := range subs.byName {
		for name, on := range subs.byName[kind] {
			if c.pool.isPartOf(on, server) {
				own.own.renews = append(own.own.renews, subscription{channelKind(kind), name})
			}
		}
	}
	c.pool.l.memory.Charge(own.own.renewsBytes())
	own.tellAgain()
	return own, nil
}

// subscription is one that a server is still to be told of over a new connection.
type subscription struct {
	kind channelKind
	name string
}

// renewsBytes returns what the subscriptions take that the server is to be told of.
func (o *ownConn) renewsBytes() int { return cap(o.renews) * int(unsafe.Sizeof(subscription{})) }

// forgetRenewal is called when the server need not be told of any more.
func (c *conn) forgetRenewal() {
	c.endpoint.pool.l.memory.Uncharge(c.own.renewsBytes())
	c.own.renews, c.own.renewed = nil, 0
}

// tellsAgain is a connection whose server is told of very many subscriptions: a slice per turn, so that nobody else waits.
type tellsAgain struct{ c *conn }

func (t tellsAgain) receive() {
	if t.c.own.renews != nil {
		t.c.tellAgain()
	}
}

// tellAgain tells the server a slice of what its client has subscribed to there, and still has.
func (c *conn) tellAgain() {
	o, l, server, budget := c.own, c.endpoint.pool.l, c.endpoint.server.index, sliceBytes
	for o.renewed < len(o.renews) && budget > 0 {
		next := o.renews[o.renewed]
		o.renewed++
		budget -= keyToll + len(next.name)
		if on, ok := o.client.session.subscriptions.byName[next.kind][next.name]; ok && o.client.pool.isPartOf(on, server) {
			o.client.tellSubscription(server, askedSubscription{subscription: next})
		}
	}
	l.io.Spent += sliceBytes - budget
	if o.renewed == len(o.renews) {
		c.forgetRenewal()
		return
	}
	l.agenda.nextTurn(tellsAgain{c})
}

// tellSubscription sends a request about a subscription of which the client hears nothing.
func (c *client) tellSubscription(server int, asked askedSubscription) {
	l, own := c.pool.l, c.dedicatedTo(server)
	l.scratch = asked.appendRequest(l.scratch[:0], asked.ends)
	r := l.requests.get()
	r.command, r.state = toldCommand, isSubscription
	own.noteAsked(asked)
	own.send(r, l.scratch, nil)
}

// checkSubscriptions subscribes where it is missing: channels have moved with the ring, or connections are gone.
func (c *client) checkSubscriptions() {
	subs := c.session.subscriptions
	if subs == nil || c.moving.inFlight() || c.life != clientOpen {
		return
	}
	for kind := range channelKind(channelKinds) {
		for name, old := range subs.byName[kind] {
			if old == everywhere || c.pool.cluster != nil && kind != kindShardChannel && old != nowhere && c.pool.placement.live[old] {
				continue
			}
			switch now, live := c.pool.placeOf(kind, []byte(name)); {
			case live && now != old:
				c.moveSubscription(kind, name, old, now)
			case !live && c.pool.cluster != nil && old != nowhere && !c.pool.placement.live[old]:
				c.moveSubscription(kind, name, old, nowhere)
			}
		}
	}
	for _, s := range c.pool.servers {
		switch own := c.dedicatedTo(s.index); {
		case subs.areOn(c.pool, s.index) && (own == nil || own.own.purposes&forSubscription == 0):
			s.subscribeLater(c)
		case own != nil && !subs.areOn(c.pool, s.index) && own.head == nil:
			own.release(forSubscription)
		}
	}
}

// recordOf returns what a server of p holds, or is nowhere, to be written down.
func (s *subscriptions) recordOf(p *pool, server int) (all []handoff.Subscription) {
	for kind := range s.byName {
		for name, on := range s.byName[kind] {
			if p.isPartOf(on, server) {
				all = append(all, handoff.Subscription{Kind: uint8(kind), Name: name})
			}
		}
	}
	return all
}

// subscriptionsWithout returns those of servers to which the client has no connection at present.
func (c *client) subscriptionsWithout() (all []handoff.Subscription) {
	subs := c.session.subscriptions
	if subs == nil {
		return nil
	}
	for i := range subs.perServer {
		if own := c.dedicatedTo(i); subs.areOn(c.pool, i) && (own == nil || own.own.purposes&forSubscription == 0) {
			all = append(all, subs.recordOf(c.pool, i)...)
		}
	}
	return append(all, subs.recordOf(c.pool, nowhere)...)
}

// adoptSubscriptions gives the client the subscriptions of a record: its own, or that of a connection, which holds them.
func (c *client) adoptSubscriptions(r *handoff.Record) {
	if len(r.Subscriptions) == 0 {
		return
	}
	subs := c.ownSubscriptions()
	held := slices.IndexFunc(c.pool.servers, func(s *server) bool { return r.Purposes != 0 && s.spec.Name == r.Server })
	c.changeSession(func(*session) {
		for _, sub := range r.Subscriptions {
			kind := channelKind(sub.Kind)
			place, live := c.pool.placeOf(kind, []byte(sub.Name))
			switch {
			case place != everywhere && held >= 0:
				place = held
			case !live && c.pool.cluster != nil && place != everywhere:
				place = nowhere
			case !live:
				place = 0 // until a server is
			}
			subs.add(kind, sub.Name, place)
		}
	})
}

// moveSubscription subscribes to a channel on the server where it lives now, and no more where it did. A node of a cluster ends itself
// what has left it with its slot; whether it has done so is not known.
func (c *client) moveSubscription(kind channelKind, name string, old, now int) {
	subs := c.session.subscriptions
	subs.place(kind, name, now)
	if own := c.dedicatedTo(now); own != nil && own.own.purposes&forSubscription != 0 {
		if c.pool.cluster != nil {
			c.pool.cluster.askLater(c, subscription{kind, name})
		} else {
			c.tellSubscription(now, askedSubscription{subscription: subscription{kind, name}})
		}
	}
	switch own := c.dedicatedTo(old); {
	case own == nil:
	case c.pool.cluster != nil:
		own.own.mayHold = true
	default:
		c.tellSubscription(old, askedSubscription{subscription: subscription{kind, name}, ends: true})
	}
}

// checkSubscriptions does so for all clients of the pool.
func (p *pool) checkSubscriptions() {
	for c := range p.l.everyClient {
		if c.pool == p {
			c.checkSubscriptions()
		}
	}
}
