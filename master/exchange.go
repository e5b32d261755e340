// The way between the two masters of an upgrade: a socket that keeps message borders and carries descriptors.

package master

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	maxWordBytes = 64 << 10 // in one message; a longer one travels as a memory file
	maxWordFDs   = 250      // below the kernel's 253
)

// exchange is the counterpart that is another process. Nothing of it waits for that process.
type exchange struct {
	transmit func(w word)                         // takes over the descriptors
	listen   func(report func(w word, err error)) // reports from other goroutines; an error is the last report, or an *unsaid
	hangUp   func()                               // after what has been said
	hush     func()                               // has the reports end, after what the other one has said so far
	flush    func()                               // hangs up, and waits until that is done, for some seconds at most
}

// say has a word said after those that wait already. One that cannot be said is reported, and none is said after it.
func (x *exchange) say(w word) { x.transmit(w) }

func (x *exchange) close() { x.hangUp() }

// newExchange returns the exchange over a connected SOCK_SEQPACKET socket, which it takes over.
func newExchange(fd int) *exchange {
	file := os.NewFile(uintptr(fd), "exchange")
	s := newSpeaker(file, sayTimeout)
	return &exchange{
		transmit: s.put,
		listen: func(report func(word, error)) {
			s.tell(func(err error) { report(word{}, err) })
			go receive(file, report)
		},
		hangUp: s.end,
		hush:   func() { hush(file) },
		flush:  s.flush,
	}
}

// longWord stands for a text that is in a memory file. JSON never begins like this.
const longWord = 'M'

// receive reports words until the other end is gone.
func receive(file *os.File, report func(word, error)) {
	raw, err := file.SyscallConn()
	if err != nil {
		report(word{}, err)
		return
	}
	buf := make([]byte, maxWordBytes+1)
	fds := make([]int, maxWordFDs+1)
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
			drop(came)
			report(word{}, err)
			return
		}
		w, err := unpack(buf[:n], came)
		if err != nil {
			report(word{}, fmt.Errorf("the other master: %w", err))
			return
		}
		report(w, nil)
	}
}

// hush has receive come to an end once everything is read. The other end may be open in this very process, for a child.
func hush(file *os.File) {
	if raw, err := file.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_RD) })
	}
}

// drop closes descriptors that nobody will use.
func drop(fds []int) {
	for _, fd := range fds {
		sock.Close(fd)
	}
}

// unpack reads what a speaker has sent. The descriptors become the word's.
func unpack(text []byte, fds []int) (w word, err error) {
	if len(text) == 1 && text[0] == longWord && len(fds) > 0 {
		text, err = sock.ReadAll(fds[0])
		sock.Close(fds[0])
		fds = fds[1:]
	}
	if err == nil {
		w, err = parseWord(text)
	}
	if err != nil {
		drop(fds)
		return w, err
	}
	w.fds = fds
	return w, nil
}

// begin has the exchange heard by one of the two sides.
func (m *master) begin(x *exchange, asTarget bool) {
	m.spoken = x
	x.listen(func(w word, err error) {
		m.world.report(event{then: func() {
			if err == nil {
				m.hear(w, asTarget)
				return
			}
			m.exchangeEnded(x, asTarget, err)
		}})
	})
}

// exchangeEnded follows the end of the other master, or nonsense from it, or that it cannot be told something.
func (m *master) exchangeEnded(x *exchange, asTarget bool, err error) {
	if u := (*unsaid)(nil); errors.As(err, &u) {
		m.notSaid(x, asTarget, u)
		return
	}
	if s := m.source; !asTarget && s != nil && s.exchange == x {
		s.silent = true
		if end := s.childEnded; end != nil {
			s.childEnded = nil
			s.ended(end)
			return
		}
	}
	switch {
	case asTarget && m.target != nil && m.target.exchange == x && !over(err):
		m.target.misheard(err)
	case asTarget && m.target != nil && m.target.exchange == x:
		m.target.orphaned(err)
	case asTarget && m.predecessor == x:
		m.relieve()
	case !asTarget && m.source != nil && m.source.exchange == x && !errors.Is(err, io.EOF):
		m.source.fail(fmt.Errorf("new master: %w", err))
	}
	// Otherwise a source learns of the end of its new master from the one who waits for the process.
}

