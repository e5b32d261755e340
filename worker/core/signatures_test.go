// Handshakes whose signatures are made beside the loop: what is made late, or for nobody any more.

package core

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/signer"
)

var rsaCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return theAuthority().issueFor(key, "front", time.Hour)
})

// heldSigner stands for the thread, and makes signatures when the test wants it.
type heldSigner struct {
	asked []struct{ sign, tell func() }
	made  int
	onAsk func() // nil: nothing
}

func (h *heldSigner) FD() int       { return -1 }
func (h *heldSigner) HasRoom() bool { return len(h.asked) < signer.Room }
func (h *heldSigner) Stop()         {}
func (h *heldSigner) Ask(sign, tell func()) {
	h.asked = append(h.asked, struct{ sign, tell func() }{sign, tell})
	if h.onAsk != nil {
		h.onAsk()
	}
}

// Deliver makes the first signature that is asked for.
func (h *heldSigner) Deliver() {
	a := h.asked[0]
	h.asked = slices.Delete(h.asked, 0, 1)
	h.made++
	a.sign()
	a.tell()
}

// rsaFront is tlsFront with a certificate of RSA.
func rsaFront(t *testing.T) *rig {
	return tlsFront(t, func(p *link.Pool) { p.TLS.Pairs = []link.KeyPair{*pairOf(rsaCertificate())} })
}

// holdSignatures puts a heldSigner in the place of a worker's thread.
func holdSignatures(l *loop) *heldSigner {
	h := &heldSigner{}
	l.signatures.stop()
	l.signatures.thread = h
	return h
}

// deliver has the next signature made.
func (r *rig) deliver(l *loop) {
	l.signatures.ready(poll.Event{})
	r.turn()
}

func TestSignatureBesideTheLoop(t *testing.T) {
	r := rsaFront(t)
	l := r.workers[0]
	h := holdSignatures(l)
	c := r.dialTLS("c", believing())
	r.turn()
	if len(h.asked) != 1 || l.handshakes.begun != 1 || l.mustNotWait() {
		t.Fatalf("%d signatures are asked for, %d handshakes are under way, the loop has work: %v", len(h.asked), l.handshakes.begun, l.mustNotWait())
	}
	c.rest = []byte("\x14\x03\x03\x00\x01\x01") // as clients may say before they have an answer
	r.turn()
	if len(h.asked) != 1 || c.tls.records != nil || l.mustNotWait() {
		t.Fatal("the handshake goes on without the signature")
	}
	r.deliver(l)
	if c.tls.records == nil {
		t.Fatalf("the handshake is not over: %v", c.tls.failure)
	}
	r.pings(c, l)
	if h.made != 1 || l.handshakes.begun != 0 {
		t.Errorf("%d signatures were made, %d handshakes are under way", h.made, l.handshakes.begun)
	}
}

// Requests that have come in the turn of a handshake are sent before it.
func TestRequestsBeforeHandshakes(t *testing.T) {
	r := rsaFront(t)
	l := r.workers[0]
	h := holdSignatures(l)
	served := r.dialTLS("served", believing())
	r.turn()
	r.deliver(l)
	served.send(redisRequestOf("GET", "a"))
	r.turn()
	unsent := -1
	h.onAsk = func() { unsent = len(l.agenda.conns) }
	c := r.dialTLS("c", believing())
	r.step(l) // accepts
	served.tls.say = redisRequestOf("GET", "b")
	served.tls.seal(served)
	served.push()
	c.push()
	r.step(l)
	if unsent != 0 {
		t.Errorf("%d connections have requests that wait for a handshake", unsent)
	}
	r.turn()
	if got := string(r.servers[0].conns[0].take()); got != string(redisRequestOf("GET", "a"))+string(redisRequestOf("GET", "b")) {
		t.Errorf("the server gets %q", got)
	}
	r.servers[0].conns[0].send([]byte("$-1\r\n$-1\r\n"))
	r.gets(served, "$-1\r\n$-1\r\n")
	r.deliver(l)
	r.pings(c, l)
}

// Who has hung up does not hold his place, and what is made for him does no harm.
func TestSignatureForNobody(t *testing.T) {
	r := rsaFront(t)
	l := r.workers[0]
	h := holdSignatures(l)
	c := r.dialTLS("c", believing())
	r.turn()
	c.hangUp()
	r.turn()
	if l.handshakes.begun != 0 || l.clients != 0 || len(h.asked) != 1 {
		t.Errorf("%d handshakes are under way, %d clients are here, %d signatures are asked for", l.handshakes.begun, l.clients, len(h.asked))
	}
	r.deliver(l)
	if l.clients != 0 {
		t.Error("a client has come back")
	}
	c.tls.shake.Abort()
	if left := coroutines(); left > 0 {
		t.Errorf("%d coroutines are left", left)
	}
}

