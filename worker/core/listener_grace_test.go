// Addresses that go while the worker's generation does: who is still accepted, and until when.

package core

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// removal is a rig of two generations of which the later one does not serve the second pool's address.
func removal(t *testing.T) (r *rig, before, next *loop) {
	r = newRig(t)
	r.redisPool("s1")
	r.redisPool("s2").Name = "beta"
	r.start()
	before, next = r.workers[0], r.joined(nil)
	next.listeners[1].close()
	r.instruct(before, link.Removed, link.RemovedBody{Pools: []int{1}})
	r.handOver(before, next)
	return r, before, next
}

// Who connects to an address that goes is accepted all through the handoff and a second after it, answered, and told the
// end; who waits in the queue then, and who says nothing, included.
func TestRemovedAddress(t *testing.T) {
	r, before, next := removal(t)
	during, mute, other := r.connect("during", 1, 0), r.connect("mute", 1, 0), r.connect("other", 0, 0)
	r.pings(during, before)
	r.pings(other, next)
	if messages := r.heard(before); len(messages) != 1 || messages[0].Kind != link.ClientsMoved {
		t.Errorf("it says %v", messages)
	}
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	if mute.ended || before.ended || len(before.listeners) != 1 {
		t.Fatalf("mute is closed: %v; ended: %v; %d listeners", mute.ended, before.ended, len(before.listeners))
	}
	r.advance(removedGrace / 2)
	if !during.ended {
		t.Error("who has been answered is not told the end")
	}
	late := r.connect("late", 1, 0)
	r.pings(late, before)
	r.advance(removedGrace/2 - 1)
	waits := r.dialPool("waits", 1)
	r.advance(1)
	if len(before.listeners) != 0 {
		t.Error("the listener is still there")
	}
	r.pings(waits, before)
	r.advance(200 * time.Millisecond) // until the next worker has said again that it has no place
	if !late.ended || !waits.ended || !mute.ended {
		t.Errorf("closed: late %v, waits %v, mute %v", late.ended, waits.ended, mute.ended)
	}
	for _, c := range []*peer{during, late, waits, mute} {
		c.hangUp()
	}
	r.turn()
	if !before.ended {
		t.Error("the worker has not ended")
	}
	r.pings(other, next)
}

// Of several addresses of a pool one goes: at the others nothing is different.
func TestRemovedAddressOfPool(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	other := r.front(0, 7)
	fd, err := sock.ListenUnix(other, 0, 16)
	r.must(err)
	r.must(l.listen(fd, link.Listener{Pool: 0, Network: "unix", Address: other, Shared: true}))
	r.instruct(l, link.Removed, link.RemovedBody{Listeners: []link.Listener{{Network: "unix", Address: other}, {Network: "tcp", Address: r.front(0, 0)}}})
	r.turn()
	if l.listeners[0].removed || !l.listeners[1].removed {
		t.Errorf("removed: %v, %v; want the second alone", l.listeners[0].removed, l.listeners[1].removed)
	}
}

// dialPool connects to a pool without a turn.
func (r *rig) dialPool(name string, pool int) *peer {
	fd, _, err := sock.ConnectUnix(r.front(pool, 0))
	r.must(err)
	c := &peer{name: name, fd: fd}
	r.clients = append(r.clients, c)
	return c
}

