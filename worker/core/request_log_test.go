package core

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// logRig has a log of requests and slow ones; the key a lives on s2.
func logRig(t *testing.T, requests, slow int) *rig {
	r := newRig(t)
	p := r.redisPool("s1", "s2")
	p.Protocol, p.SlowLog = link.Redis, 10*time.Millisecond
	r.start()
	l := r.workers[0]
	l.spec.LoggedRequests, l.spec.LoggedSlow = requests, slow
	for _, p := range l.pools {
		if requests > 0 {
			p.noted = 0
		}
	}
	l.requestLog = requestLog{}
	l.requestLog.init(l)
	l.requestLog.begin()
	return r
}

// ask has a client ask for a, which takes a while, and returns what is logged.
func (r *rig) ask(c *peer, takes time.Duration) []string {
	c.send([]byte("*2\r\n$3\r\nGET\r\n$1\r\na\r\n"))
	r.turn()
	r.advance(takes)
	r.servers[1].answer([]byte("$1\r\n1\r\n"))
	r.turn()
	return slices.DeleteFunc(r.logged(r.workers[0]), func(line string) bool { return !strings.Contains(line, "client 1 at") })
}

func TestRequestsAreLogged(t *testing.T) {
	r := logRig(t, 10, 0)
	c := r.connect("c", 0, 0)
	want := []string{`pool "alpha": client 1 at @:0: get "a" to server "s2" took 2ms: waiting to be sent 0s, server 2ms, behind earlier ones 0s`}
	if got := r.ask(c, 2*time.Millisecond); !slices.Equal(got, want) {
		t.Errorf("the first request logs %q, want %q", got, want)
	}
	for range 10 {
		if got := r.ask(c, time.Millisecond); len(got) > 0 {
			t.Fatalf("a request too soon logs %q", got)
		}
	}
	r.advance(time.Second)
	if got := r.ask(c, time.Millisecond); len(got) != 1 {
		t.Errorf("a second later it logs %q", got)
	}
}

func TestSlowRequestsAreLogged(t *testing.T) {
	r := logRig(t, 0, 1)
	c := r.connect("c", 0, 0)
	if got := r.ask(c, time.Millisecond); len(got) > 0 {
		t.Errorf("a fast request logs %q", got)
	}
	want := []string{`pool "alpha": slow: client 1 at @:0: get "a" to server "s2" took 20ms: waiting to be sent 0s, server 20ms, behind earlier ones 0s`}
	if got := r.ask(c, 20*time.Millisecond); !slices.Equal(got, want) {
		t.Errorf("a slow request logs %q, want %q", got, want)
	}
	for range 3 {
		if got := r.ask(c, 20*time.Millisecond); len(got) > 0 {
			t.Errorf("one too many logs %q", got)
		}
	}
	r.advance(time.Second)
	if got := r.ask(c, 20*time.Millisecond); len(got) != 1 || !strings.HasSuffix(got[0], "(3 more such lines suppressed)") {
		t.Errorf("a second later it logs %q", got)
	}
}

// Without both nobody looks at requests that are not slow.
func TestRequestsThatNobodyLogs(t *testing.T) {
	r := logRig(t, 0, 0)
	p := r.workers[0].pools[0]
	if p.noteFrom != p.slow || p.noted != p.slow {
		t.Errorf("requests are looked at from %d ns on, slow are those from %d on", p.noteFrom, p.slow)
	}
	if got := r.ask(r.connect("c", 0, 0), 20*time.Millisecond); len(got) > 0 {
		t.Errorf("it logs %q", got)
	}
}
