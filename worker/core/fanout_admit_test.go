// Requests that go out as several, before servers of which one takes longer than the others.

package core

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// A burst waits: that the slower server has no room for it yet is no reason to give it up, while there is time.
func TestBurstOfFanoutsIsAnswered(t *testing.T) {
	r := newRig(t)
	r.slots = 4
	r.redisPool("s1", "s2").Timeout = 400 * time.Millisecond
	r.start()
	keys := r.keysOfEach()
	c := r.connect("c", 0, 0)
	request := redisRequestOf("MGET", keys[0], keys[1])
	ask := func(requests, slower int) {
		c.send(bytes.Repeat(request, requests))
		for i := 0; requests > 0; i++ {
			if i == 400 {
				t.Fatalf("%d requests have no reply", requests)
			}
			r.turn()
			r.servers[0].replyToAll(t)
			if i%slower == 0 {
				r.servers[1].replyToAll(t)
			}
			r.advance(time.Millisecond)
			for b := c.take(); len(b) > 0; requests-- {
				n, _, _ := resp.ConsumeReply(b, resp.Progress{})
				if resp.IsError(b) {
					t.Fatalf("after %d ms: %q", i, b[:n])
				}
				b = b[n:]
			}
		}
	}
	for range 10 {
		ask(1, 1)
	}
	ask(200, 5)
}

// replyToAll replies to what it has got over all its connections: each key is missing.
func (s *fakeServer) replyToAll(t *testing.T) {
	for _, c := range s.conns {
		for b := c.take(); len(b) > 0; {
			n, args, err := resp.ConsumeRequest(b, nil)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			c.send(append(resp.AppendArray(nil, len(args)-1), bytes.Repeat([]byte("$-1\r\n"), len(args)-1)...))
			b = b[n:]
		}
	}
}

// What goes to replicas is admitted by what they have room for, and not their primaries.
func TestFanoutToReplicasIsAdmitted(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1", "s2")
	p.ReadFrom = link.ReadFromPreferReplica
	for i := range p.Servers {
		p.Servers[i].Replicas = []link.ReplicaAddress{{Network: "unix", Address: r.addServer(fmt.Sprint("r", i+1)).path}}
	}
	r.start()
	keys := r.keysOfEach()
	c := r.connect("c", 0, 0)
	for i := range p.Servers {
		r.lease(i, 0, r.servers[2+i], 10*time.Second)
	}
	servers := r.workers[0].pools[0].servers
	admits := func(full func(s *server) *conn) bool {
		for _, s := range servers {
			full(s).promised += 1 << 20
		}
		r.unchecked = true
		c.send(redisRequestOf("MGET", keys[0], keys[1]))
		r.turn()
		admitted := false
		for client := range r.workers[0].everyClient {
			admitted = client.tail.fanout.admitted
		}
		for _, s := range servers {
			full(s).promised -= 1 << 20
		}
		r.unchecked = false
		return admitted
	}
	if !admits(func(s *server) *conn { return s.primary.conns[0] }) {
		t.Error("it is not admitted, because of the primaries")
	}
	if admits(func(s *server) *conn { return s.replicas[0].endpoint.conns[0] }) {
		t.Error("it is admitted where the replicas have no room")
	}
}
