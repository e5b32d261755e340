//go:build fault

// Single system calls that fail for want of what this host is short of.

package core

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/link"
)

// failing has the calls of this name that meets chooses fail, until the test ends.
func failing(t *testing.T, name string, err error, meets func(fd int) bool) {
	fault.Interfere = func(call string, fd, size int) (int, error) {
		if call == name && meets(fd) {
			return 0, err
		}
		return size, nil
	}
	t.Cleanup(func() { fault.Interfere = nil })
}

// A kernel without memory for what is to be written costs nobody a connection, and is not asked all the time.
func TestFaultyBuffers(t *testing.T) {
	for _, err := range []error{unix.ENOBUFS, unix.ENOMEM} {
		r := newRig(t)
		p := r.redisPool("s1")
		p.Preconnect, p.AutoEjectHosts, p.ServerFailureLimit = true, true, 1
		r.start()
		c := r.connect("c", 0, 0)
		s := r.servers[0].conns[0]
		calls := 0
		failing(t, "send", err, func(fd int) bool {
			if fd == c.fd || fd == s.fd {
				return false
			}
			calls++
			return true
		})
		c.send(redisRequestOf("GET", "a"))
		r.turn()
		r.advance(writePause)
		if got := s.take(); len(got) > 0 || calls != 2 {
			t.Fatalf("%v: the server got %q after %d calls", err, got, calls)
		}
		interfere := fault.Interfere
		fault.Interfere = nil
		r.advance(writePause)
		if got := s.take(); string(got) != string(redisRequestOf("GET", "a")) {
			t.Fatalf("%v: the server got %q", err, got)
		}
		fault.Interfere = interfere
		s.send([]byte("$1\r\n1\r\n"))
		r.turn()
		if got := c.take(); len(got) > 0 || c.ended || calls != 3 {
			t.Fatalf("%v: the client got %q after %d calls, ended is %v", err, got, calls, c.ended)
		}
		fault.Interfere = nil
		r.advance(writePause)
		if got := string(c.take()); got != "$1\r\n1\r\n" {
			t.Errorf("%v: the client got %q", err, got)
		}
		r.tearDown()
		r.clients = nil
	}
}

// No more does it cost anybody a handshake, whichever end the worker is.
func TestFaultyBuffersInHandshake(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, err := range []error{unix.ENOBUFS, unix.ENOMEM} {
			r := tlsFront(t, func(p *link.Pool) { p.ServerTLS = goodTLS() })
			server := r.servers[0]
			server.tls = goodServer()
			config := believing()
			config.MaxVersion = version
			c := r.dialTLS("c", config)
			calls := 0
			fails := func(fd int) bool {
				if fd == c.fd || slices.ContainsFunc(server.conns, func(p *peer) bool { return fd == p.fd }) {
					return false
				}
				calls++
				return calls%3 > 0 // it is tried once more at once, and then after a pause
			}
			failing(t, "send", err, fails)
			for range 9 {
				r.advance(writePause)
			}
			if c.tls.records == nil || calls < 3 {
				t.Fatalf("%v: the handshake of the client ends with %v after %d calls", err, c.tls.failure, calls)
			}
			c.send(redisRequestOf("GET", "a"))
			for range 9 {
				r.advance(writePause)
			}
			if len(server.conns) != 1 || string(server.conns[0].take()) != "*1\r\n$4\r\nPING\r\n" {
				t.Fatalf("%v: there is no greeting after the handshake with the server, in %d connections", err, len(server.conns))
			}
			r.tearDown()
			r.clients = nil
		}
	}
}

// A connection that is accepted and cannot be watched waits for its turn, and with it those behind.
func TestFaultyWatch(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").ClientConnections = 2
	r.start()
	l := r.workers[0]
	failing(t, "watch", unix.ENOSPC, func(int) bool { return true })
	first, second := r.connect("first", 0, 0), r.connect("second", 0, 0)
	r.advance(3 * acceptPause)
	if first.ended || second.ended || l.clients != 0 {
		t.Fatalf("the first one is closed: %v, the second: %v, and %d are served", first.ended, second.ended, l.clients)
	}
	fault.Interfere = nil
	r.advance(acceptPause)
	r.pings(first, l)
	r.pings(second, l)
	if got := *l.pools[0].counters[link.ClientConnections]; got != 2 {
		t.Errorf("client_connections is %d", got)
	}
	failing(t, "watch", unix.ENOMEM, func(fd int) bool { return fd != l.listeners[0].fd })
	first.hangUp()
	r.turn()
	third := r.connect("third", 0, 0)
	l.listeners[0].unwatch() // another generation accepts
	r.turn()
	if !third.ended || *l.pools[0].counters[link.ClientConnections] != 1 {
		t.Errorf("the third one, whom nobody can serve, is closed: %v; client_connections is %d", third.ended, *l.pools[0].counters[link.ClientConnections])
	}
}

// What this host lacks says nothing of a server, or of one of its addresses.
func TestFaultyHost(t *testing.T) {
	for _, call := range []string{"socket", "connect", "watch"} {
		for _, err := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ENOSPC, unix.EADDRNOTAVAIL} {
			r := newRig(t)
			p := r.redisPool("s1")
			p.AutoEjectHosts, p.ServerFailureLimit, p.Timeout = true, 1, time.Second
			r.start()
			c := r.connect("c", 0, 0)
			failing(t, call, err, func(int) bool { return true })
			c.send(redisRequestOf("GET", "a"))
			r.turn()
			if word := r.workers[0].pools[0].servers[0].liveness(); !word.Alive() {
				t.Errorf("%s: %v: the server is %v", call, err, word)
			}
			if got := string(c.take()); got != "-ERR "+foreignCause(err)+"\r\n" {
				t.Errorf("%s: %v: the client got %q", call, err, got)
			}
			fault.Interfere = nil
			r.tearDown()
			r.clients = nil
		}
	}
}

// What a server pushes, and for which there is no memory, is not taken for the reply to what the client has asked.
func TestFaultyPush(t *testing.T) {
	push := ">2\r\n$10\r\ninvalidate\r\n*1\r\n" + string(resp.AppendBulkString(nil, strings.Repeat("k", 300_000)))
	short := 0
	for fails, calls := 0, 0; fails <= calls; fails++ {
		r := newRig(t)
		r.redisPool("s1")
		r.start()
		c, s := r.connect("c", 0, 0), r.servers[0]
		c.send(redisRequestOf("HELLO", "3"))
		r.turn()
		s.conns[0].send([]byte("%0\r\n"))
		c.send(slices.Concat(redisRequestOf("CLIENT", "TRACKING", "ON"), redisRequestOf("GET", "a"), redisRequestOf("GET", "b")))
		r.turn()
		s.conns[1].send([]byte("%0\r\n"))
		r.turn()
		s.conns[1].send([]byte("+OK\r\n"))
		r.turn()
		c.take()
		calls = 0
		failing(t, "map", unix.ENOMEM, func(int) bool { calls++; return calls == fails })
		s.conns[1].send([]byte(push + "$1\r\n1\r\n$1\r\n2\r\n"))
		r.turn()
		fault.Interfere = nil
		failed := string(redisProtocol.errorText(errNoMemory))
		switch got := string(c.take()); got {
		case push + "$1\r\n1\r\n$1\r\n2\r\n":
		case failed + failed + resp.InvalidateAll:
			short++
		default:
			t.Errorf("with call %d of %d failing the client gets %.300q", fails, calls, got)
		}
		r.tearDown()
		r.clients = nil
	}
	if short == 0 {
		t.Error("there is memory for all")
	}
}