// A queue that cannot be emptied, for want of descriptors, is kept.
func TestRemovedAddressWithoutDescriptors(t *testing.T) {
	r, before, _ := removal(t)
	r.instruct(before, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.turn()
	waits := r.dialPool("waits", 1)
	feed := starve(t, 0)
	r.advance(2 * removedGrace)
	if len(before.listeners) != 1 || before.ended {
		t.Fatalf("%d listeners, ended is %v", len(before.listeners), before.ended)
	}
	feed()
	r.advance(acceptPause)
	r.pings(waits, before)
}

// Rolled back, everything is as before: the listener stays, and so do its clients.
func TestRemovedAddressStays(t *testing.T) {
	r, before, next := removal(t)
	c := r.connect("c", 1, 0)
	r.instruct(before, link.Resume, nil)
	r.instruct(next, link.MoveClients, link.MoveClientsBody{})
	r.turn()
	r.advance(10 * time.Second)
	r.pings(c, before)
	r.pings(r.connect("d", 1, 0), before)
	r.pings(r.connect("e", 0, 0), before)
	if before.listeners[1].removed {
		t.Error("the address is still to go")
	}
}

// A worker that had no time to begin with giving keeps its queue all the same.
func TestRemovedAddressAtOnce(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	waits := r.dialPool("waits", 0)
	r.instruct(l, link.Removed, link.RemovedBody{Pools: []int{0}})
	r.instruct(l, link.Finish, link.FinishBody{Deadline: time.Minute})
	r.pings(waits, l)
	r.turn()
	if !waits.ended || l.ended {
		t.Errorf("closed: %v, the worker has ended: %v", waits.ended, l.ended)
	}
	waits.hangUp()
	r.advance(removedGrace)
	if !l.ended {
		t.Error("the worker has not ended")
	}
}

// A worker whose master is dead, and that ends when it has given everybody, does not leave the queue behind.
func TestRemovedAddressOfOrphan(t *testing.T) {
	r, before, _ := removal(t)
	waits := r.dialPool("waits", 1)
	r.masters[0].hangUp()
	r.pings(waits, before)
	waits.hangUp()
	r.advance(time.Duration(forwardDoubt) + removedGrace + 200*time.Millisecond)
	if !before.ended {
		t.Error("the worker has not ended")
	}
}

// A unix path that is bound anew comes in place of the socket that was there, whose queue is served.
func TestPathBoundAnew(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	c, waits := r.connect("c", 0, 0), r.dialPool("waits", 0)
	fd, err := sock.ListenUnix(r.front(0, 0), 0, 16)
	r.must(err)
	r.instruct(l, link.Listen, link.ListenBody{Listener: l.listeners[0].spec}, fd)
	sock.Close(fd)
	r.turn()
	fresh := r.connect("fresh", 0, 0)
	r.advance(removedGrace)
	if len(l.listeners) != 1 {
		t.Fatalf("%d listeners", len(l.listeners))
	}
	for _, c := range []*peer{c, waits, fresh} {
		r.pings(c, l)
	}
	next := r.joined(nil)
	r.handOver(l, next)
	for _, c := range []*peer{c, waits, fresh, r.connect("last", 0, 0)} {
		r.pings(c, next)
	}
}

// The listener for a client is the one to which the kernel would bring it.
func TestPlace(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.memcachePool("s2").Name = "beta"
	r.start()
	port := freePort(t)
	at := func(host string) string { return net.JoinHostPort(host, fmt.Sprint(port)) }
	const (
		redis    = 0
		memcache = 1
	)
	type pool struct {
		index int
		host  string
	}
	for _, c := range []struct {
		from, to string // the client's listener, and where it has connected
		pools    []pool
		want     string
	}{
		{"127.0.0.1", "127.0.0.1", []pool{{redis, "127.0.0.1"}}, "127.0.0.1"},
		{"127.0.0.1", "127.0.0.1", []pool{{redis, "0.0.0.0"}}, "0.0.0.0"},
		{"127.0.0.1", "127.0.0.1", []pool{{redis, "::"}}, "::"},
		{"127.0.0.1", "127.0.0.1", []pool{{redis, "::1"}}, ""},
		{"0.0.0.0", "127.0.0.2", []pool{{redis, "127.0.0.1"}}, ""},
		{"0.0.0.0", "127.0.0.2", []pool{{redis, "127.0.0.1"}, {redis, "127.0.0.2"}}, "127.0.0.2"},
		{"0.0.0.0", "127.0.0.2", []pool{{redis, "127.0.0.2"}, {redis, "0.0.0.0"}}, "0.0.0.0"},
		{"::", "127.0.0.1", []pool{{redis, "::1"}, {redis, "127.0.0.1"}}, "127.0.0.1"},
		{"::", "127.0.0.1", []pool{{redis, "0.0.0.0"}}, "0.0.0.0"},
		{"::", "::1", []pool{{redis, "0.0.0.0"}}, ""},
		{"::", "::1", []pool{{redis, "::1"}}, "::1"},
		{"::1", "::1", []pool{{redis, "::"}}, "::"},
		{"127.0.0.1", "127.0.0.1", []pool{{memcache, "0.0.0.0"}}, ""},
		{"127.0.0.1", "127.0.0.1", []pool{{redis, "0.0.0.0"}, {memcache, "127.0.0.1"}}, ""},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			first, err := sock.ListenTCP(netip.MustParseAddrPort(at(c.from)), 16, true)
			r.must(err)
			defer sock.Close(first)
			user, err := net.Dial("tcp", at(c.to))
			r.must(err)
			defer user.Close()
			var conn int
			for conn, err = sock.Accept(first); sock.Again(err); conn, err = sock.Accept(first) {
			}
			r.must(err)
			defer sock.Close(conn)
			l := r.workers[0]
			for _, p := range c.pools {
				fd, err := sock.ListenTCP(netip.MustParseAddrPort(at(p.host)), 16, true)
				r.must(err)
				r.must(l.listen(fd, link.Listener{Pool: p.index, Network: "tcp", Address: at(p.host)}))
			}
			got := ""
			if ln := l.listenerFor(&handoff.Record{Protocol: "redis", Network: "tcp", Address: at(c.from)}, conn); ln != nil {
				got, _, _ = net.SplitHostPort(ln.spec.Address)
			}
			if got != c.want {
				t.Errorf("it comes to %q, want %q", got, c.want)
			}
			for len(l.listeners) > 2 {
				l.listeners[2].close()
			}
		})
	}
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// As many indexes as one message may have fit into it.
func TestRemovedBodyFits(t *testing.T) {
	body := link.RemovedBody{Pools: make([]int, link.MaxRemoved)}
	for i := range body.Pools {
		body.Pools[i] = 1e9 + i
	}
	m := link.Message{Kind: link.Removed, Body: link.Body(body)}
	if wire := link.AppendMessage(nil, m); !strings.HasSuffix(string(wire), "}") || len(wire) > link.MaxMessageBytes {
		t.Errorf("%d bytes, of which the last is %q", len(wire), wire[len(wire)-1])
	}
	longest := link.Listener{Network: "unix", Address: strings.Repeat("\x01", 107)}
	m.Body = link.Body(link.RemovedBody{Listeners: slices.Repeat([]link.Listener{longest}, link.MaxRemovedListeners)})
	if wire := link.AppendMessage(nil, m); !strings.HasSuffix(string(wire), "}") || len(wire) > link.MaxMessageBytes {
		t.Errorf("%d bytes, of which the last is %q", len(wire), wire[len(wire)-1])
	}
}
