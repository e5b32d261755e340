// What the loop itself promises: nobody gets another's events, nobody waits for a greedy neighbour, and the master is
// heard but never waited for.

package core

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// An event that was in flight when its descriptor was closed must not reach who has the place in the table now.
func TestStaleEventIsDropped(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l := r.workers[0]
	before := r.connect("before", 0, 0)
	var stale poll.Token
	for i, entry := range l.table {
		if _, ok := entry.h.(*client); ok {
			stale = poll.Token{Index: uint32(i), Seq: entry.seq}
		}
	}
	before.hangUp()
	r.turn()
	after := r.connect("after", 0, 0)
	c, ok := l.table[stale.Index].h.(*client)
	if !ok || c.token.Index != stale.Index || c.token.Seq == stale.Seq {
		t.Fatalf("the place %d is not used again under another sequence number: %v", stale.Index, c)
	}
	l.turn([]poll.Event{{Token: stale, Readable: true, Writable: true, Hangup: true}})
	if c.stream.Hangup {
		t.Error("the new client was told that the old one is gone")
	}
	after.send(redisRequestOf("PING"))
	r.turn()
	if got := string(after.take()); got != "+PONG\r\n" {
		t.Errorf("the new client got %q", got)
	}
}

// A client that has sent more than one share is served a share per turn, and others in between.
func TestGreedyClientLetsOthersLive(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	r.unchecked = true
	l := r.workers[0]
	greedy, modest := r.connect("greedy", 0, 0), r.connect("modest", 0, 0)
	ping := redisRequestOf("PING")
	count, err := sock.Send(greedy.fd, bytes.Repeat(ping, 3*stream.DefaultReadBytes/len(ping)))
	r.must(err)
	if count <= stream.DefaultReadBytes {
		t.Fatalf("the socket takes only %d bytes", count)
	}
	if _, err := sock.Send(modest.fd, ping); err != nil {
		t.Fatal(err)
	}
	r.step(l)
	r.receive()
	if got := string(modest.take()); got != "+PONG\r\n" {
		t.Errorf("after one turn the modest client has %q", got)
	}
	if got := len(greedy.got) / len("+PONG\r\n"); got > stream.DefaultReadBytes/len(ping) {
		t.Errorf("after one turn the greedy client has %d replies", got)
	}
	if l.patience() != 0 {
		t.Errorf("the loop would wait for %v although a client has more", l.patience())
	}
	r.turn()
	if got, want := len(greedy.take())/len("+PONG\r\n"), count/len(ping); got != want {
		t.Errorf("the greedy client has %d replies, want %d", got, want)
	}
}

func TestPatience(t *testing.T) {
	poller, err := poll.New()
	if err != nil {
		t.Fatal(err)
	}
	defer poller.Close()
	l := &loop{now: 100, poller: poller}
	l.memory = memory.New(&l.timers, &l.now)
	if got := l.patience(); got >= 0 {
		t.Errorf("with nothing to wait for: %v", got)
	}
	tm := &timer.Timer{Fire: func() {}}
	for _, test := range []struct{ at, want int64 }{{150, -1}, {100, 0}, {50, 0}} { // the alarm ends the wait for a timer to come
		l.timers.Set(tm, test.at)
		if got := l.patience(); got != time.Duration(test.want) {
			t.Errorf("with a timer for %d at 100: %v, want %d ns", test.at, got, test.want)
		}
	}
	l.timers.Set(tm, 150)
	l.agenda.next = []receiver{&client{}}
	if got := l.patience(); got != 0 {
		t.Errorf("with a client that has more: %v", got)
	}
}

func TestIllegalEdgePanics(t *testing.T) {
	states := []connState{connClosed, connResolving, connConnecting, connHandshaking, connGreeting, connReady}
	legal := map[string]bool{
		"closed→resolving": true, "closed→connecting": true, "resolving→connecting": true, "resolving→closed": true,
		"connecting→handshaking": true, "handshaking→greeting": true, "handshaking→closed": true,
		"connecting→connecting": true, "connecting→greeting": true, "connecting→ready": true,
		"connecting→closed": true, "closed→ready": true, "greeting→ready": true, "greeting→closed": true, "ready→closed": true,
	}
	for _, from := range states {
		for _, to := range states {
			edge := fmt.Sprintf("%v→%v", from, to)
			want := "<nil>"
			if !legal[edge] {
				want = fmt.Sprintf("worker: a server connection cannot go from %v to %v", from, to)
			}
			if got := becomes(from, to); got != want {
				t.Errorf("%s: panics with %s, want %s", edge, got, want)
			}
		}
	}
}

// becomes returns what going from one state to the other panics with.
func becomes(from, to connState) (reason string) {
	defer func() { reason = fmt.Sprint(recover()) }()
	c := &conn{state: from}
	c.become(to)
	return ""
}

// What the master says wrongly is logged, what it says of a later version is not for us.
func TestMasterMessages(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	m := r.masters[0]
	for _, test := range []struct{ wire, want string }{
		{"nonsense", "shorter than its header says"},
		{strings.Repeat("x", 16), "unknown magic"},
		{string(link.AppendMessage(nil, link.Message{Kind: link.Drain, Body: []byte("soon")})), "shorter than"},
		{string(link.AppendMessage(nil, link.Message{Kind: 99, Body: []byte("future")})), ""},
		{string(link.AppendMessage(nil, link.Message{Kind: link.Verbosity})), ""},
		{string(link.AppendMessage(nil, link.Message{Kind: link.Verbosity, Body: []byte{byte(logevent.Warn)}})), ""},
	} {
		m.send([]byte(test.wire))
		r.turn()
		r.turn()
		got := string(m.take())
		if !strings.Contains(got, test.want) || test.want == "" && got != "" {
			t.Errorf("to %q the worker says %q, want %q", test.wire, got, test.want)
		}
	}
	if l := r.workers[0]; l.draining.on || l.spec.Verbosity != int(logevent.Warn) {
		t.Errorf("draining %v, verbosity %d", l.draining.on, l.spec.Verbosity)
	}
}

// A master that does not listen costs log lines, and it learns how many.
func TestBusyMaster(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1")
	r.start()
	l, m := r.workers[0], r.masters[0]
	m.deaf = true
	logged := 0
	for l.master.lost < 3 {
		l.log(logevent.Unconfined, fmt.Errorf("line %d %s", logged, strings.Repeat("x", 4000)))
		logged++
	}
	m.deaf = false
	r.turn()
	if got := strings.Count(string(m.take()), "serving without a sandbox: line "); got != logged-3 {
		t.Errorf("%d of %d lines arrived, want all but 3", got, logged)
	}
	l.log(logevent.ClientEnded, "alpha", 1, errors.New("too quiet to be heard"))
	l.log(logevent.TimerSlack, errors.New("again"))
	r.turn()
	got := r.logged(l)
	if !slices.Equal(got, []string{"3 log lines were lost: the master was busy", "setting the timer slack: again"}) {
		t.Errorf("the master is told %q", got)
	}
	if l.master.lost != 0 {
		t.Errorf("%d lines are still counted as lost", l.master.lost)
	}
}
