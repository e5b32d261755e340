// Partners: the workers of two generations between which clients move.
//
// Each generation shares out the clients evenly, so slot i of n stands for the part from i/n to (i+1)/n of them, and two
// workers are partners where their parts overlap, for so much as they do. That makes the new parts equal again, whatever the
// two numbers are, with n + m - gcd(n, m) connections in all instead of n × m.

package master

import "fmt"

// partner is a worker of the other generation.
type partner struct {
	slot  int
	share int // of the clients, in proportion to what other partners get; ≥ 1
}

// partners returns those that slot i of n has among m, by slot; at least one.
func partners(i, n, m int) (all []partner) {
	unit := gcd(n, m)
	for j := i * m / n; j*n < (i+1)*m; j++ {
		overlap := min((i+1)*m, (j+1)*n) - max(i*m, j*n)
		all = append(all, partner{j, overlap / unit})
	}
	return all
}

func gcd(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// onWire returns the share as it is in messages, where 0 means 1.
func (p partner) onWire() int {
	if p.share == 1 {
		return 0
	}
	return p.share
}

// pair is a connection between a worker of the old side and one of the new side.
type pair struct{ from, to int }

func (p pair) String() string { return fmt.Sprintf("worker %d and new worker %d", p.from, p.to) }