// The thread gets few at a time, in their order, and none for who has hung up meanwhile.
func TestSignaturesWait(t *testing.T) {
	r := rsaFront(t)
	l := r.workers[0]
	h := holdSignatures(l)
	var all []*peer
	for range signer.Room + 3 {
		all = append(all, r.dialTLS("c", believing()))
		r.turn()
	}
	if len(h.asked) != signer.Room || len(l.signatures.waiting) != 3 {
		t.Fatalf("%d signatures are asked for, %d wait", len(h.asked), len(l.signatures.waiting))
	}
	gone := all[signer.Room+1]
	gone.hangUp()
	r.turn()
	for i := 0; len(h.asked) > 0; i++ {
		if all[i] == gone {
			i++
		}
		r.deliver(l)
		if all[i].tls.records == nil {
			t.Fatalf("client %d is not in after as many signatures", i)
		}
	}
	if h.made != signer.Room+2 || l.signatures.waiting != nil {
		t.Errorf("%d signatures were made, %d wait", h.made, len(l.signatures.waiting))
	}
	gone.tls.shake.Abort()
}

// A client that waits for a signature stays until its handshake is over, and moves then.
func TestMoveWhileSigning(t *testing.T) {
	r := rsaFront(t)
	before, next := r.workers[0], r.joined(nil)
	encrypt(next)
	h := holdSignatures(before)
	c := r.dialTLS("c", believing())
	r.turn()
	r.instruct(next, link.Serve, nil)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	r.turn()
	if before.clients != 1 || len(h.asked) != 1 {
		t.Fatalf("%d clients are here, %d signatures are asked for", before.clients, len(h.asked))
	}
	r.deliver(before)
	r.advance(200 * time.Millisecond)
	r.pings(c, next)
}

// The same with the thread itself: some hang up while it signs for them.
func TestSignaturesOfTheThread(t *testing.T) {
	r := rsaFront(t)
	l := r.workers[0]
	for round := range 3 {
		var all []*peer
		for range 2 * signer.Room {
			all = append(all, r.dialTLS("c", believing()))
		}
		r.turn()
		for i, c := range all {
			if i%3 == round {
				c.hangUp()
				c.tls.shake.Abort()
			}
		}
		for r.turn(); l.handshakes.begun > 0; r.turn() {
			if n, err := unix.Poll([]unix.PollFd{{Fd: int32(l.signatures.thread.FD()), Events: unix.POLLIN}}, 10_000); n != 1 {
				t.Fatalf("no signature is made any more (%v)", err)
			}
		}
		for i, c := range all {
			if i%3 != round {
				r.pings(c, l)
			}
		}
	}
	if left := coroutines(); left > 0 {
		t.Errorf("%d coroutines are left", left)
	}
}

// Keys that sign fast have no thread.
func TestNoSignatureBesideTheLoop(t *testing.T) {
	r := tlsFront(t, nil)
	if l := r.workers[0]; l.signatures.thread != nil || l.io.SignsElsewhere {
		t.Error("a worker has a thread to sign without a key of RSA")
	}
}

// A server that demands a certificate gets one of RSA; whether the connection is given up meanwhile, or not.
func TestSignatureForServer(t *testing.T) {
	r := newRig(t)
	p := r.tlsPool("s1")
	p.ServerTLS.Pair, p.Timeout = pairOf(rsaCertificate()), time.Second
	r.servers[0].tls = &tls.Config{
		Certificates: []tls.Certificate{theAuthority().issue("here", time.Hour)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: theAuthority().pool,
	}
	r.start()
	l := r.workers[0]
	h := holdSignatures(l)
	client := r.connect("a", 0, 0)
	client.send([]byte("GET a\r\n"))
	r.turn()
	if len(h.asked) != 1 || l.mustNotWait() {
		t.Fatalf("%d signatures are asked for, the loop has work: %v", len(h.asked), l.mustNotWait())
	}
	r.advance(1100 * time.Millisecond)
	r.gets(client, "-ERR Connection timed out\r\n")
	r.deliver(l) // for a connection that is closed
	client.send([]byte("GET a\r\n"))
	r.turn()
	r.deliver(l)
	server := r.agree(r.servers[0])
	if len(server.tls.state.VerifiedChains) == 0 {
		t.Error("the server has seen no certificate")
	}
	server.take()
	server.send([]byte("$-1\r\n"))
	r.gets(client, "$-1\r\n")
}
