// How messages come to the two sides of a handoff: from the other master, or, at a reload, from the other side in this one.

package master

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/pinion-proxy/pinion/master/logfile"
)

// counterpart is the other side of a handoff. It owns the descriptors of messages that are sent to it.
type counterpart interface{ send(msg message) }

// localSide is the counterpart at a reload, where one master is both sides. A message is delivered at the end of the present
// event, but at once if it carries descriptors, so that these do not pile up.
type localSide struct {
	m     *master
	toNew bool
}

func (l localSide) send(msg message) {
	if len(msg.fds) > 0 {
		l.m.dispatch(msg, l.toNew)
		return
	}
	l.m.local = append(l.m.local, localMessage{msg, l.toNew})
}

// localMessage is a message on its way to one of the two sides.
type localMessage struct {
	message
	toNew bool
}

// deliverLocal delivers the messages between the two sides of a reload until there are none.
func (m *master) deliverLocal() {
	for len(m.local) > 0 {
		next := m.local[0]
		m.local = m.local[1:]
		m.dispatch(next.message, next.toNew)
	}
}

// dispatch passes a message to the new side or to the old side, and closes the descriptors that were not taken (replaced by
// -1).
func (m *master) dispatch(msg message, asNew bool) {
	switch {
	case asNew && msg.Kind == messageWorker:
		m.adopt(msg)
	case asNew && msg.Kind == messagePeer && msg.Generation > 0:
		m.peerFromOldMaster(msg)
	case asNew && msg.Kind == messageFarewell:
		m.heardFarewell(msg)
	case msg.Kind == messageIntent:
		m.handleIntent(msg, asNew)
	case asNew && m.newSide != nil:
		m.newSide.handle(msg)
	case !asNew && m.oldSide != nil:
		m.oldSide.handle(msg)
	}
	for _, fd := range msg.fds {
		if fd >= 0 {
			m.world.close(fd)
		}
	}
}

// receiveFrom has the link heard by one of the two sides.
func (m *master) receiveFrom(l *masterLink, asNew bool) {
	m.masters.lastLink = l
	l.listen(func(msg message, err error) {
		m.world.report(event{then: func() {
			if err == nil {
				m.dispatch(msg, asNew)
				return
			}
			m.linkEnded(l, asNew, err)
		}})
	})
}

// linkEnded is called after the end of the other master, or nonsense from it, or that it cannot be told something.
func (m *master) linkEnded(l *masterLink, asNew bool, err error) {
	if u := (*unsent)(nil); errors.As(err, &u) {
		m.notSent(l, asNew, u)
		return
	}
	if o := m.oldSide; !asNew && o != nil && o.link == l {
		o.linkClosed = true
		if end := o.newMasterExit; end != nil {
			o.newMasterExit = nil
			o.newMasterEnded(end)
			return
		}
	}
	switch {
	case asNew && m.newSide != nil && m.newSide.link == l && !linkIsClosed(err):
		m.newSide.linkBroken(err)
	case asNew && m.newSide != nil && m.newSide.link == l:
		m.newSide.oldMasterEnded(err)
	case asNew && m.masters.old.is(l):
		m.oldMasterGone()
	case !asNew && m.oldSide != nil && m.oldSide.link == l && !errors.Is(err, io.EOF):
		m.oldSide.fail(fmt.Errorf("new master: %w", err))
	}
	// Otherwise an old side learns of the end of its new master from the one who waits for the process.
}

// linkIsClosed reports that the other master has closed its end of the conversation, or is gone.
func linkIsClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}

// notSent is called when the other master has not got a message: it hangs, or the machine lacks something. One that is gone
// is noticed otherwise.
func (m *master) notSent(l *masterLink, asNew bool, u *unsent) {
	switch {
	case u.peerClosed():
	case asNew && m.newSide != nil && m.newSide.link == l:
		m.newSide.notSent(u)
	case asNew && m.masters.old.is(l):
		m.log.Event(logfile.MessageUnsent, u)
	case !asNew && m.oldSide != nil && m.oldSide.link == l:
		m.oldSide.notSent(u)
	}
}
