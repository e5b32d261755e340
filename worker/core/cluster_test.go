// What clusters need that transcripts do not show.

package core

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// clusterRig has a worker of a cluster of so many nodes, of which a topology says more.
func clusterRig(t testing.TB, nodes ...string) *rig {
	r := newRig(t)
	p := r.redisPool(nodes...)
	p.Seeds, p.Servers, p.FailoverWait = []string{"seed:7000"}, link.Places(), 10*time.Second
	r.start()
	return r
}

// nodes has the master say what the nodes have, as transcripts do.
func (r *rig) nodes(nodes ...string) { (&stage{rig: r}).relocate(nodes) }

// What waits at a gate travels as input, in its order, and the next worker sends it.
func TestMoveHeldAtGate(t *testing.T) {
	r := clusterRig(t, "n1", "n2")
	r.nodes("n1=0-3299", "n2=8192-16383")
	before := r.workers[0]
	next := r.joined(nil)
	c, d := r.connect("c", 0, 0), r.connect("d", 0, 0)
	c.send(append(redisRequestOf("SET", "b", "1"), redisRequestOf("SET", "b", "2")...))
	r.turn()
	d.send(redisRequestOf("GET", "b"))
	r.turn()
	if n := before.pools[0].cluster.held; n != 2 {
		t.Fatalf("%d requests wait", n)
	}
	r.handOver(before, next)
	if before.clients != 0 || next.clients != 2 {
		t.Fatalf("%d clients are left, %d have moved", before.clients, next.clients)
	}
	if n := before.pools[0].cluster.held; n != 0 {
		t.Errorf("%d requests still wait in the worker before", n)
	}
	next.spec.Topology = link.StaticTopology(next.spec.Pools)
	r.nodes("n1=0-8191", "n2=8192-16383")
	n1 := r.servers[0]
	for _, text := range []string{"+PONG\r\n", "+OK\r\n+OK\r\n", "+OK\r\n"} {
		if len(n1.conns) == 0 {
			t.Fatal("nobody connects")
		}
		n1.conns[0].send([]byte(text))
		r.turn()
	}
	if got := string(c.take()); got != "+OK\r\n+OK\r\n" {
		t.Errorf("one got %q", got)
	}
	if got := string(d.take()); got != "+OK\r\n" {
		t.Errorf("the other one got %q", got)
	}
	asked := n1.conns[0].take()
	if first, second := bytes.Index(asked, redisRequestOf("SET", "b", "1")), bytes.Index(asked, redisRequestOf("SET", "b", "2")); first < 0 || second < first {
		t.Errorf("the node was asked %q", asked)
	}
}

// A node that is a master no more, or gone, while the workers of a reload look whether they reach it is not waited for, and no reason
// to give the reload up.
func TestRollCallDuringFailover(t *testing.T) {
	for name, nodes := range map[string][]string{"replica": {"n1", "n2=0-16383"}, "gone": {"n2=0-16383"}} {
		r := clusterRig(t, "n1", "n2")
		r.nodes("n1=0-8191", "n2=8192-16383")
		next := r.succeed(nil)
		next.spec.Topology = link.StaticTopology(next.spec.Pools)
		for i := range r.workers[0].spec.Topology.Pools {
			next.relocate(&r.workers[0].spec.Topology.Pools[i])
		}
		next.checkServers()
		r.turn()
		r.servers[1].conns[0].send([]byte("+PONG\r\n"))
		r.turn()
		if got := r.ready(next); got != nil {
			t.Fatalf("%s: before the nodes have answered it says %v", name, got)
		}
		r.nodes(nodes...)
		if got := r.ready(next); got == nil || len(got.Unreachable) > 0 {
			t.Errorf("%s: it says %v", name, got)
		}
		r.tearDown()
		r.clients = nil
	}
}

// Only addresses in the topology are followed, in whatever form the cluster names them.
func TestClusterTargets(t *testing.T) {
	r := clusterRig(t, "n1")
	cl := r.workers[0].pools[0].cluster
	cl.at = map[string]int{"10.0.0.1:7000": 0, "10.0.0.1:7001": 1, "[::1]:7000": 2, "[::1]:7001": 3, "node.example:7000": 4}
	for _, test := range []struct {
		from, text string
		place      int
	}{
		{"10.0.0.1:7000", "-MOVED 1 10.0.0.1:7001\r\n", 1},
		{"10.0.0.1:7000", "-MOVED 1 :7001\r\n", 1},
		{"10.0.0.1:7000", "-MOVED 1 ::1:7000\r\n", 2},
		{"[::1]:7000", "-ASK 1 :7001\r\n", 3},
		{"[::1]:7000", "-ASK 1 node.example:7000\r\n", 4},
		{"10.0.0.1:7000", "-MOVED 1 6.6.6.6:1\r\n", -1},
		{"10.0.0.1:7000", "-MOVED 1 10.0.0.1:7002\r\n", -1},
		{"/socket", "-MOVED 1 :7001\r\n", -1},
	} {
		to, ok := resp.ParseRedirect([]byte(test.text))
		place, known := cl.target(&endpoint{address: test.from}, to)
		if !ok || known != (test.place >= 0) || known && place != test.place {
			t.Errorf("%q of %s leads to place %d, %v", test.text, test.from, place, known)
		}
	}
}

