// Orphans: a worker whose master has died serves on, and listens on an abstract socket, the rendezvous, for the next master.
// The connection that this opens is then the worker link. A draining worker listens, too, so that a master that stops the
// service knows of it and of its clients, and so does one whose master has died in the middle of a handoff.

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
	// orphanWait is how long an orphan that is to drain serves first, in case a new master comes. A service manager starts
	// one within fractions of a second.
	orphanWait = int64(2 * time.Second)

	// rendezvousAgain is after how long opening the rendezvous, or accepting there, is tried again.
	rendezvousAgain = int64(100 * time.Millisecond)

	// Where another pid namespace has a worker of the same pid, the name is taken, and another one does as well.
	maxOrphanNames = 16
	orphanStride   = 1 << 22 // more than any pid
)

// rendezvous is the socket on which an orphan waits for a master. Loop only.
type rendezvous struct {
	l     *loop
	fd    int // listens; -1: closed
	token poll.Token
	till  timer.Timer // when the orphan drains; off: never
	timer timer.Timer // the next attempt; off: none is needed
}

// orphaned is called when the master is dead. Without one nothing restarts or reconfigures this worker, but its clients need
// not suffer: it serves and accepts until the next master comes, unless it is about to end, is moving its clients, or is
// configured to drain.
//
// A worker that is not settled rolls back: the old generation is still there, and it may still have a master. So this worker
// moves its clients back, and tells its peers at once, which may have lost their master, too, and then serve on. Until that
// is over the next master can adopt each of them.
func (l *loop) orphaned() {
	l.succession.orphan = true
	l.announced.revoke()
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

// serveWithoutMaster serves on, unless the configuration says to drain. The clients that this worker has received stay.
func (l *loop) serveWithoutMaster() {
	l.succession.settled = true
	if l.spec.Orphans == link.OrphansDrain {
		l.drain(l.spec.ShutdownTimeout)
		return
	}
	l.awaitMaster()
}

const (
	// forwardDoubt is how long a worker without a master that moves its clients to the next generation stays available for a
	// roll-back: if that generation has lost its master, too, its workers move the clients back.
	forwardDoubt = int64(time.Second)
	// backwardDoubt is the same for a worker that moves its clients back. Peers of earlier builds may just end.
	backwardDoubt = int64(100 * time.Millisecond)
)

// moveWithoutMaster continues the move without a master, until no client is left.
func (l *loop) moveWithoutMaster(doubt int64) {
	g := &l.mover.outgoing
	g.masterless, g.endsAfter, g.unwantedClosed = true, l.now+doubt, false
	if !l.succession.serving {
		g.endsAfter = l.now // it has never served, so nothing needs it
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

// open begins to listen for a master, if one of the names is free.
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
	r.timer.Fire = do
	r.l.timers.Set(&r.timer, r.l.now+rendezvousAgain)
}

// close ends waiting for a master.
func (r *rendezvous) close() {
	l := r.l
	l.timers.Stop(&r.till)
	l.timers.Stop(&r.timer)
	if r.fd < 0 {
		return
	}
	l.poller.Remove(r.fd)
	l.removeEntry(r.token)
	sock.Close(r.fd)
	r.fd = -1
}

// ready accepts a master. While that lives there is no rendezvous for a second one.
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

// adopt makes the connection the worker link. The clients that the worker has stay with it: its peers have no master either.
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
