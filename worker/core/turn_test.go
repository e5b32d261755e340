// What one turn takes upon itself, so that nobody waits long for the next one.

package core

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// Much memory goes back bit by bit, and the loop does not rest before it has.
func TestMemoryIsBuriedBitByBit(t *testing.T) {
	l := bareLoop()
	for range 2 {
		b, err := l.memory.Get(5*maxBuriedBytes/2 + 1)
		must(t, err)
		l.memory.Put(b)
	}
	if l.memory.Held() != 0 {
		t.Errorf("%d bytes are held", l.memory.Held())
	}
	turns := 0
	for ; l.mustNotWait(); turns++ {
		l.trim()
	}
	if turns != 6 { // five times as much, and two pages
		t.Errorf("it took %d turns", turns)
	}
}

// sharer wants a half of a turn in every turn.
type sharer struct {
	l      *loop
	served int
}

func (s *sharer) receive() {
	s.served++
	s.l.io.Spent += maxTurnBytes / 2
	s.l.agenda.nextTurn(s)
}

// Those that want more than there is for all take turns.
func TestSharesGoRound(t *testing.T) {
	l := bareLoop()
	var all []*sharer
	for range 5 {
		s := &sharer{l: l}
		all = append(all, s)
		l.agenda.nextTurn(s)
	}
	for range 10 {
		l.io.Spent = 0
		l.agenda.startTurn()
		l.runQueued()
	}
	for i, s := range all {
		if s.served != 4 {
			t.Errorf("number %d was served %d times, want 4", i, s.served)
		}
	}
	l.io.Spent = 2 * maxTurnBytes // by those who only had a question
	l.agenda.startTurn()
	l.runQueued()
	if got := all[0].served; got != 5 {
		t.Errorf("in a turn that others fill the first one was served %d times more, want 1", got-4)
	}
}

// clientsOf returns the clients of a worker in the order in which they came.
func clientsOf(l *loop) (clients []*client) {
	for _, entry := range l.table {
		if c, ok := entry.h.(*client); ok {
			clients = append(clients, c)
		}
	}
	return clients
}

// A crowd that hangs up is not cleared away at once, and not before who has a question is served.
func TestQuestionsBeforeFunerals(t *testing.T) {
	const perTurn = maxTurnBytes / closingToll
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	var crowd []*peer
	for i := range 2 * perTurn {
		crowd = append(crowd, r.connect(fmt.Sprint("c", i), 0, 0))
	}
	asks := r.connect("asks", 0, 0)
	for _, c := range crowd {
		c.hangUp()
	}
	_, err := sock.Send(asks.fd, redisRequestOf("PING"))
	r.must(err)
	r.step(l)
	r.receive()
	if got := string(asks.take()); got != "+PONG\r\n" {
		t.Errorf("after one turn it has got %q", got)
	}
	if l.clients < perTurn || !l.mustNotWait() {
		t.Errorf("after one turn %d clients are left; the loop goes on: %v", l.clients, l.mustNotWait())
	}
	r.step(l)
	r.step(l)
	if l.clients != 1 {
		t.Errorf("after three turns %d clients are left", l.clients)
	}
}

// When a turn has received enough, who only has a question is still served, and who says much goes on in the next one.
func TestQuestionsInFullTurn(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	greedy, modest := r.connect("greedy", 0, 0), r.connect("modest", 0, 0)
	ping := redisRequestOf("PING")
	for _, c := range []struct {
		*peer
		text []byte
	}{{greedy, bytes.Repeat(ping, 2000)}, {modest, ping}} {
		_, err := sock.Send(c.fd, c.text)
		r.must(err)
	}
	l.io.Spent = maxTurnBytes
	events, err := l.poller.Wait(0)
	r.must(err)
	l.handle(events)
	clients := clientsOf(l)
	if got, want := clients[0].stream.Out.Len(), stream.LateReadBytes/len(ping)*len("+PONG\r\n"); got != want {
		t.Errorf("the greedy client is to get %d bytes, want %d", got, want)
	}
	if got := clients[1].stream.Out.Len(); got != len("+PONG\r\n") {
		t.Errorf("the modest client is to get %d bytes", got)
	}
	r.turn()
	if got := len(greedy.take()); got != 2000*len("+PONG\r\n") {
		t.Errorf("in the end the greedy client has got %d bytes", got)
	}
}

// A turn writes only so much. Those it does not come to are the first of the next one.
func TestTurnsShareWriting(t *testing.T) {
	const size = 150_000 // fits into a socket
	const perTurn = (maxTurnBytes + size - 1) / size
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	var peers []*peer
	for i := range 2*perTurn - 1 {
		peers = append(peers, r.connect(fmt.Sprint("c", i), 0, 0))
	}
	for _, c := range clientsOf(l) {
		c.stream.Out.Append(l.memory, make([]byte, size))
		c.markDirty()
	}
	for turn, want := range []int{perTurn, 2*perTurn - 1} {
		l.io.Sent = 0
		l.flush()
		got := 0
		for ; got < len(peers) && clientsOf(l)[got].stream.Out.Len() == 0; got++ {
		}
		if got != want || l.mustNotWait() != (turn == 0) {
			t.Errorf("after %d turns the first %d have everything, want %d; the loop goes on: %v", turn+1, got, want, l.mustNotWait())
		}
	}
}

// Who moves to another worker before a turn has come to its output gets it there, and once.
func TestOutputMovesUnwritten(t *testing.T) {
	const size, many = 150_000, 2 * maxTurnBytes / 150_000
	r, before, next := twoGenerations(t, nil)
	var peers []*peer
	for i := range many {
		peers = append(peers, r.connect(fmt.Sprint("c", i), 0, 0))
	}
	r.instruct(next, link.Serve, nil)
	r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
	value := sequence[:size] // repeats itself late
	for _, c := range clientsOf(before) {
		c.stream.Out.Append(before.memory, value)
		c.markDirty()
	}
	r.step(before) // offers them
	r.step(before) // while they are on their way
	r.turn()
	if next.clients != many {
		t.Errorf("%d clients of %d have moved", next.clients, many)
	}
	for i, c := range peers {
		if got := c.take(); !bytes.Equal(got, value) {
			t.Errorf("client %d has got %d bytes, want %d", i, len(got), size)
		}
	}
}
