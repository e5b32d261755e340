// The map against a twin that walks every point and slot, and what it promises at its edges.

package shard

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/pinion-proxy/pinion/shard/hash"
)

func equalServers(n int) []Server {
	servers := make([]Server, n)
	for i := range servers {
		servers[i] = Server{Name: fmt.Sprintf("10.0.0.%03d:6379", i), Weight: 1}
	}
	return servers
}

func weightedServers(n int) []Server {
	servers := equalServers(n)
	for i := range servers {
		servers[i].Weight = 1 + i*i%7
	}
	return servers
}

func allLive(n int) []bool { return slices.Repeat([]bool{true}, n) }

// naive is the slow twin of Map: it walks all points, or all repeated slots, for every key.
func naive(d Distribution, h hash.Func, tag HashTag, servers []Server, live []bool, key []byte) int {
	if len(servers) == 1 {
		if live[0] {
			return 0
		}
		return -1
	}
	slot := uint32(0)
	if part := tag.Part(key); len(part) > 0 {
		slot = h(part)
	}
	m := Map{servers: servers, live: live}
	var slots []int
	for i, s := range servers {
		if live[i] {
			m.liveCount++
			slots = append(slots, slices.Repeat([]int{i}, s.Weight)...)
		}
	}
	if len(slots) == 0 {
		return -1
	}
	if d == Modula {
		return slots[int(uint64(slot)%uint64(len(slots)))]
	}
	m.placeKetama()
	return linearOwner(m.ring.points, slot)
}

// Which of the servers are live is read from mask; the map goes through another set of live servers first.
func FuzzMapTwin(f *testing.F) {
	f.Add([]byte(""), uint16(0xffff), uint8(5))
	f.Add([]byte("{user}:1"), uint16(0), uint8(3))
	f.Add([]byte("{}x"), uint16(2), uint8(1))
	f.Add([]byte("\xff\x80"), uint16(0b1010), uint8(16))
	f.Fuzz(func(t *testing.T, key []byte, mask uint16, count uint8) {
		servers := weightedServers(1 + int(count)%16)
		live := make([]bool, len(servers))
		for i := range live {
			live[i] = mask>>i&1 != 0
		}
		tag := HashTag{'{', '}'}
		for _, d := range []Distribution{Ketama, Modula} {
			for _, name := range []string{"fnv1a_64", "crc32", "hsieh"} {
				h, _ := hash.ByName(name)
				m := NewMap(d, h, tag, servers)
				m.SetLive(make([]bool, len(servers)))
				m.SetLive(live)
				got, want := m.Server(key), naive(d, h, tag, servers, live, key)
				if got != want {
					t.Fatalf("%v %s: %q on %d, want %d", d, name, key, got, want)
				}
				if e := m.Explain(key); e.Server != got {
					t.Fatalf("%v %s: %q explained as on %d, is on %d", d, name, key, e.Server, got)
				}
			}
		}
	})
}

// With ketama a dead server's keys move, and no others; when it returns, they return.
func TestEjectionMovesOnlyItsKeys(t *testing.T) {
	const dead = 2
	m := NewMap(Ketama, hash.FNV1a_64, HashTag{}, equalServers(5))
	before := owners(m)
	live := allLive(5)
	live[dead] = false
	m.SetLive(live)
	moved := 0
	for i, owner := range owners(m) {
		switch {
		case owner == dead:
			t.Fatalf("key %d is on a dead server", i)
		case before[i] == dead:
			moved++
		case before[i] != owner:
			t.Fatalf("key %d moved from %d to %d", i, before[i], owner)
		}
	}
	if moved == 0 {
		t.Error("the dead server owned nothing")
	}
	m.SetLive(allLive(5))
	if !slices.Equal(before, owners(m)) {
		t.Error("keys did not return")
	}
}

func owners(m *Map) []int {
	owners := make([]int, 1000)
	for i := range owners {
		owners[i] = m.Server(fmt.Appendf(nil, "key:%d", i))
	}
	return owners
}

func TestNoLiveServer(t *testing.T) {
	for _, d := range []Distribution{Ketama, Modula, Random} {
		for _, n := range []int{1, 4} {
			m := NewMap(d, hash.CRC32a, HashTag{}, weightedServers(n))
			m.SetLive(make([]bool, n))
			for _, key := range []string{"", "a", "\xff\xff\xff\xff"} {
				if got := m.Server([]byte(key)); got != -1 {
					t.Errorf("%v of %d: %q on %d, want -1", d, n, key, got)
				}
			}
			if e := m.Explain([]byte("a")); e.Server != -1 || e.Live != 0 || e.Shortcut {
				t.Errorf("%v of %d: explained as %+v", d, n, e)
			}
		}
	}
}

// A pool of one server never hashes, whatever its distribution.
func TestSingleServerIsNotHashed(t *testing.T) {
	refuse := func([]byte) uint32 { panic("hashed") }
	for _, d := range []Distribution{Ketama, Modula, Random} {
		m := NewMap(d, refuse, HashTag{'{', '}'}, equalServers(1))
		if got := m.Server([]byte("{a}")); got != 0 {
			t.Errorf("%v: on %d, want 0", d, got)
		}
		if e := m.Explain([]byte("{a}")); !e.Shortcut || e.Server != 0 || e.Part != nil {
			t.Errorf("%v: explained as %+v", d, e)
		}
	}
}