// over tells that the other master has closed its end of the conversation, or is gone.
func over(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) }

// notSaid follows when the other master has not got a word: it hangs, or the machine lacks something. One that is gone is
// noticed otherwise.
func (m *master) notSaid(x *exchange, asTarget bool, u *unsaid) {
	switch {
	case u.gone():
	case asTarget && m.target != nil && m.target.exchange == x:
		m.target.notSaid(u)
	case asTarget && m.predecessor == x:
		m.log.Printf(logfile.Error, "%v", u)
	case !asTarget && m.source != nil && m.source.exchange == x:
		m.source.notSaid(u)
	}
}

// nameSockets adds copies of chosen listeners to a word. An error leaves the word without any: a master that inherited all but
// one would close that one's queue.
func (m *master) nameSockets(w *word, chosen func(*listener) bool) error {
	for i := range m.listeners {
		l := &m.listeners[i]
		if !chosen(l) {
			continue
		}
		err := m.addSocket(w, l.fd, socketName{Name: l.name, Network: l.network, Address: l.address, Slot: l.slot, Foreign: l.foreign, Spot: wordSpotOf(l.spot)})
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *master) addSocket(w *word, fd int, name socketName) error {
	own, err := m.world.dup(fd)
	if err != nil {
		m.closeRest(w.fds)
		w.Sockets, w.fds = nil, nil
		return fmt.Errorf("passing on %q: %w", name.Name, err)
	}
	w.Sockets = append(w.Sockets, name)
	w.fds = append(w.fds, own)
	return nil
}

// addSockets takes over the sockets that a word names.
func (m *master) addSockets(w word) {
	for i, s := range w.Sockets {
		if i >= len(w.fds) {
			return
		}
		fd := w.fds[i]
		w.fds[i] = -1
		switch s.Name {
		case statsSocket:
			m.statistics.fd = fd
		case adminSocketName:
			m.admin.fd, m.admin.spot = fd, s.Spot.spot()
		default:
			l := listener{
				name: s.Name, network: s.Network, address: s.Address, slot: s.Slot, foreign: s.Foreign, queues: true,
				stored: !s.Foreign, // by the one who says this
				socket: socket{fd: fd, inode: m.world.inode(fd)},
			}
			if s.Network == "unix" {
				if l.spot = s.Spot.spot(); l.spot == (spot{}) {
					l.spot, _ = m.world.locate(s.Address)
				}
				l.unlink = m.world.unlinkAt(s.Address, l.spot)
			}
			if m.source != nil { // what the target has opened, to be kept safe until it has settled
				l.fresh, l.queues, l.stored = true, false, false
			}
			m.listeners = append(m.listeners, l)
		}
	}
}

// tellSockets says all that a new master inherits, in as many words as it takes.
func (s *source) tellSockets() error {
	m := s.m
	var all word
	err := m.nameSockets(&all, func(*listener) bool { return true })
	if err == nil && m.admin.fd >= 0 {
		err = m.addSocket(&all, m.admin.fd, socketName{Name: adminSocketName, Spot: wordSpotOf(m.admin.spot)})
	}
	if err != nil {
		return err
	}
	if m.statistics.port != nil {
		fd, err := m.world.fdOf(m.statistics.port)
		if err != nil {
			m.closeRest(all.fds)
			return fmt.Errorf("passing on the statistics port: %w", err)
		}
		all.Sockets, all.fds = append(all.Sockets, socketName{Name: statsSocket}), append(all.fds, fd)
	}
	for more := true; more; {
		n := min(len(all.fds), maxWordFDs)
		more = n < len(all.fds)
		s.target.say(word{Kind: wordSockets, Sockets: all.Sockets[:n], fds: all.fds[:n], More: more})
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
