// Two generations in one rig: workers with the same listeners, and what their masters say to them and hear.

package core

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// succeed makes a worker of the next generation, with the same pools unless change makes others of them, and with all
// the listeners of the worker before.
func (r *rig) succeed(change func(pools []link.Pool)) *loop {
	pools := slices.Clone(r.pools)
	if change != nil {
		change(pools)
	}
	counts := link.ServerCounts(pools)
	words := make([]uint64, link.SharedBytes(counts, 1)/8)
	shared, err := link.OpenShared(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words)), counts, 1)
	r.must(err)
	l := r.addWorker(&link.Spec{
		Generation: 2, Build: "1.2.4", Slots: 1, CPU: -1, Verbosity: int(logevent.Info), Pools: pools,
		ShutdownTimeout: 10 * time.Second, Takeover: true,
	}, shared)
	for _, ln := range r.workers[0].listeners {
		if ln.spec.Pool < len(pools) {
			fd, err := unix.FcntlInt(uintptr(ln.fd), unix.F_DUPFD_CLOEXEC, 0)
			r.must(err)
			r.must(l.listen(fd, ln.spec))
		}
	}
	return l
}

// instruct has the master of one worker send a message.
func (r *rig) instruct(l *loop, kind link.Kind, body any, fds ...int) {
	r.t.Helper()
	var b []byte
	if body != nil {
		b = link.Body(body)
	}
	master := r.masters[slices.Index(r.workers, l)]
	r.must(sock.SendFDs(master.fd, link.AppendMessage(nil, link.Message{Kind: kind, Body: b}), fds))
}

// join makes two workers each other's peers.
func (r *rig) join(a, b *loop) {
	forA, forB, err := sock.SeqpacketPair()
	r.must(err)
	r.instruct(a, link.Peer, link.PeerBody{Slot: b.spec.Slot}, forA)
	r.instruct(b, link.Peer, link.PeerBody{Slot: a.spec.Slot}, forB)
	sock.Close(forA)
	sock.Close(forB)
	r.turn()
}

// handOver has the next generation accept and the one before give.
func (r *rig) handOver(before, next *loop) {
	r.instruct(next, link.Serve, nil)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: 2 * time.Second})
	r.turn()
}

// heard returns what the master of a worker was told since the last time, without log lines and who has joined whom.
func (r *rig) heard(l *loop) (messages []link.Message) {
	for b := r.masters[slices.Index(r.workers, l)].take(); len(b) > 0; {
		size := 16 + int(b[12]) + int(b[13])<<8
		m, err := link.ParseMessage(slices.Clone(b[:size]))
		r.must(err)
		b = b[size:]
		if m.Kind != link.Log && m.Kind != link.Joined {
			messages = append(messages, m)
		}
	}
	return messages
}

// logged returns what a worker has had its master log since the last time.
func (r *rig) logged(l *loop) (lines []string) {
	for b := r.masters[slices.Index(r.workers, l)].take(); len(b) > 0; {
		size := 16 + int(b[12]) + int(b[13])<<8
		if m, err := link.ParseMessage(b[:size]); err == nil && m.Kind == link.Log {
			lines = append(lines, logevent.Parse(m.Body).Text)
		}
		b = b[size:]
	}
	return lines
}

// given returns the one Given that a worker has said.
func (r *rig) given(l *loop) (body link.ClientsMovedBody) {
	r.t.Helper()
	messages := r.heard(l)
	if len(messages) != 1 || messages[0].Kind != link.ClientsMoved {
		r.t.Fatalf("worker of generation %d says %v, want Given", l.spec.Generation, messages)
	}
	r.must(link.ParseBody(messages[0], &body))
	return body
}

// peerFailed returns the reason of the one PeerFailed that a worker has said.
func (r *rig) peerFailed(l *loop) string {
	r.t.Helper()
	messages := r.heard(l)
	var body link.PeerFailedBody
	if len(messages) != 1 || messages[0].Kind != link.PeerFailed {
		r.t.Fatalf("worker of generation %d says %v, want PeerFailed", l.spec.Generation, messages)
	}
	r.must(link.ParseBody(messages[0], &body))
	return body.Reason
}

// pings checks that a client is served, and in which generation.
func (r *rig) pings(c *peer, by *loop) {
	r.t.Helper()
	c.send(redisRequestOf("PING"))
	c.send(redisRequestOf("INFO", "pinion"))
	r.turn()
	got := string(c.take())
	if !strings.HasPrefix(got, "+PONG\r\n$") || !strings.Contains(got, "\r\ngeneration:"+string('0'+rune(by.spec.Generation))+"\r\n") {
		r.t.Fatalf("%s got %q, want a reply of generation %d", c.name, got, by.spec.Generation)
	}
}

// stillServed checks that a client gets an answer from anyone.
func (r *rig) stillServed(c *peer) {
	r.t.Helper()
	c.send(redisRequestOf("PING"))
	r.turn()
	if got := string(c.take()); got != "+PONG\r\n" {
		r.t.Fatalf("%s got %q, ended is %v", c.name, got, c.ended)
	}
}

// twoGenerations is a rig with a worker of each of two generations that are each other's peers, before anything moves.
func twoGenerations(t *testing.T, change func(pools []link.Pool)) (r *rig, before, next *loop) {
	r = newRig(t)
	r.redisPool("s1")
	r.start()
	return r, r.workers[0], r.joined(change)
}

func (r *rig) joined(change func(pools []link.Pool)) *loop {
	next := r.succeed(change)
	r.join(r.workers[0], next)
	return next
}
