// Round trips through one worker whose peers are in the same thread: what the loop costs, with the kernel's part.

package core

import (
	"fmt"
	"math"
	"math/rand"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// reply is what a fake server sends on one of its connections.
type reply struct {
	server int
	text   string
}

// exchange is one round trip: a client's bytes, the servers' replies to them, and what the client then has.
type exchange struct {
	rig      *rig
	client   *peer
	requests []byte
	replies  []reply
	want     string
}

// run plays the exchange once. It allocates nothing itself.
func (e *exchange) run() {
	if _, err := sock.Send(e.client.fd, e.requests); err != nil {
		e.rig.t.Fatal(err)
	}
	e.rig.turn()
	for _, r := range e.replies {
		s := e.rig.servers[r.server]
		if len(s.conns) == 0 {
			e.rig.t.Fatalf("%s got nothing", s.name)
		}
		c := s.conns[0]
		c.take()
		if c.tls != nil {
			c.tls.say = append(c.tls.say, r.text...)
			continue
		}
		if n := send(c.fd, r.text); n != len(r.text) {
			e.rig.t.Fatalf("%s sent %d of %d bytes", s.name, n, len(r.text))
		}
	}
	e.rig.turn()
	if got := e.client.take(); string(got) != e.want {
		e.rig.t.Fatalf("the client got %.200q, want %.200q", got, e.want)
	}
}

// send sends a string, which becomes no []byte on the heap.
func send(fd int, text string) int {
	var b [64 << 10]byte
	n, _ := sock.Send(fd, b[:copy(b[:], text)])
	return n
}

func newExchange(t testing.TB, protocol link.Protocol) *exchange { return newExchangeOf(t, protocol) }

// limitedUser is who a client is at once, and may use the keys of these tests among others that his rules tell apart.
const limitedUser = "default on nopass ~other:* %R~[a-k] ~?* +@all -@dangerous"

// newExchangeOf is newExchange in a pool that has users.
func newExchangeOf(t testing.TB, protocol link.Protocol, users ...string) *exchange {
	r := newRig(t)
	p := r.redisPool("s1", "s2", "s3")
	p.Users = users
	p.Protocol, p.SlowLog, r.samples = protocol, 10*time.Millisecond, 1000 // as it is without a configuration
	r.start()
	r.unchecked = true
	return &exchange{rig: r, client: r.connect("a", 0, 0)}
}

func BenchmarkRedis(b *testing.B) {
	get := string(redisRequestOf("GET", "a"))
	value := "$100\r\n" + strings.Repeat("x", 100) + "\r\n"
	for _, depth := range []int{1, 16, 100} {
		b.Run(fmt.Sprintf("GET pipeline=%d", depth), func(b *testing.B) {
			e := newExchange(b, link.Redis)
			e.requests, e.want = []byte(strings.Repeat(get, depth)), strings.Repeat(value, depth)
			e.replies = []reply{{0, e.want}}
			e.benchmark(b, depth)
		})
	}
	b.Run("GET of a user with patterns", func(b *testing.B) {
		e := newExchangeOf(b, link.Redis, limitedUser)
		e.requests, e.want = []byte(strings.Repeat(get, 16)), strings.Repeat(value, 16)
		e.replies = []reply{{0, e.want}}
		e.benchmark(b, 16)
	})
	b.Run("MGET keys=100", func(b *testing.B) {
		e := newExchange(b, link.Redis)
		args := []string{"MGET"}
		keys := make([]int, len(e.rig.servers))
		for i := range 100 {
			args = append(args, fmt.Sprint("key", i))
			keys[e.rig.workers[0].pools[0].placement.one([]byte(args[i+1]))]++
		}
		for server, n := range keys {
			e.replies = append(e.replies, reply{server, fmt.Sprintf("*%d\r\n", n) + strings.Repeat(value, n)})
		}
		e.requests, e.want = redisRequestOf(args...), "*100\r\n"+strings.Repeat(value, 100)
		e.benchmark(b, 1)
	})
}

func BenchmarkMemcache(b *testing.B) {
	value := strings.Repeat("x", 100)
	for name, one := range map[string][2]string{
		"get": {"get a\r\n", "VALUE a 0 100\r\n" + value + "\r\nEND\r\n"},
		"set": {"set a 0 0 100\r\n" + value + "\r\n", "STORED\r\n"},
	} {
		b.Run(name+" pipeline=100", func(b *testing.B) {
			const depth = 100
			e := newExchange(b, link.Memcache)
			e.requests, e.want = []byte(strings.Repeat(one[0], depth)), strings.Repeat(one[1], depth)
			e.replies = []reply{{0, e.want}}
			e.benchmark(b, depth)
		})
	}
}

// benchmark counts requests, not exchanges; what the peers do is included.
func (e *exchange) benchmark(b *testing.B, requests int) {
	e.run()
	b.ReportAllocs()
	for b.Loop() {
		e.run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*requests), "ns/request")
}

