// Replies for which there is no memory cost their own request.

package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// replies of several kinds, each larger than the limit of tooLarge.
var largeReplies = map[string]struct {
	protocol link.Protocol
	reply    string
}{
	"bulk":        {link.Redis, fmt.Sprintf("$%d\r\n%s\r\n", 3_000_000, strings.Repeat("\r\n$5\r", 600_000))},
	"status":      {link.Redis, "+" + strings.Repeat("x", 3<<20) + "\r\n"},
	"short bulks": {link.Redis, fmt.Sprintf("*%d\r\n%s", 300_000, strings.Repeat("$5\r\nhello\r\n", 300_000))},
	"statuses":    {link.Redis, fmt.Sprintf("*%d\r\n%s", 3, strings.Repeat("+"+strings.Repeat("y", 1<<20)+"\r\n", 3))},
	"value":       {link.Memcache, fmt.Sprintf("VALUE k 0 %d\r\n%s\r\nEND\r\n", 3_000_000, strings.Repeat("END\r\n.", 500_000))},
	"meta value":  {link.Memcache, fmt.Sprintf("VA %d\r\n%s\r\n", 3_000_000, strings.Repeat("END\r\n.", 500_000))},
	"values":      {link.Memcache, strings.Repeat("VALUE k 0 5\r\nhello\r\n", 200_000) + "END\r\n"},
}

// A reply beyond memory_limit is answered with an error. The replies behind it come, to whom they belong, and the server
// is as healthy as before.
func TestReplyBeyondMemory(t *testing.T) {
	for name, large := range largeReplies {
		for _, piece := range []int{1 << 10, 7777, 100_000} {
			t.Run(fmt.Sprintf("%s in pieces of %d", name, piece), func(t *testing.T) {
				if len(large.reply)/piece > 1000 {
					piece *= 8
				}
				r := newRig(t)
				p := r.redisPool("s1")
				p.Protocol = large.protocol
				p.AutoEjectHosts, p.ServerFailureLimit = true, 1
				r.start()
				l := r.workers[0]
				l.spec.MemoryLimit = 2 << 20
				get, before, behind := redisRequestOf("GET", "k"), "$1\r\nv\r\n", "$1\r\nw\r\n"
				refusal := "-ERR " + errReplyMemory.Error() + "\r\n"
				if large.protocol == link.Memcache {
					get, before, behind = []byte("get k\r\n"), "VALUE k 0 1\r\nv\r\nEND\r\n", "END\r\n"
					refusal = "SERVER_ERROR " + errReplyMemory.Error() + "\r\n"
				}
				first, unlucky, last := r.connect("first", 0, 0), r.connect("unlucky", 0, 0), r.connect("last", 0, 0)
				for _, c := range []*peer{first, unlucky, last} {
					c.send(get)
					r.turn()
				}
				server := r.servers[0].conns[0]
				all := before + large.reply + behind
				for len(all) > 0 {
					n := min(piece, len(all))
					server.send([]byte(all[:n]))
					all = all[n:]
					r.turn()
					if l.memory.Held() > l.spec.MemoryLimit+stream.MaxReadBytes {
						t.Fatalf("%d bytes are held", l.memory.Held())
					}
				}
				for c, want := range map[*peer]string{first: before, unlucky: refusal, last: behind} {
					if got := string(c.take()); got != want {
						t.Errorf("%s got %.100q, want %q", c.name, got, want)
					}
				}
				s := l.pools[0].servers[0]
				if !s.liveness().Alive() || s.liveness().Failures() > 0 || server.ended {
					t.Errorf("the server is %v, its connection ended: %v", s.liveness(), server.ended)
				}
				if got, want := *s.counters[link.ResponseBytes], uint64(len(before)+len(large.reply)+len(behind)); got != want {
					t.Errorf("%d bytes of replies count, want %d", got, want)
				}
				r.advance(time.Duration(2 * reliefAfter))
			})
		}
	}
}

// What this host lacks says nothing about a server.
func TestOwnTrouble(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1")
	p.AutoEjectHosts, p.ServerFailureLimit, p.Preconnect = true, 1, true
	r.start()
	s := r.workers[0].pools[0].servers[0]
	for _, err := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.EADDRNOTAVAIL, errReplyMemory, errNoMemory} {
		s.primary.conns[0].fail(err)
		if !s.liveness().Alive() || s.liveness().Failures() > 0 {
			t.Errorf("after %v the server is %v", err, s.liveness())
		}
		s.primary.conns[0].open()
		r.turn()
	}
	s.primary.conns[0].fail(unix.ECONNRESET)
	if s.liveness().Alive() {
		t.Error("no failure counts")
	}
}

// A probe that has not got to the server for want of descriptors or ports is made again soon, however long the server is to
// be left alone, and logged once.
func TestProbeInVain(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1")
	p.AutoEjectHosts, p.ServerFailureLimit, p.ServerRetryTimeout = true, 1, time.Hour
	r.start()
	s := r.conn().endpoint.server
	r.conn().fail(unix.ECONNRESET)
	r.turn()
	r.masters[0].take()
	feed := starve(t, 0)
	r.advance(time.Hour + 3*probeAgain)
	feed()
	if state := s.liveness().State(); state != shard.Ejected {
		t.Fatalf("the server is %v, although it cannot be asked", s.liveness())
	}
	if text := string(r.masters[0].take()); strings.Count(text, `"server_failed"`) != 1 || !strings.Contains(text, "too many open files") {
		t.Errorf("the master was told %q", text)
	}
	r.advance(probeAgain)
	conns := r.servers[0].conns
	if len(conns) == 0 {
		t.Fatal("the server is not asked when there are descriptors again")
	}
	s.primary.prober.fail(unix.EADDRNOTAVAIL)
	r.advance(probeAgain)
	r.servers[0].conns[len(conns)].send([]byte("+PONG\r\n"))
	r.turn()
	if !s.liveness().Alive() {
		t.Errorf("the server is %v", s.liveness())
	}
}
