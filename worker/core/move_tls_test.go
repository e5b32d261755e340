// Clients that wait in a server that speaks TLS move with the connection that they wait on. The same key never seals twice with the same
// number: of the workers that have it one may use it, at most.

package core

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
	"github.com/pinion-proxy/pinion/worker/tlsrec"
)

// tlsGenerations is twoGenerations with a server that speaks TLS. After each turn the use of keys is looked at.
func tlsGenerations(t *testing.T, change func(pools []link.Pool)) (r *rig, before, next *loop) {
	r = newRig(t)
	r.tlsPool("s1")
	r.start()
	before, next = r.workers[0], r.joined(change)
	sealed := map[string]uint64{} // by secret: the most records that it is known to have sealed
	r.after = func(*loop) { checkKeys(t, r.workers, sealed) }
	return r, before, next
}

// checkKeys looks at all connections, those in flight and those of guests included.
func checkKeys(t *testing.T, workers []*loop, sealed map[string]uint64) {
	t.Helper()
	owners := map[string]int{}
	for _, l := range workers {
		for _, entry := range l.table {
			var s *stream.Stream
			switch h := entry.h.(type) {
			case *conn:
				s = &h.stream
			case inFlightConn:
				s = &h.c.stream
			case *client:
				s = &h.stream
			case inFlightClient:
				s = &h.c.stream
			case *preparedClient:
				s = &h.c.stream
			}
			if s == nil || !s.IsTLS() || s.AwaitsTLS() {
				continue
			}
			state := s.TLSState().Records
			secret, n := string(state[len(state)-secretSize:]), binary.BigEndian.Uint64(state[14:])
			if s.IsFrozen() {
				continue
			}
			if owners[secret]++; owners[secret] > 1 {
				t.Fatal("two workers may seal with one key")
			}
			if n < sealed[secret] {
				t.Fatalf("a key that has sealed %d records goes on with number %d", sealed[secret], n)
			}
			sealed[secret] = n
		}
	}
}

// secretSize is that of TLS_AES_128_GCM_SHA256, which the servers here choose.
const secretSize = 32

// waitsTLS has a client wait in the server, which speaks TLS, and returns the server's end of its connection.
func (r *rig) waitsTLS(name string) (c, server *peer) {
	r.t.Helper()
	c = r.connect(name, 0, 0)
	c.send(redisRequestOf("BLPOP", "k", "0"))
	r.turn()
	server = r.agree(r.servers[0])
	if got := string(server.take()); got != string(redisRequestOf("BLPOP", "k", "0")) {
		r.t.Fatalf("the server got %q", got)
	}
	return c, server
}

// goesOn returns the server's end of the connection over which it is asked next: the same, or where that has not moved another one.
func (r *rig) goesOn(server *peer) *peer {
	r.t.Helper()
	if len(r.servers[0].conns) > 1 {
		return r.agree(r.servers[0])
	}
	return server
}

// A record may be cut anywhere when the client moves, also one that changes the key, and be the whole of it or of a part of the reply.
func TestMoveTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for cut := 0; ; cut++ {
			r, before, next := tlsGenerations(t, nil)
			r.servers[0].tls = goodServer().Clone()
			r.servers[0].tls.MaxVersion = version
			if version == tls.VersionTLS12 {
				r.after = nil // a key of that has another size
			}
			c, server := r.waitsTLS("c")
			server.send([]byte(popped[:5]))
			server.tls.seal(server)
			if version == tls.VersionTLS13 {
				server.rest = append(server.rest, server.tls.keyUpdate(r.t)...)
			}
			server.send([]byte(popped[5:]))
			server.tls.seal(server)
			whole := server.rest
			if cut > len(whole) {
				r.tearDown()
				r.clients = nil
				break
			}
			server.rest = whole[:cut:cut]
			r.turn()
			r.handOver(before, next)
			if cut < len(whole) {
				if got := r.given(before); got.Moved != 1 || next.clients != 1 {
					t.Fatalf("cut at %d: given: %+v", cut, got)
				}
			}
			server.rest = whole[cut:]
			r.gets(c, popped)
			r.pings(c, next)
			c.send(redisRequestOf("BLPOP", "k", "0"))
			r.turn()
			server = r.goesOn(server)
			if got := string(server.take()); got != string(redisRequestOf("BLPOP", "k", "0")) || server.tls.failure != nil {
				t.Fatalf("cut at %d: then the server gets %q (%v)", cut, got, server.tls.failure)
			}
			server.send([]byte("*-1\r\n"))
			r.gets(c, "*-1\r\n")
			r.tearDown()
			r.clients = nil
		}
	}
}

// keyUpdate returns a record that changes the peer's key and asks for another one of ours.
func (t *fakeTLS) keyUpdate(test testing.TB) []byte {
	return t.sealAs(test, "\x16", "\x18\x00\x00\x01\x01", func(state []byte, expand func(label string, size int) []byte) {
		copy(state[len(state)-secretSize:], expand("traffic upd", secretSize))
		binary.BigEndian.PutUint64(state[14:], 0)
	})
}

