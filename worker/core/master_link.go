// The worker link: messages from the master, and to it.

package core

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// masterLink is the worker's end of the worker link. Loop only.
type masterLink struct {
	l      *loop
	fd     int
	token  poll.Token
	buf    []byte
	fds    []int    // room for the descriptors of a message
	unsent [][]byte // messages that must arrive and that the socket had no room for; oldest first
	lost   uint64   // log lines for which the socket had no room
	loan   loan
}

// maxMessageFDs is how many descriptors a message of the master may bring; one is the most that makes sense.
const maxMessageFDs = 4

func newMasterLink(l *loop, fd int) (c *masterLink, err error) {
	c = &masterLink{l: l, fd: fd, buf: make([]byte, link.MaxMessageBytes), fds: make([]int, maxMessageFDs)}
	c.loan.retry.Fire = c.lend
	c.token, err = l.register(fd, c)
	return c, err
}

func (c *masterLink) ready(ev poll.Event) {
	if ev.Writable {
		c.resend()
	}
	for {
		n, got, _, err := sock.RecvFDs(c.fd, c.buf, c.fds) // who reads the message sees whether all have come
		switch {
		case err == unix.EAGAIN:
			return
		case err != nil || n == 0:
			sock.CloseAll(c.fds[:got])
			c.close()
			return
		}
		m, err := link.ParseMessage(c.buf[:n])
		if err == nil {
			err = c.handle(m, c.fds[:got])
		} else {
			sock.CloseAll(c.fds[:got])
		}
		if err != nil {
			c.l.log(logevent.MasterMessageFailed, err)
		}
	}
}

// handle carries out one message. It takes over the descriptors.
func (c *masterLink) handle(m link.Message, fds []int) error {
	switch m.Kind {
	case link.Peer:
		return c.handlePeer(m, fds)
	case link.Listen:
		return c.handleListen(m, fds)
	case link.Relocated:
		return c.handleTopology(m, fds)
	case link.Answer:
		return c.handleAnswer(m, fds)
	}
	sock.CloseAll(fds)
	l := c.l
	switch m.Kind {
	case link.Ping: // this is a turn
	case link.Serve:
		l.startAccepting()
	case link.Verbosity:
		if len(m.Body) == 1 {
			l.spec.Verbosity = int(m.Body[0])
		}
	case link.Inquire:
		return withBody(m, func(body link.InquireBody) { l.inquire(body.Servers) })
	case link.Removed:
		return withBody(m, func(body link.RemovedBody) { l.markRemoved(&body) })
	case link.Question:
		return c.handleQuestion(m)
	case link.Lend:
		c.loan.asked, c.loan.next = true, 0
		c.lend()
	case link.MoveClients:
		return withBody(m, func(body link.MoveClientsBody) { l.moveClients(body.Patience) })
	case link.Resume:
		l.keepClients()
		l.departIfSteady()
	case link.Settle:
		l.succession.settled = true
		l.endAttempt()
		l.departIfSteady()
	case link.Unlisten:
		return withBody(m, func(body link.ListenBody) { l.unlisten(body.For) })
	case link.Finish:
		return withBody(m, func(body link.FinishBody) { l.finish(body.Deadline) })
	case link.Announce:
		return withBody(m, func(body link.AnnounceBody) { l.announce(body) })
	case link.Drain:
		deadline, err := link.ParseDrain(m.Body)
		if err != nil {
			return err
		}
		l.drain(time.Duration(deadline) * time.Millisecond)
	case link.Quit:
		l.endWithClients()
	}
	return nil
}

// withBody has a message without descriptors carried out.
func withBody[T any](m link.Message, carryOut func(body T)) error {
	var body T
	if err := link.ParseBody(m, &body); err != nil {
		return err
	}
	carryOut(body)
	return nil
}

func (c *masterLink) handlePeer(m link.Message, fds []int) error {
	if fault.Error("workerlink.ctrunc") != nil {
		sock.CloseAll(fds)
		fds = nil
	}
	var body link.PeerBody
	if err := parseWithDescriptor(m, fds, &body); err != nil {
		c.l.reportUnjoined(body, err)
		return err
	}
	return c.l.addPeer(body, fds[0])
}

// errNoDescriptor is the error of a message whose descriptor the kernel had to drop.
var errNoDescriptor = errors.New("no descriptor is free: raise LimitNOFILE= (ulimit -n)")

func (c *masterLink) handleListen(m link.Message, fds []int) error {
	var body link.ListenBody
	if err := parseWithDescriptor(m, fds, &body); err != nil {
		return err
	}
	spec, fd := body.Listener, fds[0]
	err := errors.New("no such pool, or the worker is about to end")
	if spec.Pool >= 0 && spec.Pool < len(c.l.pools) && !c.l.draining.on {
		if err = sock.SetInherited(fd); err == nil {
			c.l.replace(spec)
			err = c.l.listenFor(fd, spec, body.For)
		}
	}
	if err != nil {
		sock.Close(fd)
		return fmt.Errorf("watching listener %q: %w", spec.Address, err)
	}
	return nil
}

// parseWithDescriptor reads the body of a message with one descriptor. With an error it closes all descriptors.
func parseWithDescriptor(m link.Message, fds []int, body any) error {
	err := link.ParseBody(m, body)
	if err == nil && len(fds) == 0 {
		err = errNoDescriptor
	}
	if err == nil && len(fds) > 1 {
		err = fmt.Errorf("the master has sent %d descriptors with an order that takes one, and the order is not followed", len(fds))
	}
	if err != nil {
		sock.CloseAll(fds)
	}
	return err
}

// startAccepting accepts clients from now on.
func (l *loop) startAccepting() {
	if l.draining.on || l.mover.outgoing.on {
		return
	}
	l.succession.serving = true
	l.watchListeners(true)
}

// close ends the link to a master that is dead.
func (c *masterLink) close() {
	l := c.l
	l.poller.Remove(c.fd)
	l.removeEntry(c.token)
	l.timers.Stop(&c.loan.retry)
	sock.Close(c.fd)
	l.master = nil
	l.orphaned()
}

// trySend sends the master a message, or drops it and returns false: the loop never waits for the master.
func (c *masterLink) trySend(kind link.Kind, body []byte) bool {
	if len(c.unsent) > 0 {
		return false
	}
	_, err := sock.Send(c.fd, link.AppendMessage(nil, link.Message{Kind: kind, Body: body}))
	return err == nil
}

// send sends the master a message, later if the socket is full. Without a master it is dropped: c may be nil.
func (c *masterLink) send(kind link.Kind, body []byte) {
	if c != nil && !c.trySend(kind, body) {
		c.unsent = append(c.unsent, link.AppendMessage(nil, link.Message{Kind: kind, Body: body}))
	}
}

// resend sends the queued messages.
func (c *masterLink) resend() {
	for len(c.unsent) > 0 {
		if _, err := sock.Send(c.fd, c.unsent[0]); err != nil {
			return
		}
		c.unsent = c.unsent[1:]
	}
	c.lend()
}
