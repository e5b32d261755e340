// Clients that move count once, and memory of another build is read as far as it goes.

package link

import (
	"strings"
	"sync/atomic"
	"testing"
)

// Two generations of one worker each, with clients that go forth and back: both see the same number at any time.
func TestClientsThatMove(t *testing.T) {
	old, next := openShared(t, []int{1, 1}, 2), openShared(t, []int{1, 1}, 3)
	const pool = 1
	count := func(s *Shared, slot int, change int) { *s.Pool(slot, pool)[ClientConnections] += uint64(change) }
	moved := func(s *Shared, slot int, change int) { atomic.AddUint64(s.Moved(slot, pool), uint64(change)) }
	elsewhere := func(s *Shared, accepted int) { atomic.StoreUint64(s.Elsewhere(pool), uint64(accepted)) }
	want := func(step string, n uint64) {
		t.Helper()
		if a, b := old.Clients(pool), next.Clients(pool); a != n || b != n {
			t.Errorf("%s: %d and %d clients, want %d", step, a, b, n)
		}
	}
	count(old, 0, 10)
	elsewhere(next, 10)
	want("before", 10)
	moveOne := func(from, to *Shared, a, b int) {
		count(from, a, -1)
		moved(from, a, -1)
		want("on its way", 10)
		moved(to, b, 1)
		count(to, b, 1)
		want("moved", 10)
	}
	for i := range 10 {
		moveOne(old, next, 0, i%3)
	}
	if n := old.Here(pool); n != 0 {
		t.Errorf("%d clients are left", n)
	}
	moveOne(next, old, 1, 1) // a roll-back
	count(next, 2, 5)
	elsewhere(old, 5)
	want("accepted by the next", 15)
	elsewhere(next, -100)
	if n := next.Clients(pool); n != next.Here(pool) {
		t.Errorf("%d clients, although others cannot have less than none", n)
	}
	if old.Clients(0) != 0 || next.Clients(0) != 0 {
		t.Error("the other pool has clients")
	}
}

// Memory of a build that does not count moves says what its master has said.
func TestClientsOfAnotherBuild(t *testing.T) {
	servers := []int{2, 1}
	s, err := ReopenShared(withoutPulse(servers, 2)[:CounterBytes(servers, 2)], servers, 2)
	if err != nil {
		t.Fatal(err)
	}
	*s.Pool(0, 1)[ClientConnections], *s.Pool(s.Legacy(), 1)[ClientConnections] = 3, 4
	if n := s.Clients(1); n != 7 || s.Moved(0, 1) != nil {
		t.Errorf("%d clients, moved %v", n, s.Moved(0, 1))
	}
	if _, known := s.Balance(1); known {
		t.Error("somebody has counted moves")
	}
}

// undirected makes claimed memory that of a build that knows no directory.
func undirected(mem []byte) []byte {
	clear(mem[directoryWord*wordBytes : headerWords*wordBytes])
	return mem
}

func TestReopenShared(t *testing.T) {
	servers := []int{2, 1}
	claimed := func() []byte {
		mem := newMemory(SharedBytes(servers, 2))
		if _, err := OpenShared(mem, servers, 2); err != nil {
			t.Fatal(err)
		}
		return mem
	}
	foreign := claimed()
	foreign[0]++
	for _, test := range []struct {
		name    string
		mem     []byte
		servers []int
		slots   int
		want    string // in the error; empty: none
	}{
		{"its own", claimed(), servers, 2, ""},
		{"a later build's", append(claimed(), make([]byte, 4096)...), servers, 2, ""},
		{"an earlier build's", withoutPulse(servers, 2)[:CounterBytes(servers, 2)], servers, 2, ""},
		{"empty", nil, servers, 2, "0 bytes"},
		{"only a header", claimed()[:sharedMinimum], servers, 2, "want"},
		{"one byte short", claimed()[:CounterBytes(servers, 2)-1], servers, 2, "want"},
		{"an earlier build's and more", withoutPulse(servers, 2), servers, 2, "bytes of counters"},
		{"fresh", newMemory(SharedBytes(servers, 2)), servers, 2, "unknown format 0x0"},
		{"foreign", foreign, servers, 2, "unknown format"},
		{"more slots", claimed(), servers, 1, "it is for 2 slots"},
		{"fewer slots", claimed(), servers, 3, "want"},
		{"other servers", claimed(), []int{1, 1}, 2, "pools of [2 1] servers"},
		{"an earlier build's, more slots", undirected(claimed()), servers, 1, "bytes of counters"},
		{"an earlier build's, fewer slots", undirected(claimed()), servers, 3, "bytes of counters"},
		{"an earlier build's, other servers", undirected(claimed()), []int{1, 1}, 2, "bytes of counters"},
	} {
		_, err := ReopenShared(test.mem, test.servers, test.slots)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}
