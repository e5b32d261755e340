// The way between the two masters of an upgrade: a socket that keeps message borders and carries descriptors.

package master

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/pinion-proxy/pinion/worker/sock"
)

const (
	maxWordBytes = 64 << 10 // in one message; a longer one travels as a memory file
	maxWordFDs   = 250      // below the kernel's 253
)

// exchange is the counterpart that is another process.
type exchange struct {
	transmit func(w word) error                   // takes over the descriptors
	listen   func(report func(w word, err error)) // reports from another goroutine; an error is the last report
	hangUp   func()
}

// say drops what cannot be said: the one who does not listen is dead or hangs, and either is noticed.
func (x *exchange) say(w word) { x.transmit(w) }

func (x *exchange) close() { x.hangUp() }

// newExchange returns the exchange over a connected SOCK_SEQPACKET socket, which it takes over.
func newExchange(fd int) *exchange {
	file := os.NewFile(uintptr(fd), "exchange")
	return &exchange{
		transmit: func(w word) error { return transmit(file, w) },
		listen:   func(report func(word, error)) { go receive(file, report) },
		hangUp:   func() { file.Close() },
	}
}

// transmit sends a word in one message: its JSON, or nothing and a memory file with the JSON as the first descriptor.
func transmit(file *os.File, w word) error {
	fds := w.fds
	defer func() {
		for _, fd := range fds {
			sock.Close(fd)
		}
	}()
	text, err := appendWord(nil, w)
	if err != nil {
		return err
	}
	if len(text) > maxWordBytes {
		memory, err := sock.MemfdSealed("pinion-word", text)
		if err != nil {
			return err
		}
		fds = append([]int{memory}, fds...)
		text = []byte{longWord}
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var errSend error
	err = raw.Write(func(fd uintptr) bool {
		errSend = sock.SendFDs(int(fd), text, fds)
		return !sock.Again(errSend)
	})
	return errors.Join(err, errSend)
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
		if err = errors.Join(err, errReceive); err == nil && n == 0 {
			err = io.EOF
		}
		if err != nil {
			report(word{}, err)
			return
		}
		w, err := unpack(buf[:n], append([]int(nil), fds[:got]...))
		if err == nil && truncated {
			err = errors.New("descriptors are missing: raise LimitNOFILE= (ulimit -n)")
		}
		if err != nil {
			report(word{}, fmt.Errorf("the other master: %w", err))
			return
		}
		report(w, nil)
	}
}

// unpack reads what transmit has sent. The descriptors become the word's.
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
		for _, fd := range fds {
			sock.Close(fd)
		}
		return w, err
	}
	w.fds = fds
	return w, nil
}

// begin has the exchange heard by one of the two sides.
func (m *master) begin(x *exchange, asTarget bool) {
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

// exchangeEnded follows the end of the other master, or nonsense from it.
func (m *master) exchangeEnded(x *exchange, asTarget bool, err error) {
	switch {
	case asTarget && m.target != nil && m.target.exchange == x:
		m.target.orphaned(err)
	case asTarget && m.predecessor == x:
		m.predecessor = nil
		m.succeedInherited()
		m.unstore(m.stored) // which it has done itself, unless it was killed
		m.stored = nil
		m.storeAgain()
		x.close()
		m.next()
	case !asTarget && m.source != nil && m.source.exchange == x && !errors.Is(err, io.EOF):
		m.source.fail(fmt.Errorf("new master: %w", err))
	}
	// Otherwise a source learns of the end of its new master from the one who waits for the process.
}

// nameSockets adds descriptors of chosen listeners to a word.
func (m *master) nameSockets(w *word, chosen func(*listener) bool) {
	for i := range m.listeners {
		l := &m.listeners[i]
		if chosen(l) {
			m.addSocket(w, l.fd, socketName{Name: l.name, Network: l.network, Address: l.address, Slot: l.slot, Foreign: l.foreign, Spot: wordSpotOf(l.spot)})
		}
	}
}

func (m *master) addSocket(w *word, fd int, name socketName) {
	if own, err := m.world.dup(fd); err == nil {
		w.Sockets = append(w.Sockets, name)
		w.fds = append(w.fds, own)
	}
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
			m.statsFD = fd
		case controlSocket:
			m.controlFD, m.controlSpot = fd, s.Spot.spot()
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
func (s *source) tellSockets() {
	m := s.m
	var all word
	m.nameSockets(&all, func(*listener) bool { return true })
	if m.stats != nil {
		if fd, err := m.world.fdOf(m.stats); err == nil {
			all.Sockets, all.fds = append(all.Sockets, socketName{Name: statsSocket}), append(all.fds, fd)
		}
	}
	if m.controlFD >= 0 {
		m.addSocket(&all, m.controlFD, socketName{Name: controlSocket, Spot: wordSpotOf(m.controlSpot)})
	}
	for more := true; more; {
		n := min(len(all.fds), maxWordFDs)
		more = n < len(all.fds)
		s.target.say(word{Kind: wordSockets, Sockets: all.Sockets[:n], fds: all.fds[:n], More: more})
		all.Sockets, all.fds = all.Sockets[n:], all.fds[n:]
	}
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
