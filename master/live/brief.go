// What a page is told of many servers: it cannot show thousands at once, and would have to be told of each every two seconds.

package live

import (
	"cmp"
	"math"
	"slices"

	"github.com/pinion-proxy/pinion/shard"
)

// Of more pools, or of more servers in several pools, only some servers are told, but for the pool that is chosen.
const (
	fewPools   = 6
	fewServers = 100
)

// What is told of such a pool.
const (
	someBusiest = 3
	someSlowest = 3
	someNotLive = 10
)

// Has tells whether there is a pool of that name.
func (s *State) Has(pool string) bool {
	return slices.ContainsFunc(s.Pools, func(p Pool) bool { return p.Name == pool })
}

// Brief returns the state as a page shows it that has chosen a pool; empty: none. Where there are many servers, other pools have only
// those that an operator would look for. The state stays as it is.
func (s *State) Brief(pool string) *State {
	all := 0
	for i := range s.Pools {
		all += len(s.Pools[i].Servers)
	}
	if len(s.Pools) == 1 || len(s.Pools) <= fewPools && all <= fewServers {
		return s
	}
	brief := *s
	brief.Pools = slices.Clone(s.Pools)
	for i := range brief.Pools {
		if p := &brief.Pools[i]; p.Name != pool {
			p.abridge()
		}
	}
	return &brief
}

// abridge leaves out most servers.
func (p *Pool) abridge() {
	p.Shares = make([]float64, len(p.Servers))
	shown := map[int]bool{}
	for i := range p.Servers {
		p.Shares[i] = math.Round(p.Servers[i].Share*1e4) / 1e4
		if !p.Servers[i].live() && len(shown) < someNotLive {
			shown[i] = true
		}
	}
	p.greatest(someBusiest, shown, func(s *Server) float64 { return s.Rate })
	p.greatest(someSlowest, shown, func(s *Server) float64 { return float64(s.P99) })
	some := []Server{}
	for i := range p.Servers {
		if shown[i] {
			some = append(some, p.Servers[i])
		}
	}
	p.Servers = some
}

// greatest has those shown of which something is greatest, and more than nothing.
func (p *Pool) greatest(n int, shown map[int]bool, of func(*Server) float64) {
	var order []int
	for i := range p.Servers {
		if of(&p.Servers[i]) > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(of(&p.Servers[b]), of(&p.Servers[a])) })
	for _, i := range order[:min(n, len(order))] {
		shown[i] = true
	}
}

func (s *Server) live() bool { return s.State == shard.Live.String() && !s.Stale }

// sum fills in what is told of all servers together.
func (p *Pool) sum() {
	p.Total = len(p.Servers)
	var slow []int64
	for i := range p.Servers {
		s := &p.Servers[i]
		s.Index = i
		if s.live() {
			p.Live++
		}
		if s.Rate > 0 && s.P99 > 0 {
			slow = append(slow, s.P99)
		}
	}
	if slices.Sort(slow); len(slow) > 0 {
		p.Usual = slow[len(slow)/2]
	}
}
