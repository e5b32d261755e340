// A client's life, and whatever happens in each of its stages.

package core

import (
	"fmt"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
)

func TestIllegalLifePanics(t *testing.T) {
	legal := map[string]bool{
		"new→handshaking": true, "handshaking→open": true, "handshaking→leaving": true, "handshaking→closed": true,
		"new→open": true, "new→closed": true, "open→half-closed": true, "open→leaving": true, "open→closed": true,
		"half-closed→closed": true, "leaving→lingering": true, "leaving→closed": true, "lingering→closed": true,
	}
	for from := range clientClosed + 1 {
		for to := range clientClosed + 1 {
			c := &client{life: from, pool: &pool{l: &loop{}}}
			expectEdge(t, legal, from, to, func() { c.become(to) })
		}
	}
	legal = map[string]bool{
		"staying→frozen": true, "frozen→packed": true, "frozen→staying": true, "packed→in flight": true, "packed→staying": true,
		"in flight→staying": true,
	}
	for from := range moveInFlight + 1 {
		for to := range moveInFlight + 1 {
			m := &moving{stage: from}
			expectEdge(t, legal, from, to, func() { m.become(to) })
		}
	}
}

// expectEdge goes from one state of a client to another, which panics with both names unless it is legal.
func expectEdge(t *testing.T, legal map[string]bool, from, to fmt.Stringer, become func()) {
	t.Helper()
	edge := fmt.Sprintf("%v→%v", from, to)
	want := "<nil>"
	if !legal[edge] {
		want = fmt.Sprintf("worker: a client cannot go from %v to %v", from, to)
	}
	var got string
	func() {
		defer func() { got = fmt.Sprint(recover()) }()
		become()
	}()
	if got != want {
		t.Errorf("%s: panics with %s, want %s", edge, got, want)
	}
}

// lifeStages bring a client of the first worker to each stage of its life, and of its way to another worker.
var lifeStages = []struct {
	life  clientLife
	stage moveStage
	reach func(r *rig, p *peer)
}{
	{clientOpen, moveStaying, func(r *rig, p *peer) {}},
	{clientHalfClosed, moveStaying, func(r *rig, p *peer) {
		p.send(redisRequestOf("GET", "1"))
		r.turn()
		r.must(p.halfClose())
	}},
	{clientLeaving, moveStaying, func(r *rig, p *peer) {
		p.send(redisRequestOf("GET", "1"))
		p.send(redisRequestOf("QUIT"))
	}},
	{clientLingering, moveStaying, func(r *rig, p *peer) { p.send(redisRequestOf("QUIT")) }},
	{clientClosed, moveStaying, func(r *rig, p *peer) { p.hangUp() }},
	{clientOpen, moveFrozen, func(r *rig, p *peer) {
		p.send(redisRequestOf("GET", "1"))
		r.turn()
		r.handOver(r.workers[0], r.workers[1])
	}},
	{clientOpen, movePacked, func(r *rig, p *peer) { packAll(r.workers[0]) }},
	{clientOpen, moveInFlight, func(r *rig, p *peer) { sendOffAll(r.workers[0]) }},
}

// packAll has all clients wait for a peer, though there is none.
func packAll(l *loop) {
	l.mover.outgoing.on = true
	for _, c := range clientsOf(l) {
		c.moving.become(moveFrozen)
		l.mover.outgoing.addFrozenOwed(1)
		l.mover.outgoing.flushed(c)
	}
}

// sendOffAll has all clients be on their way, to nowhere.
func sendOffAll(l *loop) {
	packAll(l)
	l.mover.outgoing.fillBatch(new(sentBatch), new(handoff.State), len(l.mover.outgoing.packed))
}

// lifeEvents is what may happen to a client at any time.
var lifeEvents = map[string]func(l *loop, c *client){
	"readable": func(l *loop, c *client) { l.turn([]poll.Event{{Token: c.token, Readable: true}}) },
	"writable": func(l *loop, c *client) { l.turn([]poll.Event{{Token: c.token, Writable: true}}) },
	"hangs up": func(l *loop, c *client) { l.turn([]poll.Event{{Token: c.token, Readable: true, Hangup: true}}) },
	"breaks": func(l *loop, c *client) {
		l.turn([]poll.Event{{Token: c.token, Readable: true, Hangup: true, Broken: true}})
	},
	"its turn": func(l *loop, c *client) { c.receive() },
	"flush":    func(l *loop, c *client) { c.flush() },
	"unmute":   func(l *loop, c *client) { l.unmuteAll() },
	"memory": func(l *loop, c *client) {
		l.relief.size, l.relief.candidates = 1, []evictionCandidate{{c, c.since()}}
		l.closeLargest(0)
	},
	"idle":        func(l *loop, c *client) { c.active -= 1 << 20; c.pool.closeIdle() },
	"lingers":     func(l *loop, c *client) { c.active -= 1 << 20; l.endLingering() },
	"fails":       func(l *loop, c *client) { c.fail(errNotReading) },
	"drain":       func(l *loop, c *client) { l.drain(time.Minute) },
	"roll-back":   func(l *loop, c *client) { l.keepClients() },
	"server dies": func(l *loop, c *client) { c.pool.servers[0].primary.conns[0].fail(errGarbage) },
}

// Nothing that happens at any stage is an edge that is not legal, and all figures are right afterwards.
func TestClientsLife(t *testing.T) {
	for _, at := range lifeStages {
		for name, happens := range lifeEvents {
			t.Run(fmt.Sprintf("%v %v %s", at.life, at.stage, name), func(t *testing.T) {
				r, before, _ := twoGenerations(t, func(pools []link.Pool) { pools[0].ClientIdleTimeout = time.Minute })
				p := r.connect("c", 0, 0)
				r.turn()
				c := clientsOf(before)[0]
				c.setName([]byte("of some size"))
				at.reach(r, p)
				if at.stage < movePacked {
					r.turn()
				}
				if c.life != at.life || c.moving.stage != at.stage {
					t.Fatalf("the client is %v and %v", c.life, c.moving.stage)
				}
				if !(c.moving.inFlight() && name == "fails") { // its descriptor is not looked at
					happens(before, c)
				}
				if at.stage == moveInFlight {
					if c.life != clientOpen {
						t.Fatalf("on its way it is %v", c.life)
					}
					c.cancelMove()
				}
				r.turn()
			})
		}
	}
}
