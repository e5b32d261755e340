// How much of what servers can do reaches clients in time, when more is asked of them: on a clock that is stepped, so that
// the machine has no part in it.

package worker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
)

const (
	goodputTimeout = 400 * time.Millisecond
	goodputStep    = 4 * time.Millisecond // in which a server executes a request, more or less
)

// slowServer executes one request after another, whichever connection it came over. It reads a share of a connection,
// executes that, and only then replies, as Redis does.
type slowServer struct {
	*fakeServer
	random  *rand.Rand
	next    int      // of its connections, that it has read last
	reading *peer    // that one
	batch   [][]byte // replies to what it executes now
	done    [][]byte // and to what it has executed of it
}

func TestGoodput(t *testing.T) {
	for _, o := range []overload{
		{workers: 1, connections: 1, servers: 1, factor: 2, depth: 1},
		{workers: 1, connections: 1, servers: 1, factor: 10, depth: 4},
		{workers: 1, connections: 1, servers: 1, factor: 5, depth: 16},
		{workers: 4, connections: 2, servers: 1, factor: 3, depth: 1},
		{workers: 1, connections: 1, servers: 3, factor: 5, depth: 1},
		{workers: 4, connections: 1, servers: 3, factor: 3, depth: 1},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			if got := o.goodput(t); got < 0.75 { // a step is long for a way there and back: the server waits for it
				t.Errorf("%.2f of what the servers can do is answered in time", got)
			}
		})
	}
}

// overload is factor times what servers can do; with several of them, each request is one for all.
type overload struct{ workers, connections, servers, factor, depth int }

func (o overload) goodput(t *testing.T) float64 {
	r := newRig(t)
	r.unchecked = true
	r.slots = o.workers
	p := r.redisPool([]string{"s1", "s2", "s3"}[:o.servers]...)
	p.Timeout, p.ServerConnections = goodputTimeout, o.connections
	r.start()
	request := redisRequestOf("GET", "a")
	if o.servers > 1 {
		request = redisRequestOf("MGET", "a", "b", "g") // one on each
	}
	var servers []*slowServer
	for i, s := range r.servers {
		servers = append(servers, &slowServer{fakeServer: s, random: rand.New(rand.NewPCG(uint64(i), 0))})
	}
	var askers []*asker
	for i := range int(goodputTimeout/goodputStep) * o.factor / o.depth {
		askers = append(askers, &asker{
			peer: r.connect(fmt.Sprint("c", i), 0, i%o.workers), random: servers[0].random, request: request, depth: o.depth,
		})
	}
	good := 0
	const warm, steps = 150, 450
	for step := range warm + steps {
		for _, s := range servers {
			s.execute(t)
		}
		r.advance(goodputStep)
		for _, a := range askers {
			if n := a.hear(r.now); step >= warm {
				good += n
			}
		}
	}
	return float64(good) / steps
}

// asker asks again as soon as all that it has asked is answered.
type asker struct {
	*peer
	random  *rand.Rand
	request []byte
	depth   int   // requests at once
	due     int   // replies
	since   int64 // when it asked
}

// hear takes the replies, and returns how many were right and in time.
func (a *asker) hear(now int64) (good int) {
	for b := a.take(); len(b) > 0; a.due-- {
		n, _, _ := resp.ConsumeReply(b, resp.Progress{})
		if !resp.IsError(b) && now-a.since <= int64(goodputTimeout) {
			good++
		}
		b = b[n:]
	}
	if a.due == 0 && a.random.IntN(3) == 0 {
		a.due, a.since = a.depth, now
		a.send(bytes.Repeat(a.request, a.depth))
	}
	return good
}

// execute does a step's work: of one request on the average.
func (s *slowServer) execute(t *testing.T) {
	for range s.random.IntN(3) {
		if len(s.batch) == 0 {
			s.read(t)
		}
		if len(s.batch) == 0 {
			return
		}
		s.done = append(s.done, s.batch[0])
		s.batch = s.batch[1:]
		if len(s.batch) == 0 {
			for _, reply := range s.done {
				s.reading.send(reply)
			}
			s.done = nil
		}
	}
}

// read takes what the next connection has received.
func (s *slowServer) read(t *testing.T) {
	for range s.conns {
		s.next = (s.next + 1) % len(s.conns)
		c := s.conns[s.next]
		for b := c.take(); len(b) > 0; {
			n, args, err := resp.ConsumeRequest(b, nil)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			reply := "$1\r\n1\r\n"
			if args[0].Of(b)[0] == 'm' {
				reply = "*1\r\n" + reply
			}
			s.batch = append(s.batch, []byte(reply))
			b = b[n:]
		}
		if len(s.batch) > 0 {
			s.reading = c
			return
		}
	}
}
