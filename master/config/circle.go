// Pools that are their own servers: each request would be sent round and round.

package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/pinion-proxy/pinion/worker/link"
)

// ways are where requests to pools go on in this process: ways[i][k] is the pool that the k-th server of pool i is, or -1.
type ways [][]int

// circles finds servers that are pools of this file from which the way leads back. A pool may well be the server of another one.
func (w *warner) circles(pools []Pool) {
	all := w.machine.ways(pools)
	for i := range pools {
		p := &pools[i]
		for k, s := range p.Configured() {
			next := all[i][k]
			if next < 0 || !all.lead(next, i, make([]bool, len(pools))) {
				continue
			}
			w.warn(p, p.placed[k], fmt.Sprintf("server %q is pool %q itself: requests go round in circles", s.Address, pools[next].Name),
				"give the address of the server behind it")
		}
	}
}

// ways finds out which servers are pools.
func (m *Machine) ways(pools []Pool) ways {
	names := map[string][]netip.Addr{}
	all := make(ways, len(pools))
	for i := range pools {
		for _, s := range pools[i].Configured() {
			all[i] = append(all[i], slices.IndexFunc(pools, func(p Pool) bool { return m.serves(&p, s, names) }))
		}
	}
	return all
}

// lead reports whether requests to one pool get to another one, or are there. seen has the pools that have been looked at.
func (all ways) lead(from, to int, seen []bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	return slices.ContainsFunc(all[from], func(next int) bool { return next >= 0 && !seen[next] && all.lead(next, to, seen) })
}

// serves reports whether who connects to a server comes to a socket of a pool.
func (m *Machine) serves(p *Pool, s link.Server, names map[string][]netip.Addr) bool {
	return slices.ContainsFunc(p.Listens(), func(l Listen) bool { return m.servesAt(&l, s, names) })
}

// servesAt reports whether who connects to a server comes to the socket of a pool. names has the addresses of hosts that were looked
// up: only those whose port is that of a pool.
func (m *Machine) servesAt(l *Listen, s link.Server, names map[string][]netip.Addr) bool {
	if s.Network == "unix" || l.Network == "unix" {
		return s.Network == l.Network && filepath.Clean(s.Address) == filepath.Clean(l.Address)
	}
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil || port != fmt.Sprint(l.AddrPort.Port()) {
		return false
	}
	addrs, known := names[host]
	if !known {
		addrs = m.addresses(host)
		names[host] = addrs
	}
	return slices.ContainsFunc(addrs, func(a netip.Addr) bool { return m.comesTo(a, l.AddrPort.Addr()) })
}

// comesTo reports whether who connects to an address comes to a socket that is bound to another one.
func (m *Machine) comesTo(a, bound netip.Addr) bool {
	switch {
	case a == bound:
		return true
	case bound.IsUnspecified():
		return m.has(a) && (bound.Is6() || a.Is4())
	}
	return a.IsUnspecified() && bound.IsLoopback() && a.Is4() == bound.Is4() // the kernel takes it for the loopback address
}