// An empty key has hash 0, which no function is asked for.
func TestEmptyKey(t *testing.T) {
	m := NewMap(Modula, func([]byte) uint32 { panic("hashed") }, HashTag{}, equalServers(3))
	if got := m.Server(nil); got != 0 {
		t.Errorf("empty key on %d, want 0", got)
	}
}

// Random hits every live server about equally often, never another, and ignores weights.
func TestRandomIsUniform(t *testing.T) {
	const draws = 30000
	m := NewMap(Random, nil, HashTag{}, weightedServers(4))
	m.SetLive([]bool{true, false, true, true})
	var hits [4]int
	for range draws {
		hits[m.Server([]byte("same"))]++
	}
	if hits[1] != 0 {
		t.Errorf("%d keys on a dead server", hits[1])
	}
	for _, i := range []int{0, 2, 3} {
		if hits[i] < draws/3*95/100 || hits[i] > draws/3*105/100 {
			t.Errorf("server %d hit %d times of %d", i, hits[i], draws)
		}
	}
}

func TestExplain(t *testing.T) {
	sum := func(key []byte) (h uint32) { // so that the numbers below can be checked by eye
		for _, b := range key {
			h += uint32(b - '0')
		}
		return h
	}
	servers := []Server{{"a", 1}, {"b", 3}, {"c", 2}}
	m := NewMap(Modula, sum, HashTag{'{', '}'}, servers)
	if got, want := fmt.Sprintf("%+v", m.Explain([]byte("x{99}y"))), fmt.Sprintf("%+v", Explanation{
		Server: 0, Live: 3, Part: []byte("99"), Hash: 18, Slots: 6, Slot: 0}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if e := m.Explain([]byte("4")); e.Server != 2 || e.Slot != 4 {
		t.Errorf("slot 4 of 1+3+2 explained as %+v", e)
	}

	highest := func([]byte) uint32 { return ^uint32(0) } // beyond the last point: wraps to the first
	m = NewMap(Ketama, highest, HashTag{}, servers)
	if e := m.Explain([]byte("k")); e.Ordinal != 0 || e.Points == 0 || e.Point != m.ring.points[0].value() {
		t.Errorf("wrapped lookup explained as %+v", e)
	}
	if e := NewMap(Random, nil, HashTag{}, servers).Explain([]byte("k")); e.Server != -1 || e.Live != 3 {
		t.Errorf("random explained as %+v", e)
	}
}

// What the configuration rules out is a mistake of the caller.
func TestNewMapPanics(t *testing.T) {
	for name, servers := range map[string][]Server{
		"none":      nil,
		"weight 0":  {{"a", 0}},
		"unsorted":  {{"b", 1}, {"a", 1}},
		"twice":     {{"a", 1}, {"a", 1}},
		"by length": {{"bb", 1}, {"c", 1}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			NewMap(Ketama, hash.MD5, HashTag{}, servers)
		}()
	}
}

// Weights that no memory holds one slot each for, or that 32 bits cannot count, still give an owner.
func TestHugeWeights(t *testing.T) {
	servers := []Server{{"a", math.MaxInt32}, {"b", math.MaxInt32}, {"c", math.MaxInt32}}
	keyed := func(key []byte) uint32 { return binary.LittleEndian.Uint32(key) }
	for _, d := range []Distribution{Ketama, Modula} {
		m := NewMap(d, keyed, HashTag{}, servers)
		if n := len(m.ring.points); n > 3*ketamaPointsPerServer+1 {
			t.Errorf("%v: %d points", d, n)
		}
		for _, h := range []uint32{0, 1<<31 - 1, 1 << 31, ^uint32(0) - 1, ^uint32(0)} {
			if got := m.Server(binary.LittleEndian.AppendUint32(nil, h)); got < 0 || got > 2 {
				t.Errorf("%v: hash %#x on %d", d, h, got)
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	key := []byte("user:{371192992}:name")
	live := allLive(8)
	for _, d := range []Distribution{Ketama, Modula, Random} {
		m := NewMap(d, hash.FNV1a_64, HashTag{'{', '}'}, weightedServers(8))
		if n := testing.AllocsPerRun(100, func() { m.Server(key) }); n != 0 {
			t.Errorf("%v: Server allocates %v times", d, n)
		}
		if n := testing.AllocsPerRun(100, func() { m.Explain(key) }); n != 0 {
			t.Errorf("%v: Explain allocates %v times", d, n)
		}
		if n := testing.AllocsPerRun(10, func() {
			live[3] = !live[3]
			m.SetLive(live)
		}); n != 0 {
			t.Errorf("%v: SetLive allocates %v times", d, n)
		}
	}
}

func BenchmarkServer(b *testing.B) {
	for _, d := range []Distribution{Ketama, Modula, Random} {
		for _, n := range []int{1, 2, 5, 10, 25, 50} {
			b.Run(fmt.Sprintf("%v/%d", d, n), func(b *testing.B) {
				m := NewMap(d, hash.FNV1a_64, HashTag{}, equalServers(n))
				key := []byte("user:........")
				i := uint64(0)
				for b.Loop() {
					binary.LittleEndian.PutUint64(key[5:], i*0x9e3779b97f4a7c15)
					i += 1 + uint64(m.Server(key))
				}
			})
		}
	}
}

func BenchmarkSetLive(b *testing.B) {
	for _, n := range []int{5, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := NewMap(Ketama, hash.FNV1a_64, HashTag{}, equalServers(n))
			live := allLive(n)
			for b.Loop() {
				live[0] = !live[0]
				m.SetLive(live)
			}
		})
	}
}