// What waits is bounded: beyond that it fails at once, and so does all when memory is scarce.
func TestClusterCrowd(t *testing.T) {
	r := clusterRig(t, "n1")
	l := r.workers[0]
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf("GET", "b"))
	r.turn()
	if got := string(c.take()); got != "" {
		t.Fatalf("it got %q", got)
	}
	l.endHolding()
	r.turn()
	if got := string(c.take()); got != "-CLUSTERDOWN Hash slot not served; not executed\r\n" {
		t.Errorf("it got %q", got)
	}
	l.pools[0].cluster.held = mostHeld
	c.send(redisRequestOf("GET", "b"))
	l.pools[0].cluster.held = mostHeld
	r.unchecked = true
	r.turn()
	r.unchecked = false
	l.pools[0].cluster.held -= mostHeld
	r.turn()
	if got := string(c.take()); got != "-CLUSTERDOWN Hash slot not served; not executed\r\n" {
		t.Errorf("it got %q", got)
	}
}

// A subscription to a channel of a shard comes along, and is where its slot is by the topology of the worker that has it then.
func TestMoveShardSubscriber(t *testing.T) {
	r := clusterRig(t, "n1", "n2")
	r.nodes("n1=0-8191", "n2=8192-16383")
	before := r.workers[0]
	next := r.joined(nil)
	c := r.connect("c", 0, 0)
	c.send(append(redisRequestOf("SSUBSCRIBE", "b"), redisRequestOf("PSUBSCRIBE", "__key*")...))
	r.turn()
	confirmed := []byte("*3\r\n$10\r\nssubscribe\r\n$1\r\nb\r\n:1\r\n")
	n1, n2 := r.servers[0], r.servers[1]
	wide := []byte("*3\r\n$10\r\npsubscribe\r\n$6\r\n__key*\r\n:1\r\n")
	n1.conns[0].send(append(confirmed, wide...))
	n2.conns[0].send(wide)
	r.turn()
	c.take()
	n2.conns[0].take()
	next.spec.Topology = link.StaticTopology(next.spec.Pools)
	next.relocate(before.spec.Topology.Pool("alpha"))
	r.handOver(before, next)
	if next.clients != 1 {
		t.Fatalf("%d clients have moved", next.clients)
	}
	r.nodes("n1=0-3299", "n2=3300-16383")
	if got := n2.conns[0].take(); !bytes.Equal(got, redisRequestOf("SSUBSCRIBE", "b")) {
		t.Fatalf("the new owner is asked %q", got)
	}
	n2.conns[0].send(confirmed)
	r.turn()
	message := "*3\r\n$8\r\nsmessage\r\n$1\r\nb\r\n$1\r\n1\r\n"
	n2.conns[0].send([]byte(message))
	r.turn()
	if got := string(c.take()); got != message {
		t.Errorf("it got %q", got)
	}
}

// Very many subscriptions whose slot nobody has are asked for a slice per turn, as soon as a node has it. What waits is accounted for.
func TestSubscribeNowhereInSlices(t *testing.T) {
	const slice = sliceBytes / keyToll
	const all = slice * 3 / 2
	r := clusterRig(t, "n1")
	r.nodes("n1=0-3299")
	l := r.workers[0]
	cl := l.pools[0].cluster
	words := []string{"SSUBSCRIBE"}
	for i := range all {
		words = append(words, fmt.Sprintf("{b}%d", i))
	}
	c := r.connect("c", 0, 0)
	c.send(redisRequestOf(words...))
	r.turn()
	if n := cl.nowhere.charged; len(cl.nowhere.all) != all || n < all*int(unsafe.Sizeof(resubscribed{})) {
		t.Fatalf("%d subscriptions wait, %d bytes are accounted for", len(cl.nowhere.all), n)
	}
	r.nodes("n1=0-16383") // it is asked for what the client has, too
	e := l.pools[0].servers[0].primary
	asked := func() (n int) {
		for _, own := range e.dedicated.all {
			if n += own.owed + own.unbegun; own.own.charged != n*askedBytes {
				t.Fatalf("the node is asked for %d subscriptions, %d bytes are accounted for", n, own.own.charged)
			}
		}
		return n
	}
	r.now += redirectPause
	for turns := 0; len(cl.nowhere.all) > 0; turns++ {
		before := asked()
		if r.step(l); asked() > before+slice || turns > 100 {
			t.Fatalf("in turn %d the node is asked for %d subscriptions", turns, asked()-before)
		}
	}
	if n := cl.nowhere.charged; n != 0 {
		t.Errorf("none waits, %d bytes are accounted for", n)
	}
	if has := r.confirmsAll(r.servers[0]); len(has) != all {
		t.Errorf("the node has %d subscriptions", len(has))
	}
	if n := e.dedicated.all[0].own.charged; n != 0 {
		t.Errorf("the node is asked for none, %d bytes are accounted for", n)
	}
}

// Each slot of a request has one fragment, however many there are: those of few are listed, those of many are in a table.
func TestFragmentsOfSlots(t *testing.T) {
	r := clusterRig(t, "n1")
	fs := &r.workers[0].pools[0].fanouts
	for _, slots := range []int{1, mostListed, mostListed + 1, mostListed + 2, 100} {
		f := fs.get()
		for range 2 {
			for slot := range slots {
				fs.assign(f, slot*7)
			}
		}
		for i, fragment := range f.owner {
			if want := i % slots; int(fragment) != want || fs.targets[want] != (target{want * 7, 2}) {
				t.Fatalf("of %d slots, key %d is in fragment %d, want %d, of %+v", slots, i, fragment, want, fs.targets[want])
			}
		}
		fs.assigned(f)
		if i := slices.IndexFunc(fs.of, func(fragment int32) bool { return fragment >= 0 }); i >= 0 {
			t.Fatalf("after %d slots, that of slot %d is left over", slots, i-1)
		}
	}
}
