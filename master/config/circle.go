// Pools that are their own servers: each request would be sent round and round.

package config

import (
	"fmt"
	"net"
	"slices"

	"github.com/pinion-proxy/pinion/worker/link"
)

// circles finds servers that are pools of this file from which the way leads back. A pool may well be the server of another one.
func (w *warner) circles(pools []Pool) {
	for i := range pools {
		p := &pools[i]
		for k, s := range p.configured() {
			next := slices.IndexFunc(pools, func(other Pool) bool { return other.listensAt(s) })
			if next < 0 || !leadsTo(pools, next, i, make([]bool, len(pools))) {
				continue
			}
			w.warn(p, p.placed[k], fmt.Sprintf("server %q is pool %q itself: requests go round in circles", s.Address, pools[next].Name),
				"give the address of the server behind it")
		}
	}
}

// leadsTo reports whether requests to one pool get to another one, or are there. seen has the pools that have been looked at.
func leadsTo(pools []Pool, from, to int, seen []bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	return slices.ContainsFunc(pools[from].configured(), func(s link.Server) bool {
		next := slices.IndexFunc(pools, func(other Pool) bool { return other.listensAt(s) })
		return next >= 0 && !seen[next] && leadsTo(pools, next, to, seen)
	})
}

// listensAt reports whether clients of the pool are served at the address of a server, as far as the two addresses tell.
func (p *Pool) listensAt(s link.Server) bool {
	if s.Network == "unix" || p.Listen.Network == "unix" {
		return s.Network == p.Listen.Network && s.Address == p.Listen.Address
	}
	host, port, err := net.SplitHostPort(s.Address)
	at, listen, listenErr := net.SplitHostPort(p.Listen.Address)
	if err != nil || listenErr != nil || port != listen {
		return false
	}
	return host == at || isLoopback(host) && (isLoopback(at) || isEverywhere(at))
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isEverywhere tells of the address of a listener whether it is all that the host has.
func isEverywhere(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
