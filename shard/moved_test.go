package shard

import (
	"fmt"
	"math"
	"testing"

	"github.com/pinion-proxy/pinion/shard/hash"
)

func mapForMoves(t *testing.T, d Distribution, function string, servers ...Server) *Map {
	t.Helper()
	fn, ok := hash.ByName(function)
	if !ok {
		t.Fatalf("no hash %s", function)
	}
	return NewMap(d, fn, HashTag{}, servers)
}

// serversOf returns n servers of weight 1, in name order.
func serversOf(n int) (all []Server) {
	for i := range n {
		all = append(all, Server{fmt.Sprintf("s%03d", i), 1})
	}
	return all
}

func TestMoved(t *testing.T) {
	equal := func(i, j int) bool { return i == j }
	md5 := func(d Distribution, n int) *Map { return mapForMoves(t, d, "md5", serversOf(n)...) }
	for _, c := range []struct {
		name     string
		from, to *Map
		sameHash bool
		same     func(i, j int) bool
		want     float64
		off      float64
	}{
		{"nothing", md5(Ketama, 5), md5(Ketama, 5), true, equal, 0, 0},
		{"one more of four", md5(Ketama, 4), md5(Ketama, 5), true, equal, 0.2, 0.05},
		{"one more of one", md5(Ketama, 1), md5(Ketama, 2), true, equal, 0.5, 0.1},
		{"one less of five", md5(Ketama, 5), md5(Ketama, 4), true, equal, 0.2, 0.05},
		{"one that is elsewhere", md5(Ketama, 4), md5(Ketama, 4), true, func(i, j int) bool { return i == j && i != 2 }, 0.25, 0.06},
		{"another hash", md5(Ketama, 4), mapForMoves(t, Ketama, "murmur", serversOf(4)...), false, equal, 0.75, 0.05},
		{"modula, one more of four", md5(Modula, 4), md5(Modula, 5), true, equal, 0.8, 0.01},
		{"modula, nothing", md5(Modula, 4), md5(Modula, 4), true, equal, 0, 0},
		{"ketama to modula", md5(Ketama, 4), md5(Modula, 4), true, equal, 0.75, 0.05},
		{"all, alone", md5(Ketama, 1), md5(Ketama, 1), true, func(int, int) bool { return false }, 1, 0},
	} {
		if got := c.from.Moved(c.to, c.sameHash, c.same); math.Abs(got-c.want) > c.off {
			t.Errorf("%s: %g of the keys move, want %g", c.name, got, c.want)
		}
	}
}

// Arcs tell what keys find: the two ways agree.
func TestMovedArcsAreThoseOfKeys(t *testing.T) {
	equal := func(i, j int) bool { return i == j }
	for n := 1; n < 20; n += 3 {
		from, to := mapForMoves(t, Ketama, "md5", serversOf(n)...), mapForMoves(t, Ketama, "md5", serversOf(n+2)...)
		arcs, keys := from.Moved(to, true, equal), from.Moved(to, false, equal)
		if math.Abs(arcs-keys) > 0.006 {
			t.Errorf("%d servers: %g by arcs, %g by keys", n, arcs, keys)
		}
	}
}
