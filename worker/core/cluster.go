// Pools of a Redis Cluster: which nodes there are, and which of them has which slot.
//
//	topology of the master ─┬─► nodes, each at its place among the pool's servers ──► endpoints
//	                        └─► the owner of each slot, at its gate ◄── MOVED, until the next topology
//	a key ──► its slot ──► the slot's gate ──► the owner's endpoint
//
// To routes, fanouts and transactions a slot is what a server is in other pools: what all keys of a request must have in common. Only
// here it becomes a node, when a request is sent (cluster_gate.go); what nodes say of slots is in cluster_redirect.go.

package core

import (
	"fmt"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// What stands for a server where a pool is a cluster: a slot, or one of these.
const (
	noKey     = shard.Slots     // for what has no key: any master
	firstNode = shard.Slots + 1 // from here on a node itself, by its place
	places    = firstNode + link.MaxNodes
)

// stalePause is the least time between two messages to the master that its view of the cluster is out of date.
const stalePause = int64(100 * time.Millisecond)

// cluster is what a pool of a Redis Cluster knows of it. Loop only.
type cluster struct {
	pool        *pool
	owners      owners
	gates       []gate         // of the slots, and of noKey, while requests are counted there: see count
	counting    bool           // they are
	at          map[string]int // the places of nodes, by each address that they are called by
	masters     []int          // places of the nodes that have slots
	names       []string       // theirs
	mark        uint16         // of them, see resp.ServersMark
	waiting     []int          // slots whose gate has a queue
	held        int            // requests that wait at gates
	bytes       int            // theirs
	crowded     bool           // what waits fails: there is no room for it
	serving     bool           // gates are being served
	again       bool           // and are to be once more
	awaitsReads bool           // reads that come back from replicas wait: the owners of slots are changing
	timer       timer.Timer    // for what is due at gates
	nowhere     resubscriptions
	told        int64 // ns: when the master was last told that its view is out of date; 0: never
}

func newCluster(p *pool) *cluster {
	cl := &cluster{pool: p, owners: newOwners()}
	cl.timer.Fire = cl.serve
	cl.nowhere.timer.Fire = cl.subscribeAgain
	if t := p.l.spec.Topology.Pool(p.name); t != nil {
		cl.apply(t)
	}
	return cl
}

// apply has the cluster be as a topology says. First what was sent to nodes that are not masters any more comes back, then slots
// change their owners.
func (cl *cluster) apply(t *link.PoolTopology) {
	var nodes [link.MaxNodes]*link.ServerTopology
	for i := range t.Servers {
		if k, ok := link.PlaceIndex(t.Servers[i].Server); ok && len(t.Servers[i].Endpoints) == 1 {
			nodes[k] = &t.Servers[i]
		}
	}
	if len(cl.masters) > 0 {
		cl.count()
	}
	cl.awaitsReads = true
	for k, s := range cl.pool.servers {
		s.take(nodes[k])
	}
	cl.at, cl.masters, cl.names = map[string]int{}, nil, nil
	cl.owners.clear()
	for k, node := range nodes { // the addresses of all have precedence
		if node != nil {
			for _, alias := range node.Aliases {
				cl.at[alias] = k
			}
		}
	}
	for k, node := range nodes {
		cl.pool.placement.live[k] = node != nil && len(node.Slots) > 0
		if node != nil {
			cl.addNode(k, node)
		}
	}
	cl.owners.noteRows()
	for _, slot := range cl.waiting {
		cl.gates[slot].queue.due = 0
	}
	cl.locateReplicas(nodes[:])
	cl.awaitsReads = false
	cl.mark = resp.ServersMark(cl.names)
	cl.pool.replaced()
	cl.hurry()
}

// addNode notes where a node is called, and what it owns.
func (cl *cluster) addNode(place int, node *link.ServerTopology) {
	cl.at[node.Endpoints[0].Address] = place
	if len(node.Slots) == 0 {
		return
	}
	cl.masters = append(cl.masters, place)
	cl.names = append(cl.names, cl.pool.servers[place].spec.Name)
	cl.owners.each[noKey] = int16(cl.masters[0])
	for _, r := range node.Slots {
		for slot := int(r.First); slot <= int(r.Last); slot++ {
			cl.owners.each[slot] = int16(place)
		}
	}
}

// take has a place have this node, or none. All connections end to one that is gone, that is elsewhere now, or that was a master and is none
// any more: see cluster_leave.go.
func (s *server) take(node *link.ServerTopology) {
	former := s.node
	s.node = node
	if node != nil && len(node.Slots) > 0 {
		s.endLeaving()
	}
	if former == nil && node == nil || former != nil && node != nil && !replaces(node, former) {
		return
	}
	s.endLeaving()
	old := s.primary
	s.primary.troubles.End()
	s.primary = newEndpoint(s, link.ClusterNode, "")
	if node != nil {
		s.spec.Name = node.Endpoints[0].Address
		s.primary = newEndpoint(s, node.Endpoints[0].Network, node.Endpoints[0].Address)
		s.pool.l.descriptors.share(s.primary)
	}
	if former != nil {
		if len(former.Slots) > 0 {
			s.logLimited(logevent.NodeDemoted, s.pool.name, old.address)
		}
		old.passOver()
		old.abandon(node != nil && node.Node == former.Node)
	}
	if node != nil && len(node.Slots) > 0 && s.pool.spec.Preconnect && s.pool.l.succession.serving {
		s.primary.preconnect()
	}
}

// everyMaster calls do for each node that has slots, as what stands for it in place of a server.
func (cl *cluster) everyMaster(do func(place int) bool) {
	for _, k := range cl.masters {
		if !do(firstNode + k) {
			return
		}
	}
}

// nodeOf returns the place of the node that a slot, or what else stands for a server, is at now; negative: nobody's.
func (cl *cluster) nodeOf(server int) int {
	if server >= firstNode {
		return server - firstNode
	}
	return int(cl.owners.of(server))
}

// target returns the place of the node to which a redirect by a node at e leads; false: the topology names none there. A node at
// another address is never followed, whoever says so: scripts can say anything.
func (cl *cluster) target(e *endpoint, to resp.Redirect) (place int, known bool) {
	host := string(to.Host)
	switch {
	case host == "":
		host = e.address[:max(strings.LastIndexByte(e.address, ':'), 0)]
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	place, known = cl.at[fmt.Sprintf("%s:%d", host, to.Port)]
	return place, known
}

// isWanted tells whether there are requests for an endpoint. To replicas of a cluster, and nodes without slots, only redirects lead.
func (e *endpoint) isWanted() bool {
	return e.pool.cluster == nil || e.pool.placement.live[e.server.index]
}

// tellStale tells the master that its view of the cluster is out of date, now and then.
func (cl *cluster) tellStale() {
	l := cl.pool.l
	if l.master == nil || cl.told != 0 && l.now-cl.told < stalePause {
		return
	}
	cl.told = l.now
	l.master.trySend(link.Stale, link.Body(link.StaleBody{Pool: cl.pool.index}))
}

// replaces tells whether connections to a node as it was are of no use any more.
func replaces(n, former *link.ServerTopology) bool {
	return n.Node != former.Node || n.Endpoints[0].Network != former.Endpoints[0].Network || n.Endpoints[0].Address != former.Endpoints[0].Address ||
		len(n.Slots) == 0 && len(former.Slots) > 0
}
