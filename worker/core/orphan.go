// Orphans: a worker whose master has ended without a word serves on, and waits at a rendezvous for the next master. Whoever
// connects there is that one: from then on the connection is the worker link. One that drains does so, too, so that who
// stops the service knows of it and of its clients; and so does one whose master has died in the middle of a handoff.

package core

import (
	"os"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// orphanWait is how long an orphan serves that is to drain if no master comes. A service manager starts the next one
	// within fractions of a second; where it does not want one, nothing is to serve for long.
	orphanWait = int64(2 * time.Second)

	// rendezvousAgain is when to try again what the system has refused: a name, or a connection.
	rendezvousAgain = int64(100 * time.Millisecond)

	// Where another pid namespace has a worker of the same pid, the name is taken, and another one does as well.
	maxOrphanNames = 16
	orphanStride   = 1 << 22 // more than any pid
)

// rendezvous is where an orphan waits. Loop only.
type rendezvous struct {
	l     *loop
	fd    int // listens; -1: nobody is awaited
	token poll.Token
	till  timer.Timer // when the orphan drains; off: never
	again timer.Timer // off: nothing was refused
}

// orphaned is told that the master is dead. Nobody would restart or reconfigure this worker, but that is no reason for
// its clients to suffer: it serves on and accepts on until the next master comes, unless it is about to end, gives its
// clients to others, or was told to drain in this case.
//
// A worker that has not been settled is different: the generation before it is still there, and still has a master, or at
// least was not broken by the dead one's. So it gives back what it has, and says so at once: those who give to it may have
// no master, either, and serve on then. Until that is decided, and while it gives, the next master can have each of them.
func (l *loop) orphaned() {
	l.succession.orphan = true
	switch {
	case l.draining.on:
		l.succession.rendezvous.open()
	case l.unsettled() && (len(l.mover.peers) > 0 || !l.succession.serving):
		l.mover.refuseClients()
		l.moveClients(0)
		l.moveWithoutMaster(backwardDoubt)
	case l.mover.outgoing.on:
		l.moveWithoutMaster(forwardDoubt)
	default:
		l.serveWithoutMaster()
	}
}

// serveWithoutMaster serves on without a master, unless the worker is to drain then. What it has is its own.
func (l *loop) serveWithoutMaster() {
	l.succession.settled = true
	if l.spec.Orphans == link.OrphansDrain {
		l.drain(l.spec.ShutdownTimeout)
		return
	}
	l.awaitMaster()
}

const (
	// forwardDoubt is how long a worker without a master that gives to the next generation is in doubt whether that one has
	// a master, and so serves for good: it would say that it gives back.
	forwardDoubt = int64(time.Second)
	// backwardDoubt is the same for one that gives back. Those of earlier builds who give to it may just end.
	backwardDoubt = int64(100 * time.Millisecond)
)

// moveWithoutMaster goes on giving without a master, until nobody is left.
func (l *loop) moveWithoutMaster(doubt int64) {
	g := &l.mover.outgoing
	g.masterless, g.endsAfter, g.unwantedClosed = true, l.now+doubt, false
	if !l.succession.serving {
		g.endsAfter = l.now // nobody misses it
	}
	g.endIfEmpty()
	if !l.ended {
		l.succession.rendezvous.open()
	}
}

// awaitMaster serves on without a master, and waits for one.
func (l *loop) awaitMaster() {
	l.watchListeners(true)
	r := &l.succession.rendezvous
	r.open()
	if l.spec.Orphans == link.OrphansWait && !r.till.Armed() {
		r.till.Fire = func() { l.drain(l.spec.ShutdownTimeout) }
		l.timers.Set(&r.till, l.now+orphanWait)
	}
}

// open begins to wait for a master, if a name for that is to be had.
func (r *rendezvous) open() {
	l := r.l
	if r.fd >= 0 {
		return
	}
	for i := range maxOrphanNames {
		fd, err := sock.ListenSeqpacket(link.OrphanName(os.Getuid(), l.spec.ConfigFile, os.Getpid()+i*orphanStride), 1)
		if err != nil {
			continue
		}
		r.fd = fd
		if r.token, err = l.register(fd, r); err == nil {
			break
		}
		sock.Close(fd)
		r.fd = -1
	}
	if r.fd < 0 {
		r.retry(r.open)
	}
}

func (r *rendezvous) retry(do func()) {
	r.again.Fire = do
	r.l.timers.Set(&r.again, r.l.now+rendezvousAgain)
}

// close waits for nobody any more.
func (r *rendezvous) close() {
	l := r.l
	l.timers.Stop(&r.till)
	l.timers.Stop(&r.again)
	if r.fd < 0 {
		return
	}
	l.poller.Remove(r.fd)
	l.release(r.token)
	sock.Close(r.fd)
	r.fd = -1
}

// ready has whoever is trusted be the master. A second one finds nobody here while the first lives.
func (r *rendezvous) ready(poll.Event) { r.accept() }

func (r *rendezvous) accept() {
	for r.fd >= 0 {
		fd, err := sock.Accept(r.fd)
		if err != nil {
			if !sock.Again(err) { // no descriptor is free
				r.retry(r.accept)
			}
			return
		}
		uid, _, err := sock.PeerCredentials(fd)
		if err != nil || uid != os.Getuid() && uid != 0 {
			sock.Close(fd)
			continue
		}
		r.adopt(fd)
	}
}

// adopt makes the connection the worker link. What the worker has is its own now: it was left alone with it.
func (r *rendezvous) adopt(fd int) {
	l := r.l
	c, err := newMasterLink(l, fd)
	if err != nil {
		sock.Close(fd)
		return
	}
	r.close()
	l.master, l.succession.orphan, l.succession.settled = c, false, true
	l.mover.forgetReports()
	body := link.OrphanBody{Draining: l.draining.on, Moving: l.mover.outgoing.on && !l.draining.on}
	if l.draining.till.Armed() {
		body.Left = max(time.Duration(l.draining.till.Due()-l.now), time.Millisecond)
	}
	hello := link.AppendMessage(nil, link.Message{Kind: link.Orphan, Body: link.Body(body)})
	if err := sock.SendFDs(fd, hello, l.succession.origins[:]); err != nil {
		c.close()
	}
}
