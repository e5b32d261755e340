package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/worker/memory"
)

// crowded has a client ask a server that is slow, and then for many other things, whose replies have to wait.
func crowded(t *testing.T, r *rig, c *peer, behind []byte) {
	t.Helper()
	c.send(append(redisRequestOf("GET", "a"), behind...))
	r.turn()
	if got := c.take(); len(got) != 0 {
		t.Fatalf("the client got %q before its first reply", got)
	}
}

// Replies that wait take about as much memory as they have bytes, however short they are, and none when they are gone.
func TestWaitingRepliesLieSideBySide(t *testing.T) {
	const count, most = 3000, 16 << 10
	r := newRig(t)
	r.redisPool("s1", "s2", "s3")
	r.start()
	c := r.connect("c", 0, 0)
	crowded(t, r, c, []byte(strings.Repeat(string(redisRequestOf("PING")), count)))
	l := r.workers[0]
	bytes := count * len("+PONG\r\n")
	if got := clientsOf(l)[0].held; got > 2*bytes+most {
		t.Errorf("%d bytes of replies take %d bytes of memory", bytes, got)
	}
	r.servers[0].conns[0].send([]byte("$1\r\nx\r\n"))
	r.turn()
	if got, want := string(c.take()), "$1\r\nx\r\n"+strings.Repeat("+PONG\r\n", count); got != want {
		t.Errorf("%d bytes of replies, want %d", len(got), len(want))
	}
	if c := clientsOf(l)[0]; c.held != 0 || c.stream.Out.Cost() != 0 {
		t.Errorf("%d bytes are held for nobody", c.held+c.stream.Out.Cost())
	}
}

// Short, long and very long replies come in their order, whichever way they waited.
func TestWaitingRepliesOfAllLengths(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2", "s3")
	r.start()
	c := r.connect("c", 0, 0)
	var behind []byte
	want := "$1\r\nx\r\n"
	for i, n := range []int{0, 1, 1023, 1024, 5000, 20_000, memory.ClaimBytes - 10, memory.ClaimBytes, 100_000, 3} {
		text := strings.Repeat(string(rune('a'+i)), n)
		behind = append(behind, redisRequestOf("ECHO", text)...)
		want += fmt.Sprintf("$%d\r\n%s\r\n", n, text)
	}
	crowded(t, r, c, behind)
	r.servers[0].conns[0].send([]byte("$1\r\nx\r\n"))
	r.turn()
	if got := string(c.take()); got != want {
		t.Errorf("%d bytes of replies, want %d", len(got), len(want))
	}
	if l := r.workers[0]; l.memory.Held() != clientBytes {
		t.Errorf("%d bytes are held for nobody", l.memory.Held()-clientBytes)
	}
}

// A client that is closed while replies wait takes its shelves along; the late reply finds nobody.
func TestWaitingRepliesOfOneWhoIsClosed(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2", "s3")
	r.start()
	c := r.connect("c", 0, 0)
	crowded(t, r, c, []byte(strings.Repeat(string(redisRequestOf("PING")), 1000)))
	l := r.workers[0]
	clientsOf(l)[0].close()
	if l.memory.Held() != int64(requestBytes) { // one is waited for by the server connection
		t.Errorf("%d bytes are held for nobody", l.memory.Held())
	}
	r.servers[0].conns[0].send([]byte("$1\r\nx\r\n"))
	r.turn()
}
