//go:build !race

// Whatever is held for anybody counts, and at its real size: what a worker counts is compared with what the process has more
// of. Not under the race detector, with which memory is no measure.

package core

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/pinion-proxy/pinion/worker/link"
)

// inUse returns how many bytes the process has on its heap and in mappings of its own.
func inUse(t *testing.T) int64 {
	t.Helper()
	for range 3 { // pools let go of what they have in steps
		runtime.GC()
	}
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	return int64(heap.HeapAlloc) + mappedInUse(t)
}

// mappedInUse returns how many bytes there are in mappings that are neither files nor the Go runtime's.
func mappedInUse(t *testing.T) (bytes int64) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	must(t, err)
	defer f.Close()
	const arenas = 36 // bits within which all of Go's are
	heap := int64(uintptr(unsafe.Pointer(unsafe.SliceData(make([]byte, 1<<20)))))
	ours := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		var from, to, kilobytes int64
		if _, err := fmt.Sscanf(line, "%x-%x rw-p 00000000 00:00 0", &from, &to); err == nil {
			ours = len(strings.Fields(line)) == 5 && from>>arenas != heap>>arenas
		} else if strings.Contains(line, "-p ") || strings.Contains(line, "-s ") {
			ours = false
		} else if _, err := fmt.Sscanf(line, "Rss: %d kB", &kilobytes); err == nil && ours {
			bytes += kilobytes << 10
		}
	}
	return bytes
}

// holding is a way to make a worker hold some megabytes.
type holding struct {
	name     string
	protocol link.Protocol
	hold     func(r *rig)
}

// crowd connects clients that each send b, and receive nothing if they are deaf.
func (r *rig) crowd(n int, b []byte, deaf bool) {
	for range n {
		c := r.connect("c", 0, 0)
		c.deaf = deaf
		c.send(b)
	}
	r.turn()
}

// a lives on s2 and d on s1, see testdata/muted_held.txt.
var holdings = []holding{
	{"requests to a server that does not answer", link.Redis, func(r *rig) {
		r.crowd(20, repeated(rigOutstanding, "GET", "d"), false)
	}},
	{"requests to a server that does not read", link.Redis, func(r *rig) {
		r.servers[0].deaf = true
		r.crowd(40, repeated(500, "SET", "d", strings.Repeat("x", 300)), false)
	}},
	{"PINGs behind a request", link.Redis, func(r *rig) {
		r.crowd(20, append(redisRequestOf("GET", "d"), repeated(rigOutstanding-1, "PING")...), false)
	}},
	{"short replies behind a request", link.Redis, func(r *rig) {
		r.crowd(10, append(redisRequestOf("GET", "d"), repeated(rigOutstanding-1, "GET", "a")...), false)
		r.servers[1].answer([]byte(strings.Repeat("$5\r\nvalue\r\n", 10*(rigOutstanding-1))))
	}},
	{"replies behind a request", link.Redis, func(r *rig) {
		r.crowd(10, append(redisRequestOf("GET", "d"), repeated(300, "GET", "a")...), false)
		r.servers[1].answer([]byte(strings.Repeat(fmt.Sprintf("$3000\r\n%s\r\n", strings.Repeat("v", 3000)), 10*300)))
	}},
	{"large replies behind a request", link.Redis, func(r *rig) {
		r.crowd(5, append(redisRequestOf("GET", "d"), repeated(3, "GET", "a")...), false)
		r.servers[1].answer([]byte(strings.Repeat(fmt.Sprintf("$1000000\r\n%s\r\n", strings.Repeat("v", 1000000)), 5*3)))
	}},
	{"replies that are not taken", link.Redis, func(r *rig) {
		r.crowd(10, repeated(1000, "GET", "a"), true)
		r.servers[1].answer([]byte(strings.Repeat(fmt.Sprintf("$1000\r\n%s\r\n", strings.Repeat("v", 1000)), 10*1000)))
	}},
	{"parts of requests", link.Redis, func(r *rig) {
		r.crowd(10, repeated(1000, "MGET", "a", "d", "a", "d"), false)
		r.servers[1].answer([]byte(strings.Repeat("*2\r\n$5\r\nvalue\r\n$5\r\nvalue\r\n", 10*1000)))
	}},
	{"long parts of requests", link.Redis, func(r *rig) {
		r.crowd(20, redisRequestOf("MGET", "a", "d", "a", "d"), false)
		r.servers[1].answer(longParts(20))
	}},
	{"long replies that are not taken", link.Redis, func(r *rig) {
		r.crowd(20, redisRequestOf("MGET", "a", "d", "a", "d"), true)
		r.servers[0].answer(longParts(20))
		r.turn()
		r.servers[1].answer(longParts(20))
	}},
	{"keys of long requests", link.Memcache, func(r *rig) {
		r.crowd(100, []byte("get "+strings.Repeat("a d ", 1000)+"\r\n"), false)
	}},
	{"parts of memcached requests", link.Memcache, func(r *rig) {
		r.crowd(10, []byte(strings.Repeat("get a d a d a d a d a d a d a d a d\r\n", 1000)), false)
		r.servers[1].answer([]byte(strings.Repeat("VALUE a 0 5\r\nvalue\r\nEND\r\n", 10*1000)))
	}},
	{"errors behind a request", link.Redis, func(r *rig) {
		r.servers[1].refuse()
		r.crowd(20, append(redisRequestOf("GET", "d"), repeated(rigOutstanding-1, "GET", "a")...), false)
	}},
	{"halves of requests", link.Redis, func(r *rig) {
		r.crowd(200, redisRequestOf("SET", "d", strings.Repeat("x", 30_000))[:25_000], false)
	}},
	{"halves of large requests", link.Redis, func(r *rig) {
		r.crowd(20, redisRequestOf("SET", "d", strings.Repeat("x", 800_000))[:700_000], false)
	}},
	{"half a reply", link.Redis, func(r *rig) {
		r.crowd(1, redisRequestOf("GET", "a"), false)
		r.servers[1].answer([]byte("$20000000\r\n" + strings.Repeat("x", 10_000_000)))
	}},
	{"names", link.Redis, func(r *rig) {
		name := strings.Repeat("n", 1024)
		r.crowd(1000, append(append(redisRequestOf("CLIENT", "SETNAME", name), redisRequestOf("CLIENT", "SETINFO", "LIB-NAME", name)...),
			redisRequestOf("CLIENT", "SETINFO", "LIB-VER", name)...), false)
	}},
}

