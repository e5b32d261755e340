// Accepting clients, and connecting to servers, when no descriptor is free.

package worker

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
	if text := string(r.masters[0].take()); strings.Count(text, "too many open files") != 1 || !strings.Contains(text, "LimitNOFILE") {
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
