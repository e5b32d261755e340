// Subscribers move with the connections that hold their subscriptions, and miss nothing.

package core

import (
	"fmt"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// notice returns what a server sends a subscriber of RESP2.
func notice(words ...string) []byte { return redisRequestOf(words...) }

// confirmation returns a server's confirmation.
func confirmation(what, name string, count int) []byte {
	b := resp.AppendArray(nil, 3)
	b = resp.AppendBulkString(b, what)
	b = resp.AppendBulkString(b, name)
	return resp.AppendInt(b, int64(count))
}

// subscribes has a client subscribe to a channel on the first server, and returns the server's end of its connection.
func (r *rig) subscribes(name, channel string) (c, server *peer) {
	r.t.Helper()
	c = r.connect(name, 0, 0)
	c.send(redisRequestOf("SUBSCRIBE", channel))
	r.turn()
	conns := r.servers[0].conns
	server = conns[len(conns)-1]
	if got := string(server.take()); got != string(redisRequestOf("SUBSCRIBE", channel)) {
		r.t.Fatalf("the server got %q", got)
	}
	server.send(confirmation("subscribe", channel, 1))
	r.gets(c, string(confirmation("subscribe", channel, 1)))
	return c, server
}

// Whatever is published while the client moves, or the move is called off, comes once and in order.
func TestMoveSubscriberAtEveryStep(t *testing.T) {
	for _, resumes := range []bool{false, true} {
		for steps := range 16 {
			t.Run(fmt.Sprintf("%d steps, resumes %v", steps, resumes), func(t *testing.T) {
				r, before, next := twoGenerations(t, nil)
				c, server := r.subscribes("c", "ch")
				r.instruct(next, link.Serve, nil)
				r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
				want := ""
				publish := func(i int) {
					message := notice("message", "ch", fmt.Sprint(i))
					want += string(message)
					server.send(message)
					server.push()
				}
				for i := range steps {
					publish(i)
					r.step(r.workers[i%2])
				}
				if resumes {
					r.instruct(before, link.Resume, nil)
					r.instruct(next, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
					publish(100)
				}
				r.gets(c, want)
				at := map[bool]*loop{true: before, false: next}[resumes]
				if at.clients != 1 || *at.pools[0].counters[link.Subscribers] != 1 {
					t.Errorf("%d clients are there", at.clients)
				}
				c.send(redisRequestOf("PING"))
				r.gets(c, "*2\r\n$4\r\npong\r\n$0\r\n\r\n")
				c.send(redisRequestOf("UNSUBSCRIBE"))
				r.turn()
				if got := string(server.take()); got != string(redisRequestOf("UNSUBSCRIBE", "ch")) {
					t.Errorf("the server got %q", got)
				}
				server.send(confirmation("unsubscribe", "ch", 0))
				r.gets(c, string(confirmation("unsubscribe", "ch", 0)))
				r.pings(c, at)
			})
		}
	}
}

// In the next configuration channels may live on another server, or theirs is gone: they are subscribed to where they live, and
// patterns everywhere.
func TestMoveSubscriberToOtherServers(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	other := r.addServer("s2")
	before, next := r.workers[0], r.joined(func(pools []link.Pool) {
		pools[0].Servers = append([]link.Server{}, pools[0].Servers[0], link.Server{Name: "s2", Network: "unix", Address: other.path, Weight: 1})
	})
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("SUBSCRIBE", "1", "4"))
	c.send(redisRequestOf("PSUBSCRIBE", "n*"))
	r.turn()
	server := r.servers[0].conns[0]
	server.take()
	server.send(append(confirmation("subscribe", "1", 1), append(confirmation("subscribe", "4", 2), confirmation("psubscribe", "n*", 3)...)...))
	r.gets(c, string(confirmation("subscribe", "1", 1))+string(confirmation("subscribe", "4", 2))+string(confirmation("psubscribe", "n*", 3)))
	r.handOver(before, next)
	if got := r.given(before); got.Moved != 1 || got.Stragglers != 0 {
		t.Fatalf("given: %+v", got)
	}
	r.turn()
	r.advance(0)
	if got := string(server.take()); got != string(redisRequestOf("UNSUBSCRIBE", "1")) {
		t.Errorf("the first server got %q", got)
	}
	second := other.conns[0]
	got := string(second.take())
	one, pattern := string(redisRequestOf("SUBSCRIBE", "1")), string(redisRequestOf("PSUBSCRIBE", "n*"))
	if got != one+pattern && got != pattern+one {
		t.Errorf("the second server got %q", got)
	}
	server.send(confirmation("unsubscribe", "1", 2))
	second.send(append(confirmation("subscribe", "1", 1), confirmation("psubscribe", "n*", 2)...))
	second.send(notice("message", "1", "hello"))
	server.send(notice("message", "4", "you"))
	r.turn()
	if got, a, b := string(c.take()), string(notice("message", "1", "hello")), string(notice("message", "4", "you")); got != a+b && got != b+a {
		t.Errorf("the client got %q", got)
	}
}

// A connection whose server is gone in the next configuration is lost; the client is not.
func TestMoveSubscriberFromServerThatIsGone(t *testing.T) {
	var other *fakeServer
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	other = r.addServer("s2")
	before, next := r.workers[0], r.joined(func(pools []link.Pool) {
		pools[0].Servers = []link.Server{{Name: "s2", Network: "unix", Address: other.path, Weight: 1}}
	})
	c, server := r.subscribes("c", "ch")
	r.handOver(before, next)
	r.advance(0)
	if !server.ended {
		t.Error("the server that is gone still has the connection")
	}
	second := other.conns[0]
	if got := string(second.take()); got != string(redisRequestOf("SUBSCRIBE", "ch")) {
		t.Errorf("the other server got %q", got)
	}
	second.send(append(confirmation("subscribe", "ch", 1), notice("message", "ch", "x")...))
	r.gets(c, string(notice("message", "ch", "x")))
}

// One whose server is gone for the moment moves without a connection to it, and subscribes when it is back.
func TestMoveSubscriberWhileServerIsGone(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c, server := r.subscribes("c", "ch")
	r.servers[0].refuse()
	server.hangUp()
	r.turn()
	r.handOver(before, next)
	if got := r.given(before); got.Moved != 1 {
		t.Fatalf("given: %+v", got)
	}
	r.must(r.servers[0].listen())
	r.advance(2 * subscribePause)
	conns := r.servers[0].conns
	again := conns[len(conns)-1]
	if got := string(again.take()); got != string(redisRequestOf("SUBSCRIBE", "ch")) {
		t.Fatalf("the server got %q", got)
	}
	again.send(append(confirmation("subscribe", "ch", 1), notice("message", "ch", "x")...))
	r.gets(c, string(notice("message", "ch", "x")))
}

// A subscription that is not confirmed yet is waited for, as a reply is.
func TestMoveSubscriberBeforeConfirmation(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("SUBSCRIBE", "ch"))
	r.turn()
	r.handOver(before, next)
	if next.clients != 0 {
		t.Fatal("it has moved")
	}
	r.servers[0].conns[0].send(confirmation("subscribe", "ch", 1))
	r.gets(c, string(confirmation("subscribe", "ch", 1)))
	if next.clients != 1 {
		t.Error("it has not moved")
	}
}

// A subscriber that does not take what is published is closed at a limit of its own; in RESP3 what comes are pushes.
func TestSlowSubscriber(t *testing.T) {
	r := newRig(t)
	p := r.redisPool("s1")
	p.SubscriberOutput = 100_000
	r.start()
	c, server := r.subscribes("c", "ch")
	quick, its := r.subscribes("quick", "ch")
	c.deaf = true
	text := make([]byte, 20_000)
	for range 40 {
		message := notice("message", "ch", string(text))
		server.send(message)
		its.send(message)
		r.gets(quick, string(message))
	}
	if r.workers[0].clients != 1 || !server.ended {
		t.Errorf("%d clients are left", r.workers[0].clients)
	}
}
