// Very many subscriptions over a new connection.

package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// A server that is back is told of very many subscriptions a slice per turn, and in the end has those that the client has by then.
func TestSubscribeAgainInSlices(t *testing.T) {
	const slice = sliceBytes / keyToll
	const all = slice * 3 / 2
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	s, e := r.servers[0], r.workers[0].pools[0].servers[0].primary
	words := []string{"SUBSCRIBE"}
	for i := range all {
		words = append(words, fmt.Sprintf("n%d", i))
	}
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf(words...))
	if has := r.confirmsAll(s); len(has) != all {
		t.Fatalf("the server has %d subscriptions", len(has))
	}

	s.conns[0].hangUp()
	for told, turns := 0, 0; told < all; turns++ {
		r.step(r.workers[0])
		now := 0
		for _, own := range e.dedicated.all {
			now += own.owed + own.unbegun
		}
		if now > told+slice || turns > 100 {
			t.Fatalf("in turn %d the server is told of %d subscriptions", turns, now-told)
		}
		told = now
	}
	if has := r.confirmsAll(s); len(has) != all {
		t.Errorf("the next connection has %d subscriptions", len(has))
	}

	s.conns[1].hangUp()
	for e.dedicated.all == nil || e.dedicated.all[0].own.renews == nil {
		r.step(r.workers[0])
	}
	if !e.dedicated.all[0].isBusy() {
		t.Error("its client could move")
	}
	c.send(redisRequestOf(append([]string{"UNSUBSCRIBE"}, words[2:]...)...))
	c.send(redisRequestOf("SUBSCRIBE", "more"))
	if has := r.confirmsAll(s); len(has) != 2 || !has["n0"] || !has["more"] {
		t.Errorf("the last connection has %d subscriptions", len(has))
	}
}

// confirmsAll has the server's last connection confirm everything, and returns to what it is subscribed then.
func (r *rig) confirmsAll(s *fakeServer) map[string]bool {
	has := map[string]bool{}
	for r.turn(); ; r.turn() {
		conn := s.conns[len(s.conns)-1]
		asks := conn.take()
		if len(asks) == 0 {
			return has
		}
		var replies []byte
		for len(asks) > 0 {
			n, args, err := resp.ConsumeRequest(asks, nil)
			r.must(err)
			what, name := strings.ToLower(string(args[0].Of(asks))), string(args[1].Of(asks))
			if what == "subscribe" || what == "ssubscribe" {
				has[name] = true
			} else {
				delete(has, name)
			}
			replies = append(replies, confirmation(what, name, 1)...)
			asks = asks[n:]
		}
		conn.send(replies)
	}
}
