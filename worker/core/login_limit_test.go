package core

import (
	"fmt"
	"testing"

	"github.com/pinion-proxy/pinion/worker/link"
)

func TestLoginLimit(t *testing.T) {
	const here, there = "192.0.2.1:1000", "[2001:db8::1]:1000"
	var ll loginLimit
	now := int64(1e12)
	if !ll.allows(here, "bob", now) {
		t.Fatal("nobody has guessed, and it is refused")
	}
	for i := range freeGuesses {
		if !ll.allows(fmt.Sprintf("192.0.2.1:%d", i+1), "bob", now) {
			t.Fatalf("guess %d is refused", i)
		}
		ll.count(here, "bob", now)
	}
	if ll.allows(here, "bob", now) {
		t.Error("one more is looked at")
	}
	if ll.place(here, "bob") != ll.place(there, "bob") && !ll.allows(there, "bob", now) {
		t.Error("those of another address are refused, too")
	}
	if ll.place(here, "bob") != ll.place(here, "eve") && !ll.allows(here, "eve", now) {
		t.Error("those of another user are refused, too")
	}
	if !ll.allows(here, "bob", now+guessPause) {
		t.Error("it is refused after the pause")
	}
	ll.count(here, "bob", now+guessPause)
	if ll.allows(here, "bob", now+guessPause) {
		t.Error("two are looked at after one pause")
	}
	for range 10 * freeGuesses {
		ll.count("@:0", "bob", now)
	}
	if !ll.allows("@:0", "bob", now) {
		t.Error("a client of a unix socket is refused")
	}
	if !ll.allows(here, "bob", now+2*freeGuesses*guessPause) {
		t.Error("it is not forgotten")
	}
}

// Wrong passwords have a counter of their own.
func TestFailedLogins(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1").Password = "secret"
	r.start()
	c := r.connect("c", 0, 0)
	for range 3 {
		c.send(redisRequestOf("AUTH", "guess"))
	}
	c.send(append(redisRequestOf("HELLO", "2", "AUTH", "default", "guess"), redisRequestOf("GET", "a")...))
	c.send(redisRequestOf("AUTH", "secret"))
	r.turn()
	p := r.workers[0].pools[0]
	if n, refused := *p.counters[link.FailedLogins], *p.counters[link.RefusedCommands]; n != 4 || refused != 5 {
		t.Errorf("%d are counted, and %d refusals; it gets %q", n, refused, c.take())
	}
}
