package core

import (
	"strings"
	"testing"
)

// pipelined has a client ask the first two of three servers, a value each.
func pipelined(t *testing.T) (*rig, *peer) {
	t.Helper()
	r := newRig(t)
	r.redisPool("s1", "s2", "s3")
	r.start()
	c := r.connect("c", 0, 0)
	c.send(append(redisRequestOf("GET", "a"), redisRequestOf("GET", "g")...))
	r.turn()
	return r, c
}

// oneTurn lets the worker turn once.
func (r *rig) oneTurn(c *peer) string {
	r.step(r.workers[0])
	c.pull()
	return string(c.take())
}

// answer has a server send a reply.
func (r *rig) answer(server int, text string) {
	r.servers[server].conns[0].send([]byte(text))
	r.servers[server].conns[0].push()
}

// A part of what a client is owed waits for one turn, to be written with what comes meanwhile.
func TestPartialRepliesWaitForOneTurn(t *testing.T) {
	r, c := pipelined(t)
	r.answer(0, "$1\r\n1\r\n")
	if got := r.oneTurn(c); got != "" {
		t.Errorf("the first of two replies is written by itself: %q", got)
	}
	r.answer(1, "$1\r\n2\r\n")
	if got := r.oneTurn(c); got != "$1\r\n1\r\n$1\r\n2\r\n" {
		t.Errorf("in the next turn the client got %q", got)
	}
}

// It does not wait longer, whatever the other server does; and the loop does not wait for an event before it is written.
func TestPartialRepliesWaitNoLonger(t *testing.T) {
	r, c := pipelined(t)
	r.answer(0, "$1\r\n1\r\n")
	r.oneTurn(c)
	if l := r.workers[0]; !l.mustNotWait() || l.hasWork() {
		t.Errorf("the loop hurries: %v, and may not sleep: %v", l.mustNotWait(), l.hasWork())
	}
	if got := r.oneTurn(c); got != "$1\r\n1\r\n" {
		t.Errorf("in a turn without events the client got %q", got)
	}
	if r.workers[0].mustNotWait() {
		t.Error("the loop goes on although nothing is left")
	}
}

// What is all that a client is owed, or large, is written in the turn in which it came.
func TestWholeAndLargeRepliesDoNotWait(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2", "s3")
	r.start()
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "a"))
	r.turn()
	r.answer(0, "$1\r\n1\r\n")
	if got := r.oneTurn(c); got != "$1\r\n1\r\n" {
		t.Errorf("the only reply is not written: %q", got)
	}
	r, c = pipelined(t)
	large := "$20000\r\n" + strings.Repeat("x", 20000) + "\r\n"
	r.answer(0, large)
	if got := r.oneTurn(c); got != large {
		t.Errorf("of a large reply %d bytes are written", len(got))
	}
}
