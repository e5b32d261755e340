package shard

import (
	"fmt"
	"math"
	"testing"

	"github.com/pinion-proxy/pinion/shard/hash"
)

func TestShares(t *testing.T) {
	fn, ok := hash.ByName("fnv1a_64")
	if !ok {
		t.Fatal("no such hash")
	}
	servers := []Server{{"a", 1}, {"b", 3}, {"c", 4}}
	for _, c := range []struct {
		d    Distribution
		live []bool
		want []float64
		off  float64
	}{
		{Modula, []bool{true, true, true}, []float64{0.125, 0.375, 0.5}, 0},
		{Modula, []bool{true, true, false}, []float64{0.25, 0.75, 0}, 0},
		{Random, []bool{true, true, false}, []float64{0.5, 0.5, 0}, 0},
		{Ketama, []bool{true, true, true}, []float64{0.125, 0.375, 0.5}, 0.08},
		{Ketama, []bool{false, false, true}, []float64{0, 0, 1}, 1e-9},
		{Ketama, []bool{false, false, false}, []float64{0, 0, 0}, 0},
		{Modula, []bool{false, false, false}, []float64{0, 0, 0}, 0},
	} {
		m := NewMap(c.d, fn, HashTag{}, servers)
		m.SetLive(c.live)
		got, sum := m.Shares(), 0.0
		for i := range got {
			sum += got[i]
			if math.Abs(got[i]-c.want[i]) > c.off {
				t.Errorf("%v %v: got %v, want %v", c.d, c.live, got, c.want)
			}
		}
		if sum != 0 && math.Abs(sum-1) > 1e-9 {
			t.Errorf("%v %v: the sum is %g", c.d, c.live, sum)
		}
	}
}

// What is told is what keys find.
func TestSharesAreThoseOfKeys(t *testing.T) {
	fn, _ := hash.ByName("murmur")
	m := NewMap(Ketama, fn, HashTag{}, []Server{{"one", 1}, {"two", 2}, {"three", 1}}[:2])
	found := make([]float64, 2)
	const keys = 20000
	for i := range keys {
		found[m.Server(fmt.Appendf(nil, "key:%d", i))] += 1.0 / keys
	}
	for i, share := range m.Shares() {
		if math.Abs(share-found[i]) > 0.03 {
			t.Errorf("server %d has %g of the ring and %g of the keys", i, share, found[i])
		}
	}
}
