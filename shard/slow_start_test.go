// Slow start against a twin that asks for each key which servers are live for it, and what it promises as time goes on.

package shard

import (
	"fmt"
	"slices"
	"testing"

	"github.com/pinion-proxy/pinion/shard/hash"
)

// liveFor is the slow twin of SlowStart: which servers are live for a key.
func liveFor(key []byte, live []bool, starts []int64, over, now int64) []bool {
	mine := slices.Clone(live)
	for i, at := range starts {
		share := float64(momentOf(HashTag{'{', '}'}.Part(key))) / (1 << 32)
		mine[i] = live[i] && (at == 0 || share < StartedShare(now-at, over))
	}
	return mine
}

// When servers came back is read from since, one byte each, in hundredths of a start before now or, from 200 on, ever since.
func FuzzSlowStart(f *testing.F) {
	f.Add([]byte("key"), uint16(0xffff), []byte{200, 50, 200}, int64(1000))
	f.Add([]byte("{user}:1"), uint16(0xffff), []byte{10, 50, 90, 50, 0}, int64(30_000))
	f.Add([]byte(""), uint16(0b1101), []byte{0, 0, 0, 0}, int64(1))
	f.Add([]byte("\xff\x80"), uint16(1), []byte{100}, int64(32))
	f.Fuzz(func(t *testing.T, key []byte, mask uint16, back []byte, over int64) {
		if len(back) == 0 || len(back) > 16 || over < 1 || over > 1<<31 {
			return
		}
		const began = 1 << 40
		servers, live, since := equalServers(len(back)), make([]bool, len(back)), make([]int64, len(back))
		if over%2 == 1 {
			servers = weightedServers(len(back))
		}
		for i, b := range back {
			live[i] = mask>>i&1 != 0
			if b < 200 {
				since[i] = began - int64(b)*over/100
			}
		}
		tag := HashTag{'{', '}'}
		h, _ := hash.ByName("fnv1a_64")
		for _, d := range []Distribution{Ketama, Modula} {
			m := NewMap(d, h, tag, servers)
			m.SetLive(live)
			s := m.SlowStart(live, since, over, began)
			starts := Starts(live, since, over, began)
			before, now, moves, first := -2, int64(began), 0, starts
			for step := 0; s != nil && step < (1+len(back))*slowStartSteps; step++ {
				owner := s.Server(key)
				if want := naive(d, h, tag, servers, liveFor(key, live, starts, over, now), key); owner != want {
					t.Fatalf("%v at %d: server %d, want %d", d, now-began, owner, want)
				}
				if before != -2 && owner != before {
					moves++
					if only := d == Ketama && over%2 == 0; only && starts[owner] == 0 { // else others take some keys from each other, too, when one comes
						t.Fatalf("%v at %d: the key moved from %d to %d, which does not start", d, now-began, before, owner)
					}
				}
				before = owner
				next := s.Next(now)
				if next <= now || next > now+over+1 {
					t.Fatalf("the step after %d is at %d", now-began, next-began)
				}
				now = next
				if s.Step(now) {
					s, starts = m.SlowStart(live, since, over, now), Starts(live, since, over, now)
				}
			}
			if s != nil {
				t.Fatal("it does not end")
			}
			if owner := m.Server(key); before >= 0 && owner != before {
				moves++
				if d == Ketama && over%2 == 0 && first[owner] == 0 {
					t.Fatalf("%v: at last the key moved from %d to %d, which has not started", d, before, owner)
				}
			}
			slices.Sort(first)
			if most := len(slices.Compact(append(first, 0))) - 1; moves > most {
				t.Fatalf("%v: %d moves as servers started at %d moments", d, moves, most)
			}
		}
	})
}

// A server that comes back gets the keys that it had, evenly over the time, each once and from the server that had it meanwhile.
func TestSlowStartOfOne(t *testing.T) {
	const over, began, keys = 10_000, 5_000_000, 20_000
	for _, d := range []Distribution{Ketama, Modula} {
		h, _ := hash.ByName("fnv1a_64")
		m := NewMap(d, h, HashTag{}, equalServers(4))
		live, since := allLive(4), []int64{0, 0, began, 0}
		without := m.among([]bool{true, true, false, true})
		s := m.SlowStart(live, since, over, began)
		last := 0
		for step := range int64(slowStartSteps) {
			now := began + (step*over+slowStartSteps-1)/slowStartSteps
			if done := s.Step(now); done {
				t.Fatal("done too early")
			}
			back, its := 0, 0
			for i := range keys {
				key := fmt.Append(nil, "key", i)
				owner, old, final := s.Server(key), without.Server(key), m.Server(key)
				if owner != old && owner != final {
					t.Fatalf("%v: key %q is on %d, and on %d without the server, on %d with it", d, key, owner, old, final)
				}
				if final == 2 {
					its++
					if owner == 2 {
						back++
					}
				}
			}
			if want := its * int(step+1) / (slowStartSteps + 1); back < last || back < want-its/20 || back > want+its/20 {
				t.Errorf("%v: in step %d the server has %d of %d keys, before it had %d", d, step, back, its, last)
			}
			last = back
		}
		if !s.Step(began + over) {
			t.Error("it does not end")
		}
	}
}

// Who would start and has nobody to leave its keys with has started; nor does one start that is not live, or was back long ago, or in the
// future.
func TestStarts(t *testing.T) {
	const over, now = 100, 10_000
	for _, test := range []struct {
		live  string
		since []int64
		want  []int64
	}{
		{"yyy", []int64{0, now - 5, 0}, []int64{0, now - 5, 0}},
		{"yyy", []int64{0, now - 5, now - 99}, []int64{0, now - 5, now - 99}},
		{"yyy", []int64{0, now - 100, 1}, []int64{0, 0, 0}},
		{"yyy", []int64{0, now + 99, now + 100}, []int64{0, now + 99, 0}},
		{"nyy", []int64{0, now - 5, now - 5}, []int64{0, 0, 0}},
		{"nyy", []int64{0, now - 5, now - 7}, []int64{0, now - 5, 0}},
		{"yny", []int64{0, now - 5, 0}, []int64{0, 0, 0}},
		{"nnn", []int64{0, now - 5, 0}, []int64{0, 0, 0}},
	} {
		live := make([]bool, len(test.live))
		for i := range live {
			live[i] = test.live[i] == 'y'
		}
		if got := Starts(live, test.since, over, now); !slices.Equal(got, test.want) {
			t.Errorf("live %s, since %v: %v, want %v", test.live, test.since, got, test.want)
		}
	}
}

func TestSlowStartAllocatesNothing(t *testing.T) {
	h, _ := hash.ByName("fnv1a_64")
	m := NewMap(Ketama, h, HashTag{'{', '}'}, equalServers(5))
	s := m.SlowStart(allLive(5), []int64{0, 100, 100, 150, 0}, 1000, 200)
	key, now := []byte("{user}:1"), int64(200)
	if n := testing.AllocsPerRun(100, func() { now++; s.Step(now); s.Server(key) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSlowStart(b *testing.B) {
	h, _ := hash.ByName("fnv1a_64")
	m := NewMap(Ketama, h, HashTag{}, equalServers(10))
	s := m.SlowStart(allLive(10), []int64{0, 100, 0, 0, 0, 0, 0, 0, 0, 0}, 1000, 500)
	key := []byte("user:1234567890:profile")
	for b.Loop() {
		s.Server(key)
	}
}
