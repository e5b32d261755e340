// How much of what servers can do reaches clients in time, when more is asked of them: on a clock that is stepped, so that
// the machine has no part in it.

package core

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// load is what so many clients ask, each again as soon as it is answered, of servers that do so much and no more.
type load struct {
	workers, connections int
	servers              int
	rate                 int // requests a second that each server can do
	timeout              time.Duration
	clients, depth       int
	fan                  bool          // each request is one for all servers
	far                  time.Duration // each reply takes so long beyond what the server does
	step, warm, time     time.Duration
}

func TestGoodput(t *testing.T) {
	const t400 = 400 * time.Millisecond
	for _, test := range []struct {
		load
		good, failed float64 // at least, and at most
	}{
		{load{workers: 1, servers: 2, rate: 200, timeout: t400, clients: 60, depth: 1}, 0.9, 0},
		{load{workers: 1, servers: 2, rate: 200, timeout: t400, clients: 100, depth: 1}, 0.9, 0},
		{load{workers: 1, servers: 2, rate: 200, timeout: t400, clients: 130, depth: 1}, 0.9, 0.05},
		{load{workers: 4, servers: 2, rate: 200, timeout: t400, clients: 60, depth: 1}, 0.9, 0.01},
		{load{workers: 4, servers: 2, rate: 1000, timeout: t400, clients: 120, depth: 4}, 0.9, 0.01},
		{load{workers: 1, servers: 1, rate: 250, timeout: t400, clients: 200, depth: 1}, 0.9, 1},
		{load{workers: 1, servers: 1, rate: 250, timeout: t400, clients: 250, depth: 4}, 0.9, 1},
		{load{workers: 1, servers: 1, rate: 500, timeout: t400, clients: 60, depth: 16}, 0.9, 1},
		{load{workers: 4, servers: 1, rate: 250, timeout: t400, clients: 300, depth: 1}, 0.9, 1},
		{load{workers: 4, servers: 1, rate: 500, timeout: t400 / 4, clients: 100, depth: 1}, 0.9, 1},
		{load{workers: 4, connections: 2, servers: 1, rate: 250, timeout: t400, clients: 300, depth: 1}, 0.9, 1},
		{load{workers: 1, servers: 3, rate: 250, timeout: t400, clients: 300, depth: 1, fan: true}, 0.9, 1},
		{load{workers: 4, servers: 3, rate: 1000, timeout: t400, clients: 100, depth: 1, fan: true}, 0.9, 0.01},
		{load{workers: 4, servers: 3, rate: 250, timeout: t400, clients: 160, depth: 1, fan: true}, 0.9, 1},
		{load{workers: 4, servers: 3, rate: 250, timeout: t400, clients: 60, depth: 16, fan: true}, 0.9, 1},
		{load{workers: 4, connections: 2, servers: 3, rate: 250, timeout: t400, clients: 300, depth: 1, fan: true}, 0.9, 1},
	} {
		test.step, test.warm, test.time = 2*time.Millisecond, 1200*time.Millisecond, 2*time.Second
		t.Run(fmt.Sprintf("%+v", test.load), func(t *testing.T) {
			if got := test.play(t); got.good < test.good || got.failed > test.failed || got.late > 0 {
				t.Errorf("%v; want good ≥ %v, failed ≤ %v, late 0", got, test.good, test.failed)
			}
		})
	}
}

// Servers that can do only a few requests within the timeout. Before that is known, some are too many.
func TestGoodputOfSlowServers(t *testing.T) {
	const t400 = 400 * time.Millisecond
	for _, test := range []struct {
		load
		good float64 // at least
		late int     // at most
	}{
		{load{workers: 1, servers: 1, rate: 10, timeout: t400, clients: 20, depth: 1}, 0.8, 16},
		{load{workers: 4, servers: 1, rate: 10, timeout: t400, clients: 20, depth: 1}, 0.65, 40},
		{load{workers: 4, servers: 1, rate: 20, timeout: t400, clients: 40, depth: 1}, 0.75, 20},
	} {
		test.step, test.warm, test.time = 2*time.Millisecond, 500*time.Millisecond, 15*time.Second
		t.Run(fmt.Sprintf("%+v", test.load), func(t *testing.T) {
			if got := test.play(t); got.good < test.good || got.late > test.late {
				t.Errorf("%v; want good ≥ %v, late ≤ %d", got, test.good, test.late)
			}
		})
	}
}

// outcome is what has come of a load. Ratios are of what the servers can do.
type outcome struct {
	good   float64 // answered in time
	done   float64 // executed
	failed float64 // of the requests, those that were not answered in time
	late   int     // writes that were executed when their clients had been told of a timeout for as long again
	oldest time.Duration
}

func (o outcome) String() string {
	return fmt.Sprintf("good %.2f, done %.2f, failed %.3f, late %d, oldest %v", o.good, o.done, o.failed, o.late, o.oldest)
}

// slowServer executes one request after another, whichever connection it came over. It reads a share of a connection,
// executes that, and only then replies, as Redis does.
type slowServer struct {
	*fakeServer
	load   *load
	cost   int64 // ns, of a request, on the average
	random *rand.Rand
	until  int64      // ns: when it has executed what it has read last
	from   *peer      // over which that came; nil: it has nothing to do
	batch  [][]byte   // replies to that
	next   int        // of its connections, that it looks at first
	way    []underway // replies on their way

	executed int
	late     int
	oldest   int64
}

type underway struct {
	at    int64
	to    *peer
	bytes []byte
}

