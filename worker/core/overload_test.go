// More is asked of servers than they can do, by dice: whatever is given up and whatever ends, each request has its own
// reply or a timeout, a server gets each once and in order, and none that was given up before.

package core

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
)

func TestRandomOverload(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playOverload(t, seed) })
	}
}

func FuzzOverload(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(playOverload)
}

// flood is a rig whose clients ask for more than its servers are let do.
type flood struct {
	*rig
	random  *rand.Rand
	clients []*floodClient
	served  map[*peer]*floodConn
	last    map[string]int // the number of the last request that a server got of a client
}

// floodClient asks for keys that have its name and the number of the request in them.
type floodClient struct {
	*peer
	asked [][]byte // the right reply to each request that is not answered
	first int      // number of the first of them
	heard []byte
	right int
	late  int
}

// floodConn is a fake server's side of one connection.
type floodConn struct {
	requests []byte
	replies  [][]byte
}

func playOverload(t *testing.T, seed uint64) {
	f := &flood{
		rig: newRig(t), random: rand.New(rand.NewPCG(seed, 0)), served: map[*peer]*floodConn{}, last: map[string]int{},
	}
	p := f.redisPool([]string{"s1", "s2", "s3"}[:1+f.random.IntN(3)]...)
	p.Timeout = 100 * time.Millisecond
	p.ServerConnections = 1 + f.random.IntN(2)
	f.start()
	for i := range 1 + f.random.IntN(6) {
		f.clients = append(f.clients, &floodClient{peer: f.connect(fmt.Sprint("c", i), 0, 0)})
	}
	speed := 1 + f.random.IntN(30) // of the servers
	for range 200 {
		f.ask()
		f.serve(f.random.IntN(speed))
		f.advance(time.Duration(f.random.IntN(5000)) * time.Microsecond)
		f.hear()
	}
	for range 60 { // it recovers
		f.serve(1000)
		f.advance(5 * time.Millisecond)
		f.hear()
	}
	right := 0
	for _, c := range f.clients {
		right += c.right
		if len(c.asked) > 0 {
			t.Errorf("%s has %d requests without a reply", c.name, len(c.asked))
		}
	}
	if right == 0 {
		t.Error("not one request was answered in time")
	}
}

// ask has some client ask for something.
func (f *flood) ask() {
	c := f.clients[f.random.IntN(len(f.clients))]
	for range f.random.IntN(20) {
		words := []string{"MGET"}
		for range 1 + f.random.IntN(5) {
			words = append(words, fmt.Sprintf("%s:%d:%d", c.name, c.first+len(c.asked), f.random.IntN(1000)))
		}
		if f.random.IntN(2) == 0 {
			words = []string{"GET", words[1]}
		}
		c.send(redisRequestOf(words...))
		c.asked = append(c.asked, echo(words))
	}
	f.turn()
}

// echo returns the reply to a request: each key is its own value.
func echo(words []string) (reply []byte) {
	if strings.EqualFold(words[0], "MGET") {
		reply = resp.AppendArray(reply, len(words)-1)
	}
	for _, key := range words[1:] {
		reply = resp.AppendBulkString(reply, key)
	}
	return reply
}

// serve has each server take what there is, and reply to so many. What came over connections that have ended is first.
func (f *flood) serve(most int) {
	for _, s := range f.servers {
		left := most
		for _, c := range s.conns {
			conn := f.served[c]
			if conn == nil {
				conn = new(floodConn)
				f.served[c] = conn
			}
			f.arrive(s, c, conn)
			for ; left > 0 && len(conn.replies) > 0; left-- {
				c.send(conn.replies[0])
				conn.replies = conn.replies[1:]
			}
		}
	}
	f.turn()
}

// arrive takes the requests off what a connection has received.
func (f *flood) arrive(s *fakeServer, c *peer, conn *floodConn) {
	conn.requests = append(conn.requests, c.take()...)
	for {
		n, args, err := resp.ConsumeRequest(conn.requests, nil)
		f.must(err)
		if n == 0 {
			return
		}
		var words []string
		for _, arg := range args {
			words = append(words, string(arg.Of(conn.requests)))
		}
		conn.requests = conn.requests[n:]
		conn.replies = append(conn.replies, echo(words))
		f.check(s.name, words[1])
	}
}

// check looks at the key of a request that a server got: nobody has heard that it would not, and it has not got a later one.
func (f *flood) check(server, key string) {
	name, rest, _ := strings.Cut(key, ":")
	text, _, _ := strings.Cut(rest, ":")
	number, err := strconv.Atoi(text)
	f.must(err)
	if last, ok := f.last[server+name]; ok && number <= last {
		f.t.Fatalf("%s gets request %d of %s after %d", server, number, name, last)
	}
	f.last[server+name] = number
	for _, c := range f.clients {
		if c.name == name && number < c.first {
			f.t.Fatalf("%s gets request %d of %s, which has its reply", server, number, name)
		}
	}
}

// hear compares what clients have got with what they asked. What servers are sent meanwhile has arrived before.
func (f *flood) hear() {
	f.serve(0)
	for _, c := range f.clients {
		c.heard = append(c.heard, c.take()...)
		for len(c.heard) > 0 {
			reply := c.asked[0]
			switch {
			case bytes.HasPrefix(c.heard, redisTimeout):
				reply = redisTimeout
				c.late++
			case bytes.HasPrefix(c.heard, reply):
				c.right++
			default:
				f.t.Fatalf("%s heard %.100q to %.100q", c.name, c.heard, reply)
			}
			c.heard = c.heard[len(reply):]
			c.asked = c.asked[1:]
			c.first++
		}
	}
}
