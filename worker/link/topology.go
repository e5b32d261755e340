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
	Servers   []ServerTopology `json:"servers"`             // by name; of a cluster: those places that have a node
	Cluster   bool             `json:"cluster,omitempty"`   // of a Redis Cluster
}

// ServerTopology is where a server of the ring is. Its keys stay its own, wherever that is.
type ServerTopology struct {
	Server    string     `json:"server"`
	Endpoints []Endpoint `json:"endpoints"`          // none: nobody has said yet where it is
	Epoch     uint64     `json:"epoch,omitempty"`    // of the failover that has led there, by which the sentinels count them; of a node: its own
	MovedAt   int64      `json:"moved_at,omitempty"` // ms since the epoch: when it was last found elsewhere; 0: never
	Stale     bool       `json:"stale,omitempty"`    // nobody can be asked any more whether it is still there

	Unnamed bool `json:"unnamed,omitempty"` // servers say that it is there, and no sentinel has said so yet

	// Of that move.
	MovedFrom  string `json:"moved_from,omitempty"`  // the address before
	SaidAt     int64  `json:"said_at,omitempty"`     // ms since the epoch: when somebody first named the present address; 0: the servers did, before anybody else
	SwitchedAt int64  `json:"switched_at,omitempty"` // likewise: when the last worker had left the former one; 0: not known. Only masters know

	// Of a place for a node of a cluster, which has one endpoint.
	Node    string      `json:"node,omitempty"`    // the id that the cluster knows it by
	Of      string      `json:"of,omitempty"`      // of a replica: the place of its primary; empty: not known
	Slots   []HashRange `json:"slots,omitempty"`   // ascending; no slot has two places. Those without a place are served by nobody
	Aliases []string    `json:"aliases,omitempty"` // other "host:port" that nodes of the cluster call it by
	Failed  bool        `json:"failed,omitempty"`  // the cluster says that it does not work
}

// TopologyFields describes what the statistics have of a ServerTopology beside the counters of the server.
var TopologyFields = [...]CounterInfo{
	{"epoch", state, "of the failover that has led to the present master, by which sentinels count them, or of a node of a cluster; only with those"},
	{"moved_at", state, "when the master was last found elsewhere, or the node took its master's place, in ms since the epoch; only with those"},
	{"said_at", state, "when a sentinel first named the present master, likewise"},
	{"switched_at", state, "when the last worker had left the former one, likewise"},
	{"stale", state, "1: no sentinel, or no node of the cluster, says any more where the master is; only with those"},
	{"sentinels", state, "that are asked where the master is, and count"},
	{"sentinels_agree", state, "of these, that name its address"},
	{"slots", state, "of its cluster that the node has; only with cluster"},
	{"replica", state, "1: the node is a replica; only with cluster"},
	{"replicas", state, "of the server that may be read from if they are fit; only with read_from, as the next two"},
	{"replicas_fit", state, "of these, that were fit when they were last looked at"},
	{"replica_lag", state, "by how many ms the data of the last of those was behind"},
}

// Role is what an endpoint is to its server.
type Role string

const (
	Primary Role = "primary" // has every key of the server, and takes writes
	Replica Role = "replica" // follows the primary
)

// SlotCount returns how many slots of its cluster a node has.
func (s *ServerTopology) SlotCount() (n int) {
	for _, r := range s.Slots {
		n += int(r.Last) - int(r.First) + 1
	}
	return n
}

// Endpoint is one address of a server.
type Endpoint struct {
	Network string `json:"network"` // "tcp" or "unix"
	Address string `json:"address"` // "host:port" or a path
	Role    Role   `json:"role"`
	Zone    string `json:"zone,omitempty"` // where it is; empty: not known
}

// firstVersion is the version of a topology that comes from the configuration.
const firstVersion = 1

// StaticTopology is the topology in the configuration of pools: each server has the address given there and those of its replicas, and
// none where it gives the name of a master.
func StaticTopology(pools []Pool) Topology {
	t := Topology{Pools: make([]PoolTopology, len(pools))}
	for i := range pools {
		p := &t.Pools[i]
		p.Pool, p.Version, p.Discovers, p.Cluster = pools[i].Name, firstVersion, pools[i].Discovers(), pools[i].IsCluster()
		if p.Cluster { // nobody has a place yet
			p.Servers = []ServerTopology{}
			continue
		}
		for _, s := range pools[i].Servers {
			at := ServerTopology{Server: s.Name, Endpoints: []Endpoint{}}
			if s.Network != Sentinel {
				at.Endpoints = append(at.Endpoints, Endpoint{s.Network, s.Address, Primary, s.Zone})
			}
			for _, r := range s.Replicas {
				at.Endpoints = append(at.Endpoints, Endpoint{r.Network, r.Address, Replica, r.Zone})
			}
			p.Servers = append(p.Servers, at)
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
	newer.Discovers, newer.Cluster = true, p.Cluster
	*p = newer
	return true
}

// Server returns that of a server; nil if there is none.
func (p *PoolTopology) Server(name string) *ServerTopology {
	for i := range p.Servers {
		if p.Servers[i].Server == name {
			return &p.Servers[i]
		}
	}
	return nil
}

// Located tells whether it is known of each server where its primary is; of a cluster, whether anybody has slots.
func (p *PoolTopology) Located() bool {
	if p.Cluster {
		return slices.ContainsFunc(p.Servers, func(s ServerTopology) bool { return len(s.Slots) > 0 })
	}
	return !slices.ContainsFunc(p.Servers, func(s ServerTopology) bool {
		_, ok := p.Primary(s.Server)
		return !ok
	})
}

// Primary returns where the primary of a server is; false: that is not known.
func (p *PoolTopology) Primary(server string) (Endpoint, bool) {
	s := p.Server(server)
	if s == nil {
		return Endpoint{}, false
	}
	k := slices.IndexFunc(s.Endpoints, func(e Endpoint) bool { return e.Role == Primary })
	if k < 0 {
		return Endpoint{}, false
	}
	return s.Endpoints[k], true
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
