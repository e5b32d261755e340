// Who is to be asked: all that the file names, and then those whom they name.

package reach

import (
	"fmt"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/worker/link"
)

// role is what somebody is asked as.
type role uint8

const (
	asServer   role = iota // has keys of the pool
	asReplica              // answers reads of the pool
	asNode                 // of a cluster
	asSentinel             // knows where the masters are
)

// target is somebody to be asked.
type target struct {
	pool    *config.Pool
	role    role
	network string
	address string
	name    string // as messages call it
	server  int    // its place among the pool's servers; -1: it is none of them

	complain func(message, hint string) config.Problem
}

// targetsOf returns all that the file names.
func targetsOf(c *config.Config) (all []target) {
	for i := range c.Pools {
		p := &c.Pools[i]
		for k, s := range p.Configured() {
			complain := func(message, hint string) config.Problem { return c.ServerProblem(p, k, message, hint) }
			switch s.Network {
			case link.Sentinel: // whose address the sentinels tell
			case link.ClusterNode:
				all = append(all, target{p, asNode, "tcp", s.Address, nameOf("server", s.Name, s.Address), -1, complain})
			default:
				all = append(all, target{p, asServer, s.Network, s.Address, nameOf("server", s.Name, s.Address), k, complain})
			}
			for _, r := range s.Replicas {
				all = append(all, target{p, asReplica, r.Network, r.Address, fmt.Sprintf("replica %q of server %q", r.Address, s.Name), -1, complain})
			}
		}
		for _, address := range p.Sentinels {
			all = append(all, target{p, asSentinel, "tcp", address, fmt.Sprintf("sentinel %q", address), -1,
				func(message, hint string) config.Problem { return c.KeyProblem(p, "sentinels", message, hint) }})
		}
	}
	return all
}

// nameOf says the address, too, where the name does not.
func nameOf(what, name, address string) string {
	if name == address {
		return fmt.Sprintf("%s %q", what, name)
	}
	return fmt.Sprintf("%s %q at %s", what, name, address)
}

// needs is how many connections one address will be asked for.
type needs struct {
	first     int // by all workers at their start
	shared    int // by all workers, in the end
	dedicated int // for clients that need one each, at most
}

// needsOf returns what the workers will open to each address, over all pools.
func needsOf(c *config.Config, workers int) map[string]needs {
	all := map[string]needs{}
	for i := range c.Pools {
		p := &c.Pools[i]
		for _, s := range p.Configured() {
			n, more := all[s.Address], needsOfPool(p, workers)
			all[s.Address] = needs{n.first + more.first, n.shared + more.shared, n.dedicated + more.dedicated}
		}
	}
	return all
}

// needsOfPool returns what the workers will open to each server of a pool.
func needsOfPool(p *config.Pool, workers int) needs {
	n := needs{first: workers, shared: workers * p.ServerConnections * max(1, p.Databases)}
	if p.Protocol == link.Redis {
		n.dedicated = p.Dedicated
	}
	return n
}
