package core

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sketch"
)

// samplingRig is one whose worker looks at keys: a lives on s2 and d on s1.
func samplingRig(t *testing.T) *rig {
	r := newRig(t)
	r.samples = 1000
	r.redisPool("s1", "s2")
	r.start()
	return r
}

// keys returns what a sketch has, the greatest first, as "KEY=COUNT/LARGEST".
func (r *rig) keys(by int) (all []string) {
	for _, m := range sketch.Merge(10, r.workers[0].shared.Keys(by, 0, 0)) {
		all = append(all, fmt.Sprintf("%s=%d/%d", m.Key, m.Count.Count, m.Largest))
	}
	return all
}

func (r *rig) wantKeys(by int, want string) {
	r.t.Helper()
	if got := strings.Join(r.keys(by), " "); got != want {
		r.t.Errorf("keys are %s, want %s", got, want)
	}
}

// Where there are few requests each of them counts, with its bytes in both directions.
func TestKeysOfFewRequests(t *testing.T) {
	r := samplingRig(t)
	c := r.connect("c", 0, 0)
	get, value := redisRequestOf("GET", "d"), "$100\r\n"+strings.Repeat("v", 100)+"\r\n"
	for range 3 {
		r.advance(10 * time.Millisecond)
		c.send(get)
		r.turn()
		r.servers[0].answer([]byte(value))
		r.turn()
	}
	r.advance(10 * time.Millisecond)
	c.send(redisRequestOf("MGET", "a", "d"))
	r.turn()
	r.wantKeys(link.ByRequests, "d=4/0 a=1/0")
	r.wantKeys(link.ByBytes, fmt.Sprintf("d=%d/%d a=1/0", 4+3*(len(get)+len(value)), len(value)))
	r.workers[0].now += int64(halveEvery)
	r.workers[0].pools[0].halve()
	r.wantKeys(link.ByRequests, "d=2/0")
}

// Of many requests some are looked at, and stand for the others. What is noted of those whose client goes is given back.
func TestKeysOfManyRequests(t *testing.T) {
	r := samplingRig(t)
	c := r.connect("c", 0, 0)
	const requests = 2000
	for range 5 {
		r.advance(100 * time.Millisecond)
		c.send([]byte(strings.Repeat(string(redisRequestOf("GET", "d")), requests/5)))
		r.turn()
	}
	l := r.workers[0]
	if waiting := mostSampled - 1 - len(l.sampling.free); waiting == 0 || waiting > 60 {
		t.Errorf("%d requests are looked at", waiting)
	}
	got := sketch.Merge(1, l.shared.Keys(link.ByRequests, 0, 0))
	if len(got) != 1 || got[0].Count.Count < requests/4 || got[0].Count.Count > 4*requests {
		t.Errorf("%d requests are said to be %+v", requests, got)
	}
	c.hangUp()
	r.turn()
	r.servers[0].hangUp()
	r.turn()
	if n := len(l.sampling.free); n != mostSampled-1 {
		t.Errorf("%d of %d are free", n, mostSampled-1)
	}
}

// A request that is not forwarded at once leaves its sample to no other one.
func TestKeysOfWhatIsKept(t *testing.T) {
	r := samplingRig(t)
	kept := r.connect("kept", 0, 0)
	for _, words := range []string{"MULTI", "SET d 1", "EXEC", "WATCH d", "BLPOP d 0"} {
		r.advance(10 * time.Millisecond)
		kept.send(redisRequestOf(strings.Fields(words)...))
		r.turn()
		if at := r.workers[0].sampling.at; at != 0 {
			t.Errorf("%s leaves sample %d to the next request", words, at)
		}
	}
}

// Without key_samples nothing is looked at.
func TestNoKeySamples(t *testing.T) {
	r := newRig(t)
	r.redisPool("s1", "s2")
	r.start()
	r.connect("c", 0, 0).send(redisRequestOf("GET", "d"))
	r.turn()
	r.wantKeys(link.ByRequests, "")
}
