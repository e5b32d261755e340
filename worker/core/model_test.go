// A world that follows dice: clients, servers and the worker take their steps in any order, bytes arrive in any pieces,
// replies late. Each client must hear, byte for byte, what it would hear from one Redis of its own.

package core

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/sock"
)

func TestRandomWorlds(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playWorld(t, seed) })
	}
}

func FuzzWorld(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(playWorld)
}

// world is a rig whose peers act by chance.
type world struct {
	*rig
	random  *rand.Rand
	stores  []store // of each server
	clients []*modelClient
	conns   map[*peer]*modelConn
	long    bool // clients ask for much at once
}

// modelClient is a client with what it has still to say and to hear.
type modelClient struct {
	*peer
	slot  int
	asks  []byte
	hears []byte
	heard int
	fails int // hangs up once so many bytes are left to be sent; -1 = never
}

// modelConn is a fake server's side of one connection.
type modelConn struct {
	requests []byte
	replies  []byte
	args     []resp.Span
	session  storeSession
}

func playWorld(t *testing.T, seed uint64) { newWorld(t, seed).play() }

// playLongWorld is playWorld with requests and replies that take several turns.
func playLongWorld(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	w.long = true
	w.play()
}

func newWorld(t *testing.T, seed uint64) *world {
	return &world{rig: newRig(t), random: rand.New(rand.NewPCG(seed, 0)), conns: map[*peer]*modelConn{}}
}

func (w *world) play() {
	w.slots = 1 + w.random.IntN(2)
	var names []string
	for i := range 1 + w.random.IntN(4) {
		names = append(names, fmt.Sprint("s", i))
		w.stores = append(w.stores, store{})
	}
	p := w.redisPool(names...)
	p.ServerConnections = 1 + w.random.IntN(2)
	p.Preconnect = w.random.IntN(2) == 0
	w.start()
	for i := range 1 + w.random.IntN(6) {
		w.addClient(i)
	}
	for w.busy() {
		w.act()
	}
	for _, c := range w.clients {
		if c.fd >= 0 {
			w.must(c.halfClose())
		}
	}
	for range 10 {
		for _, c := range w.clients {
			w.receiveClient(c)
		}
		w.turn()
	}
	for _, c := range w.clients {
		if c.fd >= 0 && !c.ended {
			w.t.Errorf("%s is not closed", c.name)
		}
	}
}

func (w *world) addClient(i int) {
	work := &workload{random: w.random, prefix: fmt.Sprintf("c%d:", i), store: store{}}
	requests := 100
	if w.long {
		work.long, requests = true, 20
	}
	for range w.random.IntN(requests) {
		work.add()
	}
	c := &modelClient{slot: w.random.IntN(w.slots), asks: work.asks, hears: work.hears, fails: -1}
	c.peer = w.connect(fmt.Sprint("c", i), 0, c.slot)
	c.deaf = true // the world receives for it
	if w.random.IntN(4) == 0 {
		c.fails = w.random.IntN(len(c.asks) + 1)
	}
	w.clients = append(w.clients, c)
	w.shrink()
}

// shrink makes the workers' sockets take little, so that writes fall short.
func (w *world) shrink() {
	for _, l := range w.workers {
		for _, entry := range l.table {
			switch h := entry.h.(type) {
			case *client:
				unix.SetsockoptInt(h.stream.FD(), unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
			case *conn:
				unix.SetsockoptInt(h.stream.FD(), unix.SOL_SOCKET, unix.SO_SNDBUF, 4096)
			}
		}
	}
}

// busy tells whether a client has still something to say or to hear.
func (w *world) busy() bool {
	for _, c := range w.clients {
		if c.fd >= 0 && (len(c.asks) > 0 || c.heard < len(c.hears)) {
			return true
		}
	}
	return false
}

// act has someone do something. Nobody is left out for ever, or others would wait for ever.
func (w *world) act() {
	switch w.random.IntN(3) {
	case 0:
		c := w.clients[w.random.IntN(len(w.clients))]
		w.sendClient(c)
		w.receiveClient(c)
	case 1:
		i := w.random.IntN(len(w.servers))
		w.servers[i].accept()
		for _, c := range w.servers[i].conns {
			w.serve(c, w.stores[i])
		}
	case 2:
		w.step(w.workers[w.random.IntN(len(w.workers))])
	}
}

func (w *world) sendClient(c *modelClient) {
	if c.fd < 0 {
		return
	}
	n, _ := sock.Send(c.fd, w.piece(c.asks))
	c.asks = c.asks[n:]
	if len(c.asks) <= c.fails {
		c.hangUp()
	}
}

func (w *world) receiveClient(c *modelClient) {
	c.deaf = false
	c.pull()
	c.deaf = true
	got := c.take()
	if want := c.hears[c.heard:]; !bytes.HasPrefix(want, got) {
		w.t.Fatalf("%s heard %.300q, want %.300q", c.name, got, want[:min(len(want), len(got)+20)])
	}
	c.heard += len(got)
}

// serve executes what has arrived and sends some of what is to be answered.
func (w *world) serve(c *peer, s store) {
	m := w.conns[c]
	if m == nil {
		m = new(modelConn)
		w.conns[c] = m
	}
	c.pull()
	m.requests = append(m.requests, c.take()...)
	for {
		var n int
		var err error
		n, m.args, err = resp.ConsumeRequest(m.requests, m.args)
		w.must(err)
		if n == 0 {
			break
		}
		var words []string
		for _, arg := range m.args {
			words = append(words, string(arg.Of(m.requests)))
		}
		m.replies = s.serve(m.replies, &m.session, words...)
		m.requests = m.requests[n:]
	}
	n, _ := sock.Send(c.fd, w.piece(m.replies))
	m.replies = m.replies[n:]
}

// piece returns the first bytes of b: few, many, or all.
func (w *world) piece(b []byte) []byte {
	switch w.random.IntN(3) {
	case 0:
		return b[:min(len(b), w.random.IntN(8))]
	case 1:
		return b[:w.random.IntN(len(b)+1)]
	}
	return b
}
