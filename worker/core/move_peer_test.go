// The worker's surroundings: the far ends of its sockets, in the hands of the test.

package core

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// peer is the far end of one socket: a client, one connection of a fake server, or the master.
type peer struct {
	name  string
	fd    int // -1 = closed from this side
	got   []byte
	deaf  bool   // does not receive
	ended bool   // the worker has closed its end
	shown bool   // ended is in the transcript
	rest  []byte // what the socket had no room for
	tls   *fakeTLS
}

// send writes b with the next turns, as the socket takes it.
func (p *peer) send(b []byte) {
	if p.tls != nil {
		p.tls.say = append(p.tls.say, b...)
		return
	}
	p.rest = append(p.rest, b...)
}

// push writes what the socket takes of what is still to be sent, and tells whether that was anything.
func (p *peer) push() bool {
	p.tls.seal(p)
	if p.fd < 0 || len(p.rest) == 0 {
		return false
	}
	n, err := sock.Send(p.fd, p.rest)
	p.rest = slices.Delete(p.rest, 0, n)
	if err != nil && err != unix.EAGAIN {
		p.rest = nil
	}
	return n > 0
}

// pull receives what is there, and tells whether that was anything.
func (p *peer) pull() (busy bool) {
	for p.fd >= 0 && !p.deaf && !p.ended {
		if cap(p.got)-len(p.got) < link.MaxMessageBytes {
			p.got = append(make([]byte, 0, 2*cap(p.got)+64<<10), p.got...)
		}
		n, err := sock.Recv(p.fd, p.got[len(p.got):cap(p.got)])
		if err == unix.EAGAIN {
			return busy
		}
		busy = true
		p.ended = err != nil || n == 0
		p.got = p.got[:len(p.got)+n]
		if p.tls != nil {
			p.got = p.tls.open(p, p.got, n)
		}
	}
	return busy
}

// take returns what was received since the last take. It is valid until the next pull.
func (p *peer) take() []byte {
	b := p.got
	p.got = p.got[:0]
	return b
}

// halfClose says that nothing more will be sent.
func (p *peer) halfClose() error { return unix.Shutdown(p.fd, unix.SHUT_WR) }

func (p *peer) hangUp() {
	if p.fd >= 0 {
		sock.Close(p.fd)
		p.fd = -1
	}
}

// fakeServer listens at a path and accepts every connection.
type fakeServer struct {
	name     string
	path     string
	listener int // -1 = refuses connections
	conns    []*peer
	deaf     bool        // the conns to come do not receive
	tls      *tls.Config // nil: it speaks plaintext
}

// answer has each connection of a server send b.
func (s *fakeServer) answer(b []byte) {
	for _, c := range s.conns {
		c.send(b)
	}
}

func (r *rig) addServer(name string) *fakeServer {
	s := &fakeServer{name: name, path: filepath.Join(r.dir, name), listener: -1}
	r.servers = append(r.servers, s)
	r.must(s.listen())
	return s
}

func (s *fakeServer) listen() (err error) {
	s.listener, err = sock.ListenUnix(s.path, 0, 512)
	return err
}

// refuse leaves the path in place: connecting to it is refused.
func (s *fakeServer) refuse() {
	if s.listener >= 0 {
		sock.Close(s.listener)
		s.listener = -1
	}
}

func (s *fakeServer) hangUp() {
	for _, c := range s.conns {
		c.hangUp()
	}
}

// accept takes in who wants to connect.
func (s *fakeServer) accept() (busy bool) {
	for s.listener >= 0 {
		fd, err := sock.Accept(s.listener)
		if err != nil {
			return busy
		}
		busy = true
		name := fmt.Sprintf("%s#%d", s.name, len(s.conns)+1)
		s.conns = append(s.conns, &peer{name: name, fd: fd, deaf: s.deaf, tls: newFakeTLS(s.tls)})
	}
	return busy
}

// connect makes a client of a worker's pool.
func (r *rig) connect(name string, pool, slot int) *peer {
	fd, _, err := sock.ConnectUnix(r.front(pool, slot))
	r.must(err)
	c := &peer{name: name, fd: fd}
	r.clients = append(r.clients, c)
	r.turn()
	return c
}

// receive moves bytes between the peers and their sockets and tells whether there were any.
func (r *rig) receive() (busy bool) {
	for _, s := range r.servers {
		busy = s.accept() || busy
		for _, c := range s.conns {
			busy = c.push() || busy
			busy = c.pull() || busy
		}
	}
	for _, c := range r.clients {
		busy = c.push() || busy
		busy = c.pull() || busy
	}
	for _, m := range r.masters {
		busy = m.push() || busy
		busy = m.pull() || busy
	}
	return busy
}

// dial begins to connect; the worker has not turned yet.
func (r *rig) dial(name string) *peer {
	fd, _, err := sock.ConnectUnix(r.front(0, 0))
	r.must(err)
	c := &peer{name: name, fd: fd}
	r.clients = append(r.clients, c)
	return c
}
