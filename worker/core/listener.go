// Accepting clients.

package core

import (
	"math"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// listener is one inherited listening socket. It is watched level-triggered: connections left in the queue are reported
// again. While another generation accepts from it, it is held but not watched. Loop only.
type listener struct {
	pool     *pool
	spec     link.Listener
	at       netip.AddrPort // of TCP
	dual     bool           // takes IPv4 as well as IPv6
	fd       int
	standIn  int // 1 + the slot whose worker does not accept from it at present; 0: it is this worker's own
	watched  bool
	removed  bool // its address is not in the next configuration, so no other worker accepts from it
	token    poll.Token
	kept     int // an accepted connection that could not be watched yet; -1: none
	pause    timer.Timer
	closing  timer.Timer // then it is closed; off: it is not to be
	loggedAt int64
}

// listen takes over an inherited socket, and accepts from it unless the old generation still does.
func (l *loop) listen(fd int, spec link.Listener) error { return l.listenFor(fd, spec, 0) }

// listenFor is listen for a socket that is another slot's, see listener.standIn.
func (l *loop) listenFor(fd int, spec link.Listener, standIn int) error {
	ln := &listener{pool: l.pools[spec.Pool], spec: spec, fd: fd, standIn: standIn, kept: -1}
	if spec.Network == "tcp" {
		ln.at, ln.dual = sock.ListensOn(fd)
	}
	ln.pause.Fire, ln.closing.Fire = ln.watch, ln.closeWhenEmpty
	ln.token = l.addEntry(ln)
	if l.accepting {
		if err := l.poller.AddListener(fd, ln.token, spec.Shared); err != nil {
			l.removeEntry(ln.token)
			return err
		}
		ln.watched = true
	}
	l.listeners = append(l.listeners, ln)
	l.opened()
	return nil
}

// unlisten closes the listeners of another slot, whose worker accepts again.
func (l *loop) unlisten(standIn int) {
	for _, ln := range slices.Clone(l.listeners) {
		if standIn != 0 && ln.standIn == standIn {
			ln.close()
		}
	}
}

// watchListeners begins to accept, or stops, except from listeners that no other generation has.
func (l *loop) watchListeners(accepting bool) {
	l.accepting = accepting
	for _, ln := range l.listeners {
		if accepting || ln.removed {
			ln.watch()
		} else {
			ln.unwatch()
		}
	}
}

func (ln *listener) watch() {
	l := ln.pool.l
	if ln.watched {
		return
	}
	l.timers.Stop(&ln.pause)
	err := fault.Error("accept.watch")
	if err == nil {
		err = l.poller.AddListener(ln.fd, ln.token, ln.spec.Shared)
	}
	if err != nil {
		l.log(logevent.ListenerUnwatched, ln.pool.name, err)
		l.timers.Set(&ln.pause, l.now+int64(acceptPause))
		return
	}
	ln.watched = true
	ln.acceptKept()
}

// unwatch leaves the queue to other workers. An accepted connection that still cannot be watched is closed.
func (ln *listener) unwatch() {
	ln.removeFromPoller()
	ln.pool.l.timers.Stop(&ln.pause)
	if err := ln.watchKept(); err != nil {
		ln.pool.l.log(logevent.AcceptFailed, ln.pool.name, err)
		*ln.pool.counters[link.ClientConnections]--
		sock.Close(ln.kept)
		ln.kept = -1
	}
}

func (ln *listener) removeFromPoller() {
	if ln.watched {
		ln.watched = false
		ln.pool.l.poller.Remove(ln.fd)
	}
}

// acceptKept tries again to watch the connection for which there was no room, and tells whether there is none now.
func (ln *listener) acceptKept() (done bool) {
	if err := ln.watchKept(); err != nil {
		ln.mute(err)
		return false
	}
	return true
}

func (ln *listener) watchKept() error {
	if ln.kept < 0 {
		return nil
	}
	err := ln.pool.l.addClient(ln.kept, ln)
	if err == nil {
		ln.kept = -1
	}
	return err
}

// closeListeners ends accepting for good: at once, or soon where no other worker accepts.
func (l *loop) closeListeners() {
	l.accepting = false
	for _, ln := range slices.Clone(l.listeners) {
		if ln.removed {
			ln.closeSoon()
		} else {
			ln.close()
		}
	}
}

func (ln *listener) close() {
	l := ln.pool.l
	ln.unwatch()
	l.timers.Stop(&ln.closing)
	l.removeEntry(ln.token)
	sock.Close(ln.fd)
	l.closed()
	l.listeners = slices.DeleteFunc(l.listeners, func(other *listener) bool { return other == ln })
}

// acceptBatch is how many connections a listener may accept in a turn.
const acceptBatch = 64

func (ln *listener) ready(poll.Event) { ln.accept(acceptBatch, ln.pool.l.ceiling()) }

// acceptAll empties the queue, since no other worker will, and tells whether it could. No descriptors are reserved for a
// handoff any more.
func (ln *listener) acceptAll() (empty bool) { return ln.accept(math.MaxInt, math.MaxInt) }

// accept takes up to limit connections off the queue, whose descriptors are to be below ceiling, and tells whether it is
// empty.
func (ln *listener) accept(limit, ceiling int) (empty bool) {
	l := ln.pool.l
	if !ln.acceptKept() {
		return false
	}
	for range limit {
		if l.reachesCeiling(ceiling) || l.isCrowded(ceiling) {
			ln.mute(errSpared)
			return false
		}
		fd, err := sock.Accept(ln.fd)
		switch err {
		case nil:
			l.descriptors.newest = fd
			if !ln.pool.admit() {
				ln.turnAway(fd)
				continue
			}
			ln.kept = fd
			if !ln.acceptKept() {
				return false
			}
		case unix.EAGAIN:
			return true
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			ln.mute(err)
			return false
		default: // a connection that broke while it waited: the next one may be fine
		}
	}
	return false
}