// longParts returns so many replies of two values each.
func longParts(n int) []byte {
	value := fmt.Sprintf("$100000\r\n%s\r\n", strings.Repeat("v", 100_000))
	return []byte(strings.Repeat("*2\r\n"+value+value, n))
}

// repeated returns a request n times.
func repeated(n int, args ...string) []byte {
	return []byte(strings.Repeat(string(redisRequestOf(args...)), n))
}

func TestHeldMemoryIsReal(t *testing.T) {
	for _, h := range holdings {
		t.Run(h.name, func(t *testing.T) {
			r := newRig(t)
			r.redisPool("s1", "s2").Protocol = h.protocol
			r.start()
			r.unchecked = true
			l := r.workers[0]
			for range rigRequests { // the pool of the rig would hide them
				l.requests.get()
			}
			spare := l.memory.Held()
			before := inUse(t)
			h.hold(r)
			r.advance(10 * time.Second) // what is kept for reuse goes back
			r.forgetPeers()
			counted, real := l.memory.Held()-spare, inUse(t)-before
			t.Logf("%d bytes count, %d are in use: %.2f of them", counted, real, float64(counted)/float64(real))
			if real < 1<<20 {
				t.Fatal("this holds too little to say something")
			}
			if float64(counted) < 0.8*float64(real) || float64(counted) > 1.25*float64(real) {
				t.Error("they differ by more than a fourth")
			}
			if holds := l.holders(); holds < int(counted)/2 { // what is written of a large buffer goes back in steps
				t.Errorf("of those that count, only %d are ascribed to somebody", holds)
			}
			r.abandon()
		})
	}
}

// holders returns how many bytes somebody could be closed for.
func (l *loop) holders() (sum int) {
	for h := range l.everyHolder {
		sum += h.frees()
	}
	return sum
}

// abandon ends the workers without looking for what is left over.
func (r *rig) abandon() {
	for slot := range r.workers {
		r.exit(slot)
	}
}

// forgetPeers frees what the test's own ends of the connections keep.
func (r *rig) forgetPeers() {
	for _, s := range r.servers {
		for _, c := range s.conns {
			c.got, c.rest = nil, nil
		}
	}
	for _, c := range append(r.clients, r.masters...) {
		c.got, c.rest = nil, nil
	}
}
