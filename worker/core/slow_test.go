package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// slowRig is one with a pool of two servers, whose slow log is told about: a lives on s2 and d on s1.
func slowRig(t *testing.T, protocol link.Protocol, threshold time.Duration) *rig {
	r := newRig(t)
	p := r.redisPool("s1", "s2")
	p.Protocol, p.SlowLog = protocol, threshold
	r.start()
	return r
}

// slow returns what the slow log has, the earliest first.
func (r *rig) slow() (all []string) {
	l := r.workers[0]
	for id := uint64(1); id <= l.shared.LastSlow(0); id++ {
		for _, e := range l.shared.SlowLog(0) {
			if e.ID != id {
				continue
			}
			text := fmt.Sprintf("%s wait=%d server=%d behind=%d back=%d held_up=%d count=%d at %s:", e.Command, e.Wait, e.Server, e.Behind, e.Back, e.HeldUp, e.Count, e.ServerName)
			for args := e.Args; ; {
				arg, cut, rest, ok := link.SlowArg(args)
				if !ok {
					break
				}
				text += fmt.Sprintf(" %q", arg)
				if cut {
					text += "…"
				}
				args = rest
			}
			all = append(all, text)
		}
	}
	return all
}

func (r *rig) wantSlow(want ...string) {
	r.t.Helper()
	if got := r.slow(); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("slow are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestSlowLogSplitsTime(t *testing.T) {
	r := slowRig(t, link.Redis, 10*time.Millisecond)
	c := r.connect("c", 0, 0)
	c.send([]byte(strings.Join([]string{string(redisRequestOf("SET", "d", strings.Repeat("v", 100))), string(redisRequestOf("GET", "a")), string(redisRequestOf("GET", "a"))}, "")))
	r.turn()
	r.servers[1].answer([]byte("$1\r\n1\r\n$1\r\n2\r\n"))
	r.turn()
	r.advance(9 * time.Millisecond)
	r.wantSlow()
	r.advance(11 * time.Millisecond)
	r.servers[0].answer([]byte("+OK\r\n"))
	r.turn()
	r.wantSlow(`set wait=0 server=20000 behind=0 back=0 held_up=2 count=3 at s1: "d" "` + strings.Repeat("v", 32) + `"…`)
	if n := *r.workers[0].pools[0].counters[link.SlowRequests]; n != 1 {
		t.Errorf("%d requests are counted as slow", n)
	}
}

// Requests that are fast, and those where it is off, leave nothing.
func TestSlowLogOfFastRequests(t *testing.T) {
	for _, threshold := range []time.Duration{0, time.Second} {
		r := slowRig(t, link.Redis, threshold)
		c := r.connect("c", 0, 0)
		c.send(redisRequestOf("GET", "d"))
		r.turn()
		r.advance(20 * time.Millisecond)
		r.servers[0].answer([]byte("$1\r\n1\r\n"))
		r.turn()
		r.wantSlow()
	}
}

// Of a request that went out as several, the last part is the slow one.
func TestSlowLogOfParts(t *testing.T) {
	r := slowRig(t, link.Redis, 10*time.Millisecond)
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("MGET", "a", "d", "a"))
	r.turn()
	r.servers[0].answer([]byte("*1\r\n$1\r\n1\r\n"))
	r.turn()
	r.advance(20 * time.Millisecond)
	r.servers[1].answer([]byte("*2\r\n$1\r\n1\r\n$1\r\n1\r\n"))
	r.turn()
	r.wantSlow(`mget wait=0 server=20000 behind=0 back=0 held_up=0 count=3 at s2: "a" "a"`)
}

func TestSlowLogOfMemcached(t *testing.T) {
	r := slowRig(t, link.Memcache, 10*time.Millisecond)
	c := r.connect("c", 0, 0)
	c.send([]byte("set d 0 0 5\r\nvalue\r\n"))
	r.turn()
	r.advance(20 * time.Millisecond)
	r.servers[0].answer([]byte("STORED\r\n"))
	r.turn()
	r.wantSlow(`set wait=0 server=20000 behind=0 back=0 held_up=0 count=0 at s1: "d" "0" "0" "5"`)
}

// A client that does not take its replies is slow itself.
func TestSlowLogOfClientThatDoesNotRead(t *testing.T) {
	r := slowRig(t, link.Redis, 10*time.Millisecond)
	c := r.connect("c", 0, 0)
	c.deaf = true
	c.send(redisRequestOf("GET", "d"))
	r.turn()
	r.servers[0].answer([]byte("$2000000\r\n" + strings.Repeat("v", 2000000) + "\r\n"))
	r.turn()
	r.advance(20 * time.Millisecond)
	r.wantSlow()
	c.deaf = false
	r.turn()
	r.wantSlow(`get wait=0 server=0 behind=0 back=20000 held_up=0 count=0 at :`)
}

// However many requests are slow, the log takes little time.
func TestSlowLogIsBounded(t *testing.T) {
	r := slowRig(t, link.Redis, 10*time.Millisecond)
	for range 2 * mostSlow {
		c := r.connect("c", 0, 0)
		c.send(redisRequestOf("GET", "d"))
	}
	r.turn()
	r.advance(20 * time.Millisecond)
	r.servers[0].answer([]byte(strings.Repeat("$1\r\n1\r\n", 2*mostSlow)))
	r.turn()
	if n, counted := len(r.slow()), *r.workers[0].pools[0].counters[link.SlowRequests]; n != mostSlow || counted != 2*mostSlow {
		t.Errorf("there are %d entries, and %d are counted", n, counted)
	}
}

// Arguments that may be secrets are not shown.
func TestSlowLogHidesSecrets(t *testing.T) {
	for name, hides := range map[string]bool{"config|set": true, "acl|setuser": true, "migrate": true, "get": false} {
		if hidesArguments(name) != hides {
			t.Errorf("%s: hides is %v", name, !hides)
		}
	}
}

func FuzzSlowArguments(f *testing.F) {
	f.Add(redisRequestOf("GET", "a"))
	f.Add([]byte("$1\r\na\r\n$300\r\nabc"))
	f.Add([]byte("gets a b\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := nameEnd(b); n < 0 || n > len(b) {
			t.Fatalf("the name ends at %d of %d", n, len(b))
		}
		if _, args := redisArguments(b); len(args) > link.MaxSlowArgs {
			t.Fatalf("%d bytes of arguments", len(args))
		}
		if _, args := memcacheArguments(b); len(args) > link.MaxSlowArgs {
			t.Fatalf("%d bytes of arguments", len(args))
		}
	})
}
