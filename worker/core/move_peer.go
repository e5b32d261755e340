// The connection to a worker of another generation: the hands of a handoff.Link, with a socket.

package core

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// resendPause is how long a message waits that the kernel has refused for a reason of which no edge tells the end.
const resendPause = 10 * time.Millisecond

// peerLink is a worker of another generation, to give clients to or to take them from. Loop only.
type peerLink struct {
	l          *loop
	slot       int    // of the other worker
	share      int    // of the clients, in proportion to what other peers have; ≥ 1
	generation uint64 // its generation, where that is not the one before or after; 0: it is
	fd         int
	token      poll.Token
	link       *handoff.Link

	unsent      []handoff.Message // the socket has no room for them; oldest first
	resend      timer.Timer
	writeClosed bool // this end is closed for sending

	// Giving.
	sent        map[uint32]*sentBatch // by batch, until TAKEN
	failed      bool                  // nothing can be given any more; the master has been told
	hung        bool                  // because it does not answer
	sending     bool                  // it gives, so nothing is given to it
	attemptOver bool                  // it may still have clients to give, but this worker serves, and never gives any to it
	lost        int                   // clients that have ended with it
	dead        bool                  // its process has ended, or is about to
	moved       int                   // clients that it has got, since giving began
	returnable  int                   // clients that it has got and may give back
	batchLimit  int                   // clients in a batch; 1 ≤ limit ≤ usualBatch
	shortages   int                   // in a row
	pausedTill  int64                 // after a shortage

	// Taking.
	prepared   map[uint32][]*preparedClient // by batch, until COMMIT
	messageFDs []int                        // descriptors of the message at hand; -1 = in use
	truncated  bool                         // there were more of them
}

// addPeer begins to talk to a worker of another generation. It replaces one in the same slot, which has died; those of past
// attempts stay, since clients may be left there. The descriptor is its own. The master learns in any case whether the two can
// talk: as long as one pair cannot, nobody is to move.
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
	p.resend.Fire = p.write
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

// reportUnjoined tells the master that there is no way to a worker.
func (l *loop) reportUnjoined(body link.PeerBody, err error) {
	l.master.send(link.PeerFailed, link.Body(link.PeerFailedBody{
		Slot: body.Slot, Generation: body.Generation, Unjoined: true, Reason: err.Error(),
	}))
}

// endAttempt follows when an attempt is over and this worker serves: what peers have they may give, and get nothing.
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

// read hears what the other side has said.
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
		case err == unix.ECONNRESET: // it has gone without reading everything; what it has said comes next
		case err != nil:
			p.link.End(err.Error(), !sock.HungUp(p.fd))
		case n == 0:
			if p.l.unsettled() {
				fault.At("take.eof")
			}
			p.closedByPeer()
		default:
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

// closedByPeer follows when the other side has closed its end. One that lives can only write no more.
func (p *peerLink) closedByPeer() {
	if p.dead = sock.HungUp(p.fd); p.dead {
		p.link.End("it is gone", false)
	} else {
		p.link.End("it has ended the handoff, and its log says why", true)
	}
}

// Send is handoff.Hands.
func (p *peerLink) Send(m handoff.Message) (written bool) {
	if p.writeClosed {
		return false
	}
	if len(p.unsent) == 0 {
		switch err := p.writeMessage(m); {
		case err == nil:
			return true
		case !transient(err): // it is gone, and the end of the stream will tell
			return false
		}
		p.retryLater()
	}
	p.unsent = append(p.unsent, m)
	return false
}

// transient tells that a message which could not be written may be later.
func transient(err error) bool {
	switch err {
	case unix.EAGAIN, unix.ETOOMANYREFS, unix.ENOBUFS, unix.ENOMEM:
		return true
	}
	return false
}

func (p *peerLink) retryLater() { p.l.timers.Set(&p.resend, p.l.now+int64(resendPause)) }

// write writes what had no room.
func (p *peerLink) write() {
	for len(p.unsent) > 0 {
		m := p.unsent[0]
		err := p.writeMessage(m)
		if transient(err) {
			p.retryLater()
			return
		}
		p.unsent = p.unsent[1:]
		if err == nil {
			p.link.Sent(p.l.now, m)
		}
	}
	p.closeIfDone()
}

// passing are the names that tests have for what is about to be sent, for what has been, and for what has come.
var passing = map[handoff.Kind]struct{ before, after, received string }{
	handoff.Offer:    {"give.offer.before", "give.offer.after", "take.offer"},
	handoff.Prepared: {"take.prepared.before", "take.prepared.after", "give.prepared"},
	handoff.Commit:   {"give.commit.before", "give.commit.after", "take.commit"},
	handoff.Taken:    {"take.taken.before", "take.taken.after", "give.taken"},
}

// writeMessage writes one message, as a whole or not at all.
func (p *peerLink) writeMessage(m handoff.Message) error {
	point := passing[m.Kind].before
	if m.Kind == handoff.Hello {
		point = "give.hello"
		if p.l.unsettled() {
			point = "take.hello"
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
	if err == unix.ECONNRESET { // said once, of what has been; the truth of this message is still to come
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

// Failed is handoff.Hands.
func (p *peerLink) Failed(reason string) {
	l := p.l
	lost := p.lost
	if p.lost = 0; lost > 0 {
		reason += fmt.Sprintf("; %d clients may have ended with it", lost)
	} else if p.failed {
		return
	}
	p.failed = true
	if !l.mover.outgoing.on && !l.unsettled() || p.attemptOver && lost == 0 {
		return
	}
	how := levelWarn
	if p.dead && lost == 0 {
		how = levelDebug // it may have ended as it was to, which this worker hears later; a master knows why it has
	}
	l.logf(how, "worker %d of the other generation: %s", p.slot, reason)
	l.master.send(link.PeerFailed, link.Body(link.PeerFailedBody{Slot: p.slot, Generation: p.generation, Hung: p.hung, Reason: reason, Lost: lost}))
	l.mover.outgoing.reported = false
}

// closeIfDone closes what is done with.
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
	l.release(p.token)
	sock.Close(p.fd)
	p.fd = -1
	l.mover.peers = slices.DeleteFunc(l.mover.peers, func(other *peerLink) bool { return other == p })
}
