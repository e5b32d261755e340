// Where servers were found by their names: the next generation reaches them even if the name server is silent when it begins.

package master

import (
	"maps"
	"net"
	"net/netip"

	"github.com/pinion-proxy/pinion/worker/link"
)

// addresses is where hosts were found, by name.
type addresses map[string]netip.Addr

// found returns where workers have found servers lately, whether or not they still live, and where another master has said
// that its workers have.
func (m *master) found(said addresses) addresses {
	all, at := maps.Clone(said), map[string]uint64{}
	if all == nil {
		all = addresses{}
	}
	for _, g := range m.counting() {
		for i := range g.pools {
			for k := range g.pools[i].Servers {
				host, named := hostOf(&g.pools[i].Servers[k])
				if !named {
					continue
				}
				if addr, when := g.shared.Found(i, k); when > at[host] {
					all[host], at[host] = addr, when
				}
			}
		}
	}
	return all
}

// hostOf returns the host of a server's address; false: there is none, as of a unix socket.
func hostOf(s *link.Server) (host string, named bool) {
	if s.Network != "tcp" {
		return "", false
	}
	host, _, err := net.SplitHostPort(s.Address)
	return host, err == nil
}

// inheritFound tells the workers to come where servers were found. What they find out themselves is newer.
func (g *generation) inheritFound(known addresses) {
	const ever = 1
	for i := range g.pools {
		for k := range g.pools[i].Servers {
			if host, named := hostOf(&g.pools[i].Servers[k]); named {
				g.shared.SetFound(g.shared.Legacy(), i, k, known[host], ever)
			}
		}
	}
}
