// What changes while a generation lives: where the servers of its pools are at present.

package link

import "slices"

// Topology is what the outside changes while a Spec stays what it is. The master keeps it and pushes it to the workers; it
// outlives either of them, see Spec.
type Topology struct {
	Pools []PoolTopology `json:"pools"` // by name
}

// PoolTopology is where the servers of a pool are. A greater version replaces a lesser one, whatever its source.
type PoolTopology struct {
	Pool      string           `json:"pool"`
	Version   uint64           `json:"version"`             // 1: as the configuration has it
	Discovers bool             `json:"discovers,omitempty"` // it changes: its endpoints may come to be anywhere
	Servers   []ServerTopology `json:"servers"`             // by name
}

// ServerTopology is where a server of the ring is. Its keys stay its own, wherever that is.
type ServerTopology struct {
	Server    string     `json:"server"`
	Endpoints []Endpoint `json:"endpoints"`
}

// Role is what an endpoint is to its server.
type Role string

const (
	Primary Role = "primary" // has every key of the server, and takes writes
	Replica Role = "replica" // follows the primary
)

// Endpoint is one address of a server.
type Endpoint struct {
	Network string `json:"network"` // "tcp" or "unix"
	Address string `json:"address"` // "host:port" or a path
	Role    Role   `json:"role"`
}

// firstVersion is the version of a topology that comes from the configuration.
const firstVersion = 1

// StaticTopology is the topology in the configuration of pools: each server has the one address given there.
func StaticTopology(pools []Pool) Topology {
	t := Topology{Pools: make([]PoolTopology, len(pools))}
	for i := range pools {
		p := &t.Pools[i]
		p.Pool, p.Version = pools[i].Name, firstVersion
		for _, s := range pools[i].Servers {
			p.Servers = append(p.Servers, ServerTopology{s.Name, []Endpoint{{s.Network, s.Address, Primary}}})
		}
	}
	return t
}

// Pool returns that of a pool; nil if there is none.
func (t *Topology) Pool(name string) *PoolTopology {
	for i := range t.Pools {
		if t.Pools[i].Pool == name {
			return &t.Pools[i]
		}
	}
	return nil
}

// Replace takes over what is newer of a pool that is known and discovers, and tells whether it is.
func (t *Topology) Replace(newer PoolTopology) bool {
	p := t.Pool(newer.Pool)
	if p == nil || !p.Discovers || newer.Version <= p.Version {
		return false
	}
	newer.Discovers = true
	*p = newer
	return true
}

// Primary returns where the primary of a server is; false: that is not known.
func (p *PoolTopology) Primary(server string) (Endpoint, bool) {
	for i := range p.Servers {
		s := &p.Servers[i]
		k := slices.IndexFunc(s.Endpoints, func(e Endpoint) bool { return e.Role == Primary })
		if s.Server == server && k >= 0 {
			return s.Endpoints[k], true
		}
	}
	return Endpoint{}, false
}

// Endpoints calls do for each address of each server, until it returns false.
func (t *Topology) Endpoints(do func(Endpoint) bool) {
	for i := range t.Pools {
		for _, s := range t.Pools[i].Servers {
			for _, e := range s.Endpoints {
				if !do(e) {
					return
				}
			}
		}
	}
}
