// The way between the two masters of an upgrade: a socket that keeps message borders and carries descriptors.

package master

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	maxLinkBytes = 64 << 10 // in one message; a longer one travels as a memory file
	maxLinkFDs   = 250      // below the kernel's 253
)

// masterLink is the counterpart that is another process. Nothing of it waits for that process.
type masterLink struct {
	transmit    func(msg message)                         // takes over the descriptors
	listen      func(report func(msg message, err error)) // reports from other goroutines; an error is the last report, or an *unsent
	hangUp      func()                                    // after what has been sent
	stopReading func()                                    // has the reports end, after what the other one has said so far
	flush       func()                                    // hangs up, and waits until that is done, for some seconds at most
}

// send sends a message after those that wait already. One that cannot be sent is reported, and none is sent after it.
func (l *masterLink) send(msg message) { l.transmit(msg) }

func (l *masterLink) close() { l.hangUp() }

// newMasterLink returns the link over a connected SOCK_SEQPACKET socket, which it takes over.
func newMasterLink(fd int) *masterLink {
	file := os.NewFile(uintptr(fd), "exchange")
	s := newSender(file, sendTimeout)
	return &masterLink{
		transmit: s.put,
		listen: func(report func(message, error)) {
			s.tell(func(err error) { report(message{}, err) })
			go receive(file, report)
		},
		hangUp:      s.closeWhenSent,
		stopReading: func() { stopReading(file) },
		flush:       s.flush,
	}
}

// longMessage stands for a text that is in a memory file. JSON never begins like this.
const longMessage = 'M'

// receive reports messages until the other end is gone.
func receive(file *os.File, report func(message, error)) {
	raw, err := file.SyscallConn()
	if err != nil {
		report(message{}, err)
		return
	}
	buf := make([]byte, maxLinkBytes+1)
	fds := make([]int, maxLinkFDs+1)
	for {
		var n, got int
		var truncated bool
		var errReceive error
		err := raw.Read(func(fd uintptr) bool {
			n, got, truncated, errReceive = sock.RecvFDs(int(fd), buf, fds)
			return !sock.Again(errReceive)
		})
		came := append([]int(nil), fds[:got]...)
		switch err = errors.Join(err, errReceive); {
		case err == nil && n == 0:
			err = io.EOF
		case err == nil && truncated:
			err = errors.New("the other master: descriptors are missing: raise LimitNOFILE= (ulimit -n)")
		}
		if err != nil {
			closeFDs(came)
			report(message{}, err)
			return
		}
		msg, err := unpack(buf[:n], came)
		if err != nil {
			report(message{}, fmt.Errorf("the other master: %w", err))
			return
		}
		report(msg, nil)
	}
}

// stopReading has receive come to an end once everything is read. The other end may be open in this very process, for a child.
func stopReading(file *os.File) {
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RD) })
	}
}

// closeFDs closes descriptors that nobody will use.
func closeFDs(fds []int) {
	for _, fd := range fds {
		sock.Close(fd)
	}
}

// unpack reads what a sender has sent. The descriptors become the message's.
func unpack(text []byte, fds []int) (msg message, err error) {
	if len(text) == 1 && text[0] == longMessage && len(fds) > 0 {
		text, err = sock.ReadAll(fds[0])
		sock.Close(fds[0])
		fds = fds[1:]
	}
	if err == nil {
		msg, err = parseMessage(text)
	}
	if err != nil {
		closeFDs(fds)
		return msg, err
	}
	msg.fds = fds
	return msg, nil
}

// receiveFrom has the link heard by one of the two sides.
func (m *master) receiveFrom(l *masterLink, asNew bool) {
	m.lastLink = l
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

// linkEnded follows the end of the other master, or nonsense from it, or that it cannot be told something.
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
	case asNew && m.newSide != nil && m.newSide.link == l && !over(err):
		m.newSide.linkBroken(err)
	case asNew && m.newSide != nil && m.newSide.link == l:
		m.newSide.oldMasterEnded(err)
	case asNew && m.predecessor.is(l):
		m.oldMasterGone()
	case !asNew && m.oldSide != nil && m.oldSide.link == l && !errors.Is(err, io.EOF):
		m.oldSide.fail(fmt.Errorf("new master: %w", err))
	}
	// Otherwise an old side learns of the end of its new master from the one who waits for the process.
}

// over tells that the other master has closed its end of the conversation, or is gone.
func over(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) }

