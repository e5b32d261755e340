// Where servers were found by their names: the next generation reaches them even if the name server is silent when it
// begins.

package totals

import (
	"maps"
	"net"
	"net/netip"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Addresses is where hosts were found, by name.
type Addresses map[string]netip.Addr

// Found returns where workers of all these generations have found servers lately, whether or not they still live, and where
// another master has said that its workers have.
func Found(generations []*Counters, said Addresses) Addresses {
	all, at := maps.Clone(said), map[string]uint64{}
	if all == nil {
		all = Addresses{}
	}
	for _, c := range generations {
		for i := range c.Pools {
			for k := range c.Pools[i].Servers {
				host, named := hostOf(&c.Pools[i].Servers[k])
				if !named {
					continue
				}
				if addr, when := c.Found(i, k); when > at[host] {
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

// InheritFound tells the workers to come where servers were found. What they find out themselves is newer.
func (c *Counters) InheritFound(known Addresses) {
	const ever = 1
	for i := range c.Pools {
		for k := range c.Pools[i].Servers {
			if host, named := hostOf(&c.Pools[i].Servers[k]); named {
				c.SetFound(c.Legacy(), i, k, known[host], ever)
			}
		}
	}
}
