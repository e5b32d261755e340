// The link to a worker of another generation: a socket, and the handler of its handoff.Link.

package core

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// resendPause is after how long a message is sent again that the kernel has refused for a reason whose end no event
// announces.
const resendPause = 10 * time.Millisecond

// peerLink is a worker of another generation, which clients move to or from. Loop only.
type peerLink struct {
	l          *loop
	slot       int    // of the other worker
	share      int    // of the clients that move, in proportion to the other peers' shares; ≥ 1
	generation uint64 // the peer's, where that is not the one before or after this worker's; 0: it is
	fd         int
	token      poll.Token
	link       *handoff.Link

	unsent      []handoff.Message // messages that the socket had no room for; oldest first
	resend      timer.Timer
	writeClosed bool // this end is shut down for writing

	// Outgoing.
	sent        map[uint32]*sentBatch // batches that are on their way to the peer, until TAKEN
	failed      bool                  // nothing more can move to the peer; the master has been told
	hung        bool                  // it has failed since it does not answer
	sending     bool                  // clients move here from the peer, so none move to it
	attemptOver bool                  // its reload or upgrade is over and this worker serves: clients may still come back, none go
	lost        int                   // clients that have ended with the peer
	dead        bool                  // its process has ended, or is about to
	moved       int                   // clients that have moved to it since this move began
	returnable  int                   // descriptors of clients that have moved to it and may still be moved back
	batchLimit  int                   // clients in a batch; 1 ≤ batchLimit ≤ usualBatch
	shortages   int                   // in a row
	pausedTill  int64                 // after a shortage

	// Incoming.
	prepared   map[uint32][]*preparedClient // clients of batches that wait for COMMIT
	messageFDs []int                        // descriptors of the message at hand; -1 = taken over
	truncated  bool                         // there were more of them
}

// addPeer opens the link to a worker of another generation on fd, which it takes over. A link to the same slot and generation
// is replaced: that worker has died. Links of past attempts stay, since clients may still come back through them. The master
// learns in any case whether the two workers can talk: as long as one pair cannot, no client moves.
func (l *loop) addPeer(body link.PeerBody, fd int) error {
	slot := body.Slot
	for _, p := range slices.Clone(l.mover.peers) {
		if p.slot == slot && p.generation == body.Generation && !p.attemptOver {
			p.failed = true // as the master knows
			p.link.Retire("replaced")
			p.closeIfDone()
		}
	}
	p := &peerLink{
		l: l, slot: slot, share: max(body.Share, 1), generation: body.Generation, fd: fd, batchLimit: usualBatch,
		attemptOver: !l.unsettled() && 0 < body.Generation && body.Generation < l.spec.Generation,
		sent:        map[uint32]*sentBatch{}, prepared: map[uint32][]*preparedClient{},
	}
	l.mover.joined = body.Generation
	l.mover.failedEarly = slices.DeleteFunc(l.mover.failedEarly, func(failed link.PeerFailedBody) bool { return failed.Slot == slot })
	p.resend.Fire = p.retry
	p.link = handoff.NewLink(p, l.spec.Build)
	err := fault.Error("peer.join")
	if err == nil {
		err = sock.SetInherited(fd)
	}
	if err == nil {
		p.token, err = l.register(fd, p)
	}
	if err != nil {
		sock.Close(fd)
		l.reportUnjoined(body, err)
		return fmt.Errorf("joining worker %d of the other generation: %w", slot, err)
	}
	l.mover.peers = append(l.mover.peers, p)
	slices.SortStableFunc(l.mover.peers, func(a, b *peerLink) int { return a.slot - b.slot })
	p.link.Start(l.now)
	l.mover.outgoing.restart()
	l.master.send(link.Joined, link.Body(link.PeerBody{Slot: slot, Generation: body.Generation}))
	return nil
}