// notSent follows when the other master has not got a message: it hangs, or the machine lacks something. One that is gone is
// noticed otherwise.
func (m *master) notSent(l *masterLink, asNew bool, u *unsent) {
	switch {
	case u.peerClosed():
	case asNew && m.newSide != nil && m.newSide.link == l:
		m.newSide.notSent(u)
	case asNew && m.predecessor.is(l):
		m.log.Printf(logfile.Error, "%v", u)
	case !asNew && m.oldSide != nil && m.oldSide.link == l:
		m.oldSide.notSent(u)
	}
}

// nameSockets adds copies of chosen listeners to a message. An error leaves the message without any: a master that inherited all but
// one would close that one's queue.
func (m *master) nameSockets(msg *message, chosen func(*listen.Listener) bool) error {
	for _, l := range m.listeners.All() {
		if !chosen(l) {
			continue
		}
		err := m.addSocket(msg, l.FD, socketName{Name: l.Name, Network: l.Network, Address: l.Address, Slot: l.Slot, Foreign: l.Foreign, Spot: messageSpotOf(l.Spot)})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *master) addSocket(msg *message, fd int, name socketName) error {
	own, err := m.world.dup(fd)
	if err != nil {
		m.closeUntaken(msg.fds)
		msg.Sockets, msg.fds = nil, nil
		return fmt.Errorf("passing on %q: %w", name.Name, err)
	}
	msg.Sockets = append(msg.Sockets, name)
	msg.fds = append(msg.fds, own)
	return nil
}

// addSockets takes over the sockets that a message names.
func (m *master) addSockets(msg message) {
	for i, s := range msg.Sockets {
		if i >= len(msg.fds) {
			return
		}
		fd := msg.fds[i]
		msg.fds[i] = -1
		switch s.Name {
		case statsSocket:
			m.statistics.fd = fd
		case adminSocketName:
			m.admin.fd, m.admin.spot = fd, s.Spot.spot()
		default:
			l := listen.Listener{
				Name: s.Name, Network: s.Network, Address: s.Address, Slot: s.Slot, Foreign: s.Foreign, Queues: true,
				Stored: !s.Foreign, // by the one who says this
				Socket: listen.Socket{FD: fd, Inode: m.world.sockets.Inode(fd)},
			}
			if s.Network == "unix" {
				if l.Spot = s.Spot.spot(); l.Spot == (listen.Spot{}) {
					l.Spot, _ = m.world.sockets.Locate(s.Address)
				}
				l.Unlink = m.world.sockets.UnlinkAt(s.Address, l.Spot)
			}
			if m.oldSide != nil { // what the new side has opened, to be kept safe until it has settled
				l.Fresh, l.Queues, l.Stored = true, false, false
			}
			m.listeners.Add(l)
		}
	}
}

// tellSockets says all that a new master inherits, in as many messages as it takes.
func (o *oldSide) tellSockets() error {
	m := o.m
	var all message
	err := m.nameSockets(&all, func(*listen.Listener) bool { return true })
	if err == nil && m.admin.fd >= 0 {
		err = m.addSocket(&all, m.admin.fd, socketName{Name: adminSocketName, Spot: messageSpotOf(m.admin.spot)})
	}
	if err != nil {
		return err
	}
	if m.statistics.port != nil {
		fd, err := m.world.fdOf(m.statistics.port)
		if err != nil {
			m.closeUntaken(all.fds)
			return fmt.Errorf("passing on the statistics port: %w", err)
		}
		all.Sockets, all.fds = append(all.Sockets, socketName{Name: statsSocket}), append(all.fds, fd)
	}
	for more := true; more; {
		n := min(len(all.fds), maxLinkFDs)
		more = n < len(all.fds)
		o.other.send(message{Kind: messageSockets, Sockets: all.Sockets[:n], fds: all.fds[:n], More: more})
		all.Sockets, all.fds = all.Sockets[n:], all.fds[n:]
	}
	return nil
}

// fdOf returns a copy of a listener's descriptor. Not by File, which would switch O_NONBLOCK off for all who share it.
func fdOf(l net.Listener) (fd int, err error) {
	conn, ok := l.(syscall.Conn)
	if !ok {
		return -1, fmt.Errorf("%T has no descriptor", l)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	var errDup error
	err = raw.Control(func(own uintptr) { fd, errDup = sock.Dup(int(own)) })
	return fd, errors.Join(err, errDup)
}

// listenerOf returns a listener on a copy of fd.
func listenerOf(fd int) (net.Listener, error) {
	own, err := sock.Dup(fd)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(own), "listener")
	defer file.Close()
	return net.FileListener(file)
}
