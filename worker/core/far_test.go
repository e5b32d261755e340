// Servers that take their time, but for everything at once: they are not overloaded, however much they are asked.

package core

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	farTimeout = 400 * time.Millisecond
	farStep    = 4 * time.Millisecond
)

// farServer answers each request after what it takes, whatever else it is asked.
type farServer struct {
	*fakeServer
	random *rand.Rand
	takes  time.Duration
	jitter time.Duration
	due    map[*peer][]int64 // when the replies over each connection are sent
}

func TestFarServer(t *testing.T) {
	for _, f := range []far{
		{workers: 1, clients: 30, takes: 100 * time.Millisecond},
		{workers: 1, clients: 30, takes: 100 * time.Millisecond, jitter: 40 * time.Millisecond},
		{workers: 2, clients: 30, takes: 150 * time.Millisecond},
		{workers: 4, clients: 100, takes: 150 * time.Millisecond, jitter: 20 * time.Millisecond, startMost: 100},
		{workers: 1, clients: 100, takes: 190 * time.Millisecond, startMost: 100},
		{workers: 2, clients: 30, takes: 180 * time.Millisecond, jitter: 30 * time.Millisecond, startMost: 30},
	} {
		t.Run(fmt.Sprintf("%+v", f), f.play)
	}
}

// far is a load before a far server.
type far struct {
	workers, clients int
	takes, jitter    time.Duration
	startMost        uint64 // requests that may fail in the first second, when nothing is known of the server
}

func (f far) play(t *testing.T) {
	r := newRig(t)
	r.unchecked = true
	r.slots = f.workers
	p := r.redisPool("s1")
	p.Timeout = farTimeout
	r.start()
	s := &farServer{
		fakeServer: r.servers[0], random: rand.New(rand.NewPCG(1, 1)), takes: f.takes, jitter: f.jitter, due: map[*peer][]int64{},
	}
	var askers []*asker
	request := redisRequestOf("GET", "a")
	load := &load{timeout: farTimeout, depth: 1, step: farStep}
	for i := range f.clients {
		askers = append(askers, &asker{
			peer: r.connect(fmt.Sprint("c", i), 0, i%f.workers), load: load, random: s.random,
			request: func(int64) []byte { return request },
		})
	}
	play := func(d time.Duration) (good int, failed uint64) {
		for range d / farStep {
			r.turn()
			s.serve(t, r.now)
			r.advance(farStep)
			for _, a := range askers {
				a.hear(r.now)
			}
		}
		for _, a := range askers {
			good, a.good = good+a.good, 0
		}
		for _, l := range r.workers {
			failed += *l.pools[0].servers[0].counters[link.ServerTimedout]
		}
		return good, failed
	}
	_, start := play(time.Second)
	good, failed := play(3 * time.Second)
	if failed -= start; good == 0 || start > f.startMost || failed > 0 {
		t.Errorf("%d are answered, %d fail in the first second, at most %d should, and %d later", good, start, f.startMost, failed)
	}
}

// serve takes what has come, and sends the replies that are due.
func (s *farServer) serve(t *testing.T, now int64) {
	for _, c := range s.conns {
		for b := c.take(); len(b) > 0; {
			n, _, err := resp.ConsumeRequest(b, nil)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			at := now + int64(s.takes)
			if s.jitter > 0 {
				at += s.random.Int64N(int64(s.jitter))
			}
			s.due[c] = append(s.due[c], at)
			b = b[n:]
		}
		for len(s.due[c]) > 0 && s.due[c][0] <= now {
			c.send([]byte("$1\r\n1\r\n"))
			s.due[c] = s.due[c][1:]
		}
	}
}
