package core

import (
	"errors"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// partingRig has a worker with one connection to one server, which speaks TLS, and which nobody uses any more.
func partingRig(t *testing.T) (r *rig, server *peer) {
	r = newRig(t)
	r.tlsPool("s1")
	r.start()
	client := r.connect("a", 0, 0)
	client.send([]byte("GET a\r\n"))
	r.turn()
	server = r.agree(r.servers[0])
	server.take()
	server.send([]byte("$1\r\n1\r\n"))
	r.turn()
	if got := string(client.take()); got != "$1\r\n1\r\n" {
		t.Fatalf("the client gets %q", got)
	}
	return r, server
}

func connections(l *loop) uint64 { return *l.counters[link.CurrConnections] }

// A server with TLS is told of the end of the stream, and may answer it: nothing that it says meets a socket that is closed.
func TestServerTLSParting(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(r *rig, server *peer)
	}{
		{"the server ends, too", func(_ *rig, server *peer) { server.hangUp() }},
		{"the server hangs", func(r *rig, _ *peer) { r.advance(2 * time.Second) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, server := partingRig(t)
			l := r.workers[0]
			before := connections(l)
			l.pools[0].servers[0].primary.conns[0].retire()
			r.turn()
			if !server.ended || !errors.Is(server.tls.failure, tlsrec.ErrClosed) {
				t.Fatalf("the server sees the end: %t; of TLS: %v", server.ended, server.tls.failure)
			}
			server.rest = append(server.rest, "its own end"...)
			r.turn()
			if len(server.rest) > 0 || connections(l) != before {
				t.Fatalf("%q cannot be sent; %d connections, of %d before", server.rest, connections(l), before)
			}
			test.end(r, server)
			r.turn()
			if len(l.partings.all) > 0 || connections(l) != before-1 {
				t.Errorf("%d partings are left, and %d connections of %d before", len(l.partings.all), connections(l), before)
			}
		})
	}
}

// One that has to make room for another connection does so at once.
func TestServerTLSMakesRoomAtOnce(t *testing.T) {
	r, server := partingRig(t)
	l := r.workers[0]
	before := connections(l)
	if !l.closeIdlest(newConn(l.pools[0].servers[0].primary, nil)) || connections(l) != before-1 {
		t.Errorf("%d connections are left of %d", connections(l), before)
	}
	r.turn()
	if !errors.Is(server.tls.failure, tlsrec.ErrClosed) {
		t.Errorf("the end of TLS is %v", server.tls.failure)
	}
}

// A worker that ends tells everybody with TLS, and waits for the servers.
func TestServerTLSPartingFromAll(t *testing.T) {
	r, server := partingRig(t)
	l := r.workers[0]
	for server.pull() {
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !server.ended {
			server.pull()
		}
		server.hangUp()
	}()
	if err := l.partFromAll(); err != nil || len(l.partings.all) > 0 {
		t.Errorf("%d partings are left, %v", len(l.partings.all), err)
	}
	<-ended
	l.ended = true
	r.turn()
	if !errors.Is(server.tls.failure, tlsrec.ErrClosed) {
		t.Errorf("the end of TLS is %v", server.tls.failure)
	}
}