// reportUnjoined tells the master that there is no link to a worker.
func (l *loop) reportUnjoined(body link.PeerBody, err error) {
	l.master.send(link.PeerFailed, link.Body(link.PeerFailedBody{
		Slot: body.Slot, Generation: body.Generation, Unjoined: true, Reason: err.Error(),
	}))
}

// endAttempt is called when a reload or an upgrade is over and this worker serves: clients may still come back from its
// peers, none go to them.
func (l *loop) endAttempt() {
	for _, p := range l.mover.peers {
		p.attemptOver = true
	}
}

func (p *peerLink) ready(ev poll.Event) {
	if ev.Writable {
		p.write()
	}
	if ev.Readable {
		p.read()
	}
	p.closeIfDone()
	p.l.endIfDrained()
}

// read handles all messages that the socket has.
func (p *peerLink) read() {
	var (
		buf [handoff.MaxMessageBytes]byte
		fds [sock.MaxFDs]int
	)
	for !p.link.Ended() {
		n, got, truncated, err := sock.RecvFDs(p.fd, buf[:], fds[:])
		p.messageFDs, p.truncated = fds[:got], truncated
		switch {
		case err == unix.EAGAIN:
			return
		case err == unix.ECONNRESET: // the peer has closed without reading everything; what it has sent comes next
		case err != nil && n == 0: // it is not the end, behind which the batches that the peer has not taken back would be this worker's
			p.retryLater()
			return
		case n == 0:
			if p.l.unsettled() {
				fault.At("incoming.eof")
			}
			p.closedByPeer()
		default:
			p.truncated = truncated || err != nil
			p.link.Receive(p.l.now, buf[:n])
		}
		for _, fd := range p.messageFDs {
			if fd >= 0 {
				sock.Close(fd)
			}
		}
		p.messageFDs = nil
	}
}

// closedByPeer is called when the peer has shut down its end. One that still lives only cannot write any more.
func (p *peerLink) closedByPeer() {
	if p.dead = sock.HungUp(p.fd); p.dead {
		p.link.End("it is gone", false)
	} else {
		p.link.End("it has ended the handoff, and its log says why", true)
	}
}

// Send implements handoff.Handler.
func (p *peerLink) Send(m handoff.Message) (written bool) {
	if p.writeClosed {
		return false
	}
	if len(p.unsent) == 0 {
		switch err := p.writeMessage(m); {
		case err == nil:
			return true
		case !p.mayRetry(m, err): // it is gone, and the end of the stream will tell
			return m.Kind == handoff.Abort
		}
		p.retryLater()
	}
	p.unsent = append(p.unsent, m)
	return false
}

// mayRetry tells whether a message that could not be written is to be written later. An ABORT is, unless the peer is gone: its batch is
// frozen until then.
func (p *peerLink) mayRetry(m handoff.Message, err error) bool {
	return transient(err) || m.Kind == handoff.Abort && !sock.HungUp(p.fd)
}

// transient tells whether a message that could not be written may be written later.
func transient(err error) bool {
	switch err {
	case unix.EAGAIN, unix.ETOOMANYREFS, unix.ENOBUFS, unix.ENOMEM:
		return true
	}
	return false
}

// retry does again what the system had no room for.
func (p *peerLink) retry() {
	p.read()
	p.write()
}

func (p *peerLink) retryLater() { p.l.timers.Set(&p.resend, p.l.now+int64(resendPause)) }

// write writes the unsent messages.
func (p *peerLink) write() {
	for len(p.unsent) > 0 {
		m := p.unsent[0]
		err := p.writeMessage(m)
		if err != nil && p.mayRetry(m, err) {
			p.retryLater()
			return
		}
		p.unsent = p.unsent[1:]
		if err == nil || m.Kind == handoff.Abort {
			p.link.Sent(p.l.now, m)
		}
	}
	p.closeIfDone()
}

