// Partners share the clients out evenly, with few connections.

package master

import (
	"fmt"
	"testing"
)

func TestPartners(t *testing.T) {
	for _, c := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {2, 3}, {3, 2}, {4, 4}, {32, 33}, {33, 32}, {64, 1}, {1, 64}, {310, 300}, {300, 310}, {7, 100}} {
		n, m := c[0], c[1]
		t.Run(fmt.Sprintf("%d-%d", n, m), func(t *testing.T) {
			got, pairs := make([]float64, m), 0 // got[j] counts what old workers with one client's worth each give to new worker j
			for i := range n {
				all := partners(i, n, m)
				sum := 0
				for k, p := range all {
					if p.slot < 0 || p.slot >= m || p.share < 1 || k > 0 && p.slot != all[k-1].slot+1 {
						t.Fatalf("slot %d has partners %v", i, all)
					}
					sum += p.share
				}
				for _, p := range all {
					got[p.slot] += float64(p.share) / float64(sum)
				}
				pairs += len(all)
			}
			for j, g := range got {
				if want := float64(n) / float64(m); g < want-1e-9 || g > want+1e-9 {
					t.Errorf("new worker %d gets %v, want %v", j, g, want)
				}
			}
			if want := n + m - gcd(n, m); pairs != want {
				t.Errorf("%d connections, want %d", pairs, want)
			}
		})
	}
}

// Whom an old worker gives to expects it: the relation is the same from both sides.
func TestPartnersAreMutual(t *testing.T) {
	const n, m = 6, 10
	shares := map[pair]int{}
	for i := range n {
		for _, p := range partners(i, n, m) {
			shares[pair{i, p.slot}] = p.share
		}
	}
	for j := range m {
		for _, p := range partners(j, m, n) {
			if shares[pair{p.slot, j}] != p.share {
				t.Errorf("%d and %d have %d in common, or %d", p.slot, j, shares[pair{p.slot, j}], p.share)
			}
			delete(shares, pair{p.slot, j})
		}
	}
	if len(shares) > 0 {
		t.Errorf("one-sided: %v", shares)
	}
}

func TestLosses(t *testing.T) {
	var l losses
	l.add(0, "nobody")
	if l.clients != 0 || l.reason != "" {
		t.Errorf("of nobody: %+v", l)
	}
	for i := range 6 {
		l.add(i+1, fmt.Sprint("reason ", i))
	}
	if want := "reason 0; reason 1; reason 2; and others"; l.clients != 21 || l.reason != want {
		t.Errorf("%d clients: %s; want %s", l.clients, l.reason, want)
	}
}
