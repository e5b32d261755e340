// Joining the workers of the other generation: each attempt is answered, the clients are spread by weight, and there is a
// descriptor for it, however many clients there are.

package core

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// answers returns what a worker has said of its connections to the other generation.
func (r *rig) answers(l *loop) (joined []int, failed []link.PeerFailedBody) {
	r.t.Helper()
	for b := r.masters[slices.Index(r.workers, l)].take(); len(b) > 0; {
		size := 16 + int(b[12]) + int(b[13])<<8
		m, err := link.ParseMessage(slices.Clone(b[:size]))
		r.must(err)
		b = b[size:]
		switch m.Kind {
		case link.Joined:
			var body link.PeerBody
			r.must(link.ParseBody(m, &body))
			joined = append(joined, body.Slot)
		case link.PeerFailed:
			var body link.PeerFailedBody
			r.must(link.ParseBody(m, &body))
			failed = append(failed, body)
		}
	}
	return joined, failed
}

func TestJoined(t *testing.T) {
	r, before, next := twoGenerations(t, nil)
	for _, l := range []*loop{before, next} {
		if joined, failed := r.answers(l); !slices.Equal(joined, []int{0}) || len(failed) != 0 {
			t.Errorf("worker of generation %d has joined %v and failed with %v", l.spec.Generation, joined, failed)
		}
	}
}

// The descriptor has not come: the kernel drops it where the process may have no more. The master learns that, and why;
// nothing is left of the attempt, and the next one succeeds.
func TestPeerWithoutDescriptor(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	c := r.connect("c", 0, 0)
	ours, theirs, err := sock.SeqpacketPair()
	r.must(err)
	feed := starve(t, 0)
	r.instruct(l, link.Peer, link.PeerBody{Slot: 3}, theirs)
	r.turn()
	feed()
	joined, failed := r.answers(l)
	if len(joined) != 0 || len(failed) != 1 || failed[0].Slot != 3 || !failed[0].Unjoined || !strings.Contains(failed[0].Reason, "LimitNOFILE") {
		t.Errorf("it has joined %v and failed with %+v", joined, failed)
	}
	r.instruct(l, link.Peer, link.PeerBody{Slot: 3}, theirs)
	r.turn()
	if joined, failed = r.answers(l); !slices.Equal(joined, []int{3}) || len(failed) != 0 {
		t.Errorf("with room it has joined %v and failed with %+v", joined, failed)
	}
	r.pings(c, l)
	sock.Close(ours)
	sock.Close(theirs)
	r.turn()
}

// However many clients there are, some descriptors are left, and the worker can join another one. When clients leave,
// others take their place; when it drains, nobody waits.
func TestDescriptorsAreSpared(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	l.descriptors.spares = true
	const more = 200
	for i := range more {
		r.dial(fmt.Sprint("c", i))
	}
	feed := starve(t, more)
	limit, err := sock.MaxDescriptors()
	r.must(err)
	r.turn()
	r.advance(10 * acceptPause)
	next, err := sock.FreeDescriptor()
	r.must(err)
	if spare := limit - next; spare != link.Spared(limit) {
		t.Errorf("%d clients leave %d of %d descriptors, want %d", l.clients, spare, limit, link.Spared(limit))
	}
	if text := string(r.masters[0].take()); strings.Count(text, `"accept_paused"`) != 1 || !strings.Contains(text, "LimitNOFILE") {
		t.Errorf("the master was told %q", text)
	}
	ours, theirs, err := sock.SeqpacketPair()
	r.must(err)
	r.instruct(l, link.Peer, link.PeerBody{Slot: 1}, theirs)
	sock.Close(theirs)
	r.turn()
	if joined, failed := r.answers(l); len(joined) != 1 || len(failed) != 0 {
		t.Errorf("it has joined %v and failed with %+v", joined, failed)
	}
	sock.Close(ours)
	r.turn()

	served := l.clients
	for _, c := range r.clients[:10] {
		c.hangUp()
	}
	r.turn()
	r.advance(2 * acceptPause)
	if l.clients < served-1 || l.clients > served+10+10 { // the test's own ends are free, too
		t.Errorf("after 10 of %d have left there are %d", served, l.clients)
	}
	feed()
	r.advance(2 * acceptPause)
	if l.clients != more-10 {
		t.Errorf("with descriptors there are %d clients", l.clients)
	}
}

func TestDrainSparesNothing(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	l.descriptors.spares = true
	const more = 40
	for i := range more {
		r.dial(fmt.Sprint("c", i))
	}
	starve(t, more)
	r.turn()
	if l.clients == more {
		t.Fatal("nothing is spared")
	}
	r.tell(link.Message{Kind: link.Drain, Body: link.DrainBody(10_000)})
	r.advance(2 * time.Second) // in which they could have asked something
	for _, c := range r.clients {
		if !c.ended {
			t.Errorf("%s still waits", c.name)
		}
	}
}

// Clients are spread over several peers in proportion to their shares.
func TestSharesOfClients(t *testing.T) {
	for _, test := range []struct {
		shares  []int
		clients int
		want    []int
	}{
		{[]int{1, 1}, 100, []int{50, 50}},
		{[]int{2, 1}, 99, []int{66, 33}},
		{[]int{31, 2}, 330, []int{310, 20}},
		{[]int{1, 3, 1}, 5, []int{1, 3, 1}},
		{[]int{0, 0, 0}, 9, []int{3, 3, 3}}, // of a master that says nothing about shares
		{[]int{5, 1}, 1, []int{1, 0}},
	} {
		r := newRig(t)
		r.redisPool("s1")
		r.start()
		before := r.workers[0]
		for i := range test.clients {
			r.connect(fmt.Sprint("c", i), 0, 0)
		}
		for i, share := range test.shares {
			next := r.succeed(nil)
			next.spec.Slot = i
			ours, theirs, err := sock.SeqpacketPair()
			r.must(err)
			r.instruct(before, link.Peer, link.PeerBody{Slot: i, Share: share}, ours)
			r.instruct(next, link.Peer, link.PeerBody{Slot: 0, Share: share}, theirs)
			sock.Close(ours)
			sock.Close(theirs)
		}
		r.turn()
		r.instruct(before, link.MoveClients, link.MoveClientsBody{Patience: time.Second})
		r.turn()
		var got []int
		for _, next := range r.workers[1:] {
			got = append(got, next.clients)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d clients in shares of %v: %v, want %v", test.clients, test.shares, got, test.want)
		}
		r.tearDown()
		r.clients = nil
	}
}