// passing names the fault points before a message is sent, after it was sent, and when one was received.
var passing = map[handoff.Kind]struct{ before, after, received string }{
	handoff.Offer:    {"outgoing.offer.before", "outgoing.offer.after", "incoming.offer"},
	handoff.Prepared: {"incoming.prepared.before", "incoming.prepared.after", "outgoing.prepared"},
	handoff.Commit:   {"outgoing.commit.before", "outgoing.commit.after", "incoming.commit"},
	handoff.Taken:    {"incoming.taken.before", "incoming.taken.after", "outgoing.taken"},
	handoff.Abort:    {"outgoing.abort.before", "outgoing.abort.after", "incoming.abort"},
}

// writeMessage writes one message, as a whole or not at all.
func (p *peerLink) writeMessage(m handoff.Message) error {
	point := passing[m.Kind].before
	if m.Kind == handoff.Hello {
		point = "outgoing.hello"
		if p.l.unsettled() {
			point = "incoming.hello"
		}
	}
	wire := handoff.AppendMessage(nil, m)
	switch err := fault.Error(point); err {
	case nil:
	case fault.ErrGarbage:
		wire = []byte("garbage")
	case fault.ErrShortWrite:
		wire = wire[:len(wire)-1]
	default:
		return unix.ENOMEM
	}
	var fds []int
	o := p.sent[m.Batch]
	if m.Kind == handoff.Offer {
		fds = o.descriptors()
	}
	err := sock.SendFDs(p.fd, wire, fds)
	if err == unix.ECONNRESET { // reported once, about the past; this message may still go out
		err = sock.SendFDs(p.fd, wire, fds)
	}
	if err == nil {
		fault.At(passing[m.Kind].after)
	}
	if m.Kind == handoff.Offer && !transient(err) {
		o.closeState()
	}
	return err
}

// Failed implements handoff.Handler.
func (p *peerLink) Failed(reason string) {
	l := p.l
	lost := p.lost
	if p.lost = 0; lost > 0 {
		reason += fmt.Sprintf("; %d clients may have ended with it", lost)
	} else if p.failed {
		return
	}
	p.failed = true
	body := link.PeerFailedBody{Slot: p.slot, Generation: p.generation, Hung: p.hung, Gone: p.dead, Reason: reason, Lost: lost}
	switch {
	case p.attemptOver && lost == 0:
	case l.mover.outgoing.on || l.unsettled():
		l.tellPeerFailed(body)
	default:
		l.mover.failedEarly = append(l.mover.failedEarly, body)
	}
}

// tellPeerFailed tells the log and the master of a peer to which no more clients can move.
func (l *loop) tellPeerFailed(body link.PeerFailedBody) {
	how := logevent.Warn
	if body.Gone && body.Lost == 0 {
		how = logevent.Debug // it may have ended as it was to, which this worker hears later; a master knows why it has
	}
	l.logAt(how, logevent.PeerFailed, body.Slot, body.Reason)
	l.master.send(link.PeerFailed, link.Body(body))
	l.mover.outgoing.reported = false
}

// tellFailedEarly tells of peers that failed when no clients were to move yet, and which the master can connect anew.
func (l *loop) tellFailedEarly() {
	all := l.mover.failedEarly
	l.mover.failedEarly = nil
	for _, body := range all {
		if body.Generation == l.mover.joined {
			l.tellPeerFailed(body)
		}
	}
}

// closeIfDone closes the link once nothing more can come or go.
func (p *peerLink) closeIfDone() {
	if !p.link.Retired() || len(p.unsent) > 0 || p.fd < 0 {
		return
	}
	l := p.l
	if !p.link.Ended() {
		if !p.writeClosed { // what the other side was promised it may still claim
			p.writeClosed = true
			sock.ShutdownWrite(p.fd)
		}
		return
	}
	l.timers.Stop(&p.resend)
	l.poller.Remove(p.fd)
	l.removeEntry(p.token)
	sock.Close(p.fd)
	p.fd = -1
	l.mover.peers = slices.DeleteFunc(l.mover.peers, func(other *peerLink) bool { return other == p })
}
