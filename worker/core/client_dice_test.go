// Clients' lives by dice: whatever clients ask, in whatever pieces, while they hang up, while memory is short and while they
// move, no edge is taken that is not legal, for that would end the worker.

package core

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// dicedRequests is what clients ask: much of it ends them.
var dicedRequests = [][]byte{
	redisRequestOf("GET", "1"), redisRequestOf("GET", "2"), redisRequestOf("SET", "1", strings.Repeat("v", 40_000)),
	redisRequestOf("MGET", "1", "2", "3", "4"), redisRequestOf("PING"), redisRequestOf("ECHO", strings.Repeat("e", 50_000)),
	redisRequestOf("QUIT"), redisRequestOf("MULTI"), redisRequestOf("EXEC"), redisRequestOf("SELECT", "7"), redisRequestOf("RESET"),
	redisRequestOf("SUBSCRIBE", "news"), redisRequestOf("AUTH", "wrong"), redisRequestOf("HELLO", "3"),
	redisRequestOf("HELLO", "3"), redisRequestOf("HELLO", "2"), redisRequestOf("SELECT", "1"), redisRequestOf("SELECT", "0"),
	redisRequestOf("MOVE", "1", "1"), redisRequestOf("CLIENT", "REPLY", "OFF"), redisRequestOf("CLIENT", "REPLY", "ON"),
	redisRequestOf("CLIENT", "REPLY", "SKIP"), redisRequestOf("CLIENT", "TRACKING", "ON"), redisRequestOf("CLIENT", "TRACKING", "ON", "OPTIN"),
	redisRequestOf("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a"), redisRequestOf("CLIENT", "TRACKING", "OFF"), redisRequestOf("CLIENT", "CACHING", "YES"),
	redisRequestOf("CLIENT", "SETNAME", "somebody"), redisRequestOf("DEL", "1", "2", "3"), redisRequestOf("NONSENSE"),
	redisRequestOf(append([]string{"MGET"}, strings.Split(strings.Repeat("k ", 3000)+"k", " ")...)...),
	[]byte("*1\r\n$x\r\n"), []byte("POST / HTTP/1.1\r\n"), []byte("*2\r\n$3\r\nGET\r\n"), []byte("PING\r\n"),
	redisRequestOf("SET", "1", strings.Repeat("v", 400_000)),
	redisRequestOf("KEYS", "*"), redisRequestOf("RANDOMKEY"), redisRequestOf("SCAN", "0"), redisRequestOf("CONFIG", "GET", "x"), redisRequestOf("FLUSHALL"),
}

// longKeys is what a server may answer KEYS.
var longKeys = []byte("*1\r\n$40000\r\n" + strings.Repeat("k", 40_000) + "\r\n")

// fewLives is how many rigs there are by default.
const fewLives = 60

func TestClientsLivesByDice(t *testing.T) {
	rigs := uint64(fewLives)
	if text := os.Getenv("PINION_LIVES"); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			t.Fatalf("PINION_LIVES is %q, want a number of rigs", text)
		}
		rigs = n
	}
	for seed := range rigs {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { playLives(t, rand.New(rand.NewPCG(seed, 11))) })
	}
}

// playLives has clients of two generations do what the dice say.
func playLives(t *testing.T, dice *rand.Rand) {
	r := newRig(t)
	p := r.redisPool("s1", "s2")
	p.ClientIdleTimeout = time.Minute
	p.Databases = 2
	p.AutoEjectHosts = dice.IntN(4) == 0
	p.MaxRequestBytes = 300_000
	p.Timeout = time.Duration(dice.IntN(2)) * 400 * time.Millisecond
	r.limit = int64(dice.IntN(3)) * 60_000
	r.start()
	before, next := r.workers[0], r.joined(nil)
	for i := range 4 {
		r.connect("c"+strconv.Itoa(i), 0, 0)
	}
	for range 60 {
		r.happens(dice, before, next)
		r.turn()
	}
	for _, c := range r.clients {
		c.deaf = false
	}
	r.turn()
	for _, c := range r.clients {
		c.hangUp()
	}
	r.turn()
	r.advance(2 * time.Duration(reliefAfter)) // one that is not read, as it holds too much, is closed after a moment
}

// happens is one throw.
func (r *rig) happens(dice *rand.Rand, before, next *loop) {
	c := r.clients[dice.IntN(len(r.clients))]
	switch dice.IntN(16) {
	case 0:
		c.deaf = !c.deaf
	case 1:
		if c.fd >= 0 && dice.IntN(4) == 0 {
			_ = c.halfClose() // of one that is closed, too
		}
	case 2:
		if dice.IntN(4) == 0 {
			c.hangUp()
		}
	case 3:
		r.advance(time.Duration(dice.IntN(1500)) * time.Millisecond)
	case 4, 5, 6, 7:
		r.serverReplies(dice)
	case 8:
		if !before.ended && !next.ended && dice.IntN(3) == 0 {
			r.handOver(before, next)
		}
	case 9:
		if !before.ended && dice.IntN(3) == 0 {
			r.instruct(before, link.Resume, nil)
		}
	case 10:
		if l := r.workers[dice.IntN(2)]; !l.ended && dice.IntN(12) == 0 {
			l.drain(time.Minute)
		}
	default:
		b := dicedRequests[dice.IntN(len(dicedRequests))]
		if dice.IntN(4) == 0 {
			b = b[:dice.IntN(len(b))]
		}
		c.send(bytes.Clone(b))
	}
}

// serverReplies has a server answer, or say what nobody asked for, or break off.
func (r *rig) serverReplies(dice *rand.Rand) {
	s := r.servers[dice.IntN(len(r.servers))]
	if len(s.conns) == 0 {
		return
	}
	c := s.conns[len(s.conns)-1]
	if dice.IntN(2) == 0 {
		c = s.conns[dice.IntN(len(s.conns))]
	}
	switch {
	case c.ended || c.fd < 0:
	case dice.IntN(20) == 0:
		c.hangUp()
	case dice.IntN(8) == 0:
		c.send([]byte(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\n1\r\n"))
	case dice.IntN(8) == 0:
		c.send([]byte("*2\r\n$1\r\n1\r\n$1\r\n2\r\n"))
	case dice.IntN(8) == 0:
		c.send(longKeys)
	default:
		for range bytes.Count(c.take(), []byte("\r\n*")) + 1 {
			c.send([]byte("$5\r\nvalue\r\n"))
		}
	}
}