// BenchmarkSpread is 20 clients that ask for 100 keys each, spread over the servers, whose replies come server by server: most
// have to wait for those of another one.
func BenchmarkSpread(b *testing.B) {
	for _, bytes := range []int{-1, 3, 100, 1024} {
		value := "$-1\r\n"
		if bytes >= 0 {
			value = fmt.Sprintf("$%d\r\n%s\r\n", bytes, strings.Repeat("x", bytes))
		}
		b.Run(fmt.Sprintf("bytes=%d", bytes), func(b *testing.B) { benchmarkSpread(b, value) })
	}
}

func benchmarkSpread(b *testing.B, value string) {
	const clients, depth = 20, 100
	r := newRig(b)
	r.redisPool("s1", "s2", "s3", "s4").Preconnect = true
	r.start()
	r.unchecked = true
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l := r.workers[0]
	asked := make([][clients]int, len(r.servers))
	requests := make([][]byte, clients)
	for i := range clients {
		r.connect(fmt.Sprint("c", i), 0, 0)
		for j := range depth {
			key := fmt.Sprintf("key:%d:%d", i, j)
			requests[i] = append(requests[i], redisRequestOf("GET", key)...)
			asked[l.pools[0].placement.one([]byte(key))][i]++
		}
	}
	replies := strings.Repeat(value, depth)
	var spent int64 // by the worker, without its peers
	turn := func() {
		for {
			events, err := l.poller.Wait(0)
			r.must(err)
			if len(events) == 0 && !l.mustNotWait() {
				return
			}
			begin := threadTime()
			l.turn(events)
			spent += threadTime() - begin
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for i, c := range r.clients {
			c.send(requests[i])
			c.push()
		}
		turn()
		for s, server := range r.servers {
			for i := range clients {
				server.conns[0].send([]byte(replies[:asked[s][i]*len(value)]))
				server.conns[0].push()
				server.conns[0].pull()
				turn()
			}
			server.conns[0].take()
		}
		for _, c := range r.clients {
			c.pull()
			if got := c.take(); string(got) != replies {
				b.Fatalf("%d bytes instead of %d", len(got), len(replies))
			}
		}
	}
	b.ReportMetric(float64(spent)/float64(b.N*clients*depth), "ns/request")
}

// BenchmarkMGet is an MGET of 100 keys over four servers without the kernel: parsed, fanned out, its replies paired and merged.
// What counts is the least of many samples, which others on the machine do not disturb.
func BenchmarkMGet(b *testing.B) {
	r := newRig(b)
	spec := r.redisPool("s1", "s2", "s3", "s4")
	spec.Hash, spec.Distribution, spec.Preconnect = "fnv1a_64", "ketama", true
	r.start()
	r.unchecked = true
	r.connect("a", 0, 0)
	r.turn()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l := r.workers[0]
	p, c := l.pools[0], clientsOf(l)[0]
	const sample = 100
	var requests [sample][]byte
	var replies [sample][][]byte
	value := "$100\r\n" + strings.Repeat("x", 100) + "\r\n"
	for q := range requests {
		args, keys := []string{"MGET"}, make([]int, len(p.servers))
		for range 100 {
			key := fmt.Sprintf("key:%012d", rand.Intn(10000))
			args = append(args, key)
			keys[p.placement.one([]byte(key))]++
		}
		requests[q] = redisRequestOf(args...)
		for _, n := range keys {
			replies[q] = append(replies[q], []byte(fmt.Sprintf("*%d\r\n", n)+strings.Repeat(value, n)))
		}
	}
	least := int64(math.MaxInt64)
	for b.Loop() {
		begin := threadTime()
		for q := range sample {
			c.processRedis(requests[q])
			for i, s := range p.servers {
				conn := s.primary.conns[0]
				bytes := conn.stream.Out.Len()
				conn.stream.Out.Drain(l.memory, bytes)
				conn.wrote(bytes)
				if _, err := conn.pairReplies(replies[q][i]); err != nil {
					b.Fatal(err)
				}
			}
			c.stream.Out.Drain(l.memory, c.stream.Out.Len())
		}
		least = min(least, threadTime()-begin)
	}
	b.ReportMetric(float64(least)/sample, "ns/request")
}

// threadTime returns the CPU time of this thread, in ns.
func threadTime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}