// emptyRecord returns a record of data that has none.
func (t *fakeTLS) emptyRecord(test testing.TB) []byte {
	return t.sealAs(test, "\x17", "", func(state []byte, _ func(label string, size int) []byte) {
		binary.BigEndian.PutUint64(state[14:], binary.BigEndian.Uint64(state[14:])+1)
	})
}

// sealAs returns a record of a kind; after changes the state of the record layer to the one behind it.
func (t *fakeTLS) sealAs(test testing.TB, kind, message string, after func(state []byte, expand func(label string, size int) []byte)) []byte {
	state := t.records.AppendState(nil)
	secret, seq := state[len(state)-secretSize:], binary.BigEndian.Uint64(state[14:])
	expand := func(label string, size int) []byte {
		label = "tls13 " + label
		info := append([]byte{0, byte(size), byte(len(label))}, label...)
		b, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), size)
		if err != nil {
			test.Fatal(err)
		}
		return b
	}
	block, err := aes.NewCipher(expand("key", 16))
	if err != nil {
		test.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		test.Fatal(err)
	}
	nonce := expand("iv", 12)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^seq)
	header := []byte{0x17, 3, 3, 0, byte(len(message+kind) + aead.Overhead())}
	record := aead.Seal(header, nonce, []byte(message+kind), header)
	after(state, expand)
	if t.records, err = tlsrec.Restore(state); err != nil {
		test.Fatal(err)
	}
	return record
}

// Whenever the server answers, and whether the move comes about or not, the reply comes once, and the connection goes on.
func TestMoveTLSAtEveryStep(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		for steps := range 16 {
			t.Run(fmt.Sprintf("%d steps, resumes %v", steps, resumes), func(t *testing.T) {
				r, before, next := tlsGenerations(t, nil)
				c, server := r.waitsTLS("c")
				r.instruct(next, link.Serve, nil)
				r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				for i := range steps {
					r.step(r.workers[i%2])
				}
				server.rest = append(server.rest, server.tls.keyUpdate(t)...)
				server.send([]byte(popped))
				server.push()
				if resumes {
					r.instruct(before, link.Resume, nil)
					r.instruct(next, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				}
				r.gets(c, popped)
				at := map[bool]*loop{true: before, false: next}[resumes]
				r.pings(c, at)
				c.send(redisRequestOf("BLPOP", "k", "0"))
				r.turn()
				server = r.goesOn(server)
				if got := string(server.take()); got != string(redisRequestOf("BLPOP", "k", "0")) || server.tls.failure != nil {
					t.Fatalf("then the server gets %q (%v)", got, server.tls.failure)
				}
				server.send([]byte(popped))
				r.gets(c, popped)
			})
		}
	}
}

// Whoever dies, the other worker has the connection, or the server sees the end of it.
func TestMoveTLSDies(t *testing.T) {
	for who := range 2 {
		for steps := range 16 {
			r, before, _ := tlsGenerations(t, nil)
			c, server := r.waitsTLS("c")
			r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
			for i := range steps {
				r.step(r.workers[i%2])
			}
			r.exit(who)
			r.turn()
			left := r.workers[1-who].clients
			if left == 0 != server.ended {
				t.Errorf("after %d steps of which %d dies %d clients are left; the server's end is closed: %v", steps, who, left, server.ended)
			}
			if left > 0 {
				server.send([]byte(popped))
				r.gets(c, popped)
			}
			r.tearDown()
			r.clients = nil
		}
	}
}

// Where the next configuration begins or ends to encrypt, a connection of the former one does not go on.
func TestMoveTLSIsChanged(t *testing.T) {
	for name, change := range map[string]func(p *link.Pool){
		"off": func(p *link.Pool) { p.ServerTLS = nil },
		"on":  func(p *link.Pool) { p.ServerTLS = goodTLS() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			waits := r.waitsTLS
			if name == "off" {
				r.tlsPool("s1")
			} else {
				r.redisPool("s1")
				waits = func(name string) (c, server *peer) { return r.blocks(name) }
			}
			r.start()
			before, next := r.workers[0], r.joined(func(pools []link.Pool) { change(&pools[0]) })
			c, server := waits("c")
			r.handOver(before, next)
			r.gets(c, string(unblockedByMove))
			if !server.ended {
				t.Error("the server's end is open")
			}
		})
	}
}

// A state that cannot be read leaves the client where it is.
func TestMoveTLSThatIsUnreadable(t *testing.T) {
	_, before, _ := tlsGenerations(t, nil)
	s := stream.New(-1)
	for _, state := range []stream.TLSState{
		{Records: []byte("nonsense")},
		{Records: make([]byte, 200), Input: make([]byte, 100<<10)},
	} {
		if s.AdoptTLS(before.io, state, nil) == nil || s.IsTLS() {
			t.Error("nonsense is adopted")
		}
	}
}