// asker is a client.
type asker struct {
	*peer
	request func(now int64) []byte
	load    *load
	random  *rand.Rand // how long it waits until it asks again; nil: not at all
	due     int        // replies
	since   int64      // when it asked
	good    int
	failed  int
	anyGood bool
}

func (o *load) play(t *testing.T) (out outcome) {
	r := newRig(t)
	r.unchecked = true
	r.slots = o.workers
	p := r.redisPool([]string{"s1", "s2", "s3"}[:o.servers]...)
	p.Timeout, p.ServerConnections = o.timeout, max(1, o.connections)
	r.start()
	keys := r.keysOfEach()
	var servers []*slowServer
	for i, s := range r.servers {
		servers = append(servers, &slowServer{
			fakeServer: s, load: o, cost: int64(time.Second) / int64(o.rate), random: rand.New(rand.NewPCG(uint64(i), 1)),
		})
	}
	random := rand.New(rand.NewPCG(1, 2))
	var askers []*asker
	for i := range o.clients {
		key := keys[i%o.servers]
		request := func(now int64) []byte { return redisRequestOf("SET", key, strconv.FormatInt(now, 10)) }
		if o.fan {
			request = func(int64) []byte { return redisRequestOf(append([]string{"MGET"}, keys...)...) }
		}
		askers = append(askers, &asker{
			peer: r.connect(fmt.Sprint("c", i), 0, random.IntN(o.workers)), request: request, load: o,
		})
	}
	play := func(d time.Duration) {
		for range d / o.step {
			r.now += int64(o.step)
			for _, s := range servers {
				s.work(t, r.now)
			}
			r.now -= int64(o.step)
			r.advance(o.step)
			for _, a := range askers {
				a.hear(r.now)
			}
			r.turn()
		}
	}
	play(o.warm)
	for _, s := range servers {
		s.executed = 0
	}
	for _, a := range askers {
		a.good, a.failed = 0, 0
	}
	play(o.time)
	good, failed := 0, 0
	for _, a := range askers {
		good += a.good
		failed += a.failed
	}
	can := float64(o.rate) * o.time.Seconds()
	if !o.fan {
		can *= float64(o.servers)
	}
	out.good, out.failed = float64(good)/can, float64(failed)/float64(max(1, good+failed))
	for _, s := range servers {
		out.done += float64(s.executed) / (float64(o.rate*o.servers) * o.time.Seconds())
		out.late += s.late
		out.oldest = max(out.oldest, time.Duration(s.oldest))
	}
	return out
}

// keysOfEach returns a key of each server.
func (r *rig) keysOfEach() []string {
	p := r.workers[0].pools[0]
	keys := make([]string, len(p.servers))
	for n, missing := 0, len(keys); missing > 0; n++ {
		key := strconv.Itoa(n)
		if server := p.placement.ring.Server([]byte(key)); keys[server] == "" {
			keys[server] = key
			missing--
		}
	}
	return keys
}

// hear takes the replies, and asks again.
func (a *asker) hear(now int64) {
	for b := a.take(); len(b) > 0; a.due-- {
		n, _, _ := resp.ConsumeReply(b, resp.Progress{})
		if !resp.IsError(b) && now-a.since <= int64(a.load.timeout)+int64(a.load.step) {
			a.good++
			a.anyGood = true
		} else {
			a.failed++
		}
		b = b[n:]
	}
	if a.due == 0 && a.mayAsk(now) {
		a.due, a.since, a.anyGood = a.load.depth, now, false
		for range a.load.depth {
			a.send(a.request(now))
		}
	}
}

// mayAsk tells whether it asks again at once. After nothing but errors it waits for a moment, as clients do.
func (a *asker) mayAsk(now int64) bool {
	if a.random != nil {
		return a.random.IntN(3) == 0
	}
	return a.anyGood || now-a.since >= int64(10*time.Millisecond)
}

// work has the server execute until now.
func (s *slowServer) work(t *testing.T, now int64) {
	for s.from != nil && s.until <= now || s.from == nil {
		if s.from == nil && !s.read(t, max(s.until, now-int64(s.load.step))) {
			s.until = now
			break
		}
		if s.until > now {
			break
		}
		for _, b := range s.batch {
			s.way = append(s.way, underway{s.until + int64(s.load.far), s.from, b})
		}
		s.batch, s.from = nil, nil
	}
	for len(s.way) > 0 && s.way[0].at <= now {
		s.way[0].to.send(s.way[0].bytes)
		s.way = s.way[1:]
	}
}

// read takes what the next connection has received, and begins to execute it.
func (s *slowServer) read(t *testing.T, now int64) bool {
	for range s.conns {
		s.next = (s.next + 1) % len(s.conns)
		c := s.conns[s.next]
		s.until = now
		for b := c.take(); len(b) > 0; {
			n, args, err := resp.ConsumeRequest(b, nil)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			reply := "+OK\r\n"
			s.until += s.cost/2 + s.random.Int64N(s.cost)
			s.executed++
			if args[0].Of(b)[0]|0x20 == 'm' {
				reply = "*1\r\n$1\r\n1\r\n"
			} else {
				sent, _ := strconv.ParseInt(string(args[2].Of(b)), 10, 64)
				age := s.until - sent
				s.oldest = max(s.oldest, age)
				if age > int64(2*s.load.timeout) {
					s.late++
				}
			}
			s.batch = append(s.batch, []byte(reply))
			b = b[n:]
		}
		if len(s.batch) > 0 {
			s.from = c
			return true
		}
	}
	return false
}
