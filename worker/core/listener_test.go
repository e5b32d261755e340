// Accepting clients, and connecting to servers, when no descriptor is free.

package core

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// starve leaves the process room for just more descriptors until the returned function is called.
func starve(t *testing.T, more int) (feed func()) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	next, err := unix.Dup(0) // the lowest number that is free
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(next)
	feed = func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(next + more), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(feed)
	return feed
}

func TestNoDescriptorIsFree(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	a, b := r.dial("a"), r.dial("b")
	feed := starve(t, 1)
	r.turn()
	if l.clients != 1 {
		t.Fatalf("%d clients were accepted with one descriptor free", l.clients)
	}
	if text := string(r.masters[0].take()); strings.Count(text, `"accept_paused"`) != 1 || !strings.Contains(text, "LimitNOFILE") {
		t.Errorf("the master was told %q", text)
	}
	r.advance(acceptPause - 1)
	feed()
	r.turn()
	if l.clients != 1 {
		t.Fatal("the pause ended early")
	}
	r.advance(1)
	for _, c := range []*peer{a, b} {
		c.send(redisRequestOf("PING"))
		r.turn()
		if got := string(c.take()); got != "+PONG\r\n" {
			t.Errorf("%s got %q", c.name, got)
		}
	}
}

// A server cannot be reached for want of a descriptor: the request fails, and nothing is left of the attempt.
func TestNoDescriptorForServer(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	c := r.connect("a", 0, 0)
	feed := starve(t, 0)
	c.send(redisRequestOf("GET", "k"))
	r.turn()
	feed()
	if got := string(c.take()); got != "-ERR Too many open files\r\n" {
		t.Errorf("the client got %q", got)
	}
}

// A listener of another slot is served for a while, and then left to its own worker: those who wait in it wait on.
func TestUnlisten(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	spec := link.Listener{Pool: 0, Network: "unix", Address: r.front(0, 7), Shared: true}
	masters, err := sock.ListenUnix(spec.Address, 0, 16)
	r.must(err)
	defer sock.Close(masters)
	own, fds := len(l.listeners), descriptors(t)
	for range 2 {
		r.instruct(l, link.Listen, link.ListenBody{Listener: spec, For: 8}, masters)
		r.turn()
		r.pings(r.connect("served", 0, 7), l)
		r.instruct(l, link.Unlisten, link.ListenBody{For: 7}) // another slot's
		r.instruct(l, link.Unlisten, link.ListenBody{})       // nobody's
		r.turn()
		if len(l.listeners) != own+1 {
			t.Fatalf("%d listeners", len(l.listeners))
		}
		r.instruct(l, link.Unlisten, link.ListenBody{For: 8})
		r.turn()
		if len(l.listeners) != own {
			t.Fatalf("%d listeners", len(l.listeners))
		}
	}
	for _, c := range r.clients {
		c.hangUp()
	}
	r.turn()
	if now := descriptors(t); now != fds {
		t.Errorf("%d descriptors are open, %d were before", now, fds)
	}
	waits := r.connect("waits", 0, 7)
	waits.send(redisRequestOf("PING"))
	r.turn()
	if got := waits.take(); len(got) > 0 || waits.ended {
		t.Errorf("who waits for the other worker gets %q, closed: %v", got, waits.ended)
	}
}
