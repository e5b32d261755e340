// How a worker divides its descriptors: between server connections, clients, and a handoff.

package link

import "fmt"

const (
	// OwnDescriptors is how many a worker needs for itself, besides its listeners.
	OwnDescriptors = 16

	// A handoff needs descriptors: one for each worker that clients go to or come from, and for a moment those of the memory
	// files in which states travel. A worker spares a sixteenth of what it may have for that, within these bounds.
	leastSpared = 4
	mostSpared  = 1024
	sparedOneOf = 16
)

// Spared returns how many of a worker's descriptors are kept for a handoff.
func Spared(limit int) int { return max(leastSpared, min(limit/sparedOneOf, mostSpared)) }

// ForServers returns how many of a worker's descriptors are reserved for server connections, of which wanted could be needed:
// wanted or, if that is less, half of what remains for them and clients, and at least one.
func ForServers(limit, listeners, wanted int) int {
	return min(wanted, max(1, (limit-OwnDescriptors-listeners-Spared(limit))/2))
}

// Division is how the descriptors of one worker are divided.
type Division struct {
	Limit     int // of the process
	Wanted    int // for all connections that the pools may have to servers
	Servers   int // kept for them; ≤ Wanted
	Clients   int // left for clients
	PerServer int // connections that one server gets, at most; ≥ 1, even if Servers is too few for that
	Enough    int // the least limit with which Servers == Wanted
}

// Divide divides the descriptors of a worker of these pools. Where there are too few for all connections to servers, each
// server gets fewer of them.
func Divide(limit, listeners int, pools []Pool) Division {
	d := Division{Limit: limit, PerServer: 1}
	most := 1
	for i := range pools {
		most = max(most, pools[i].ServerConnections)
	}
	d.Wanted = connectionsOf(pools, most)
	d.Servers = ForServers(limit, listeners, d.Wanted)
	d.Clients = max(0, limit-OwnDescriptors-listeners-Spared(limit)-d.Servers)
	for d.PerServer < most && connectionsOf(pools, d.PerServer+1) <= d.Servers {
		d.PerServer++
	}
	for d.Enough = limit; d.Servers < d.Wanted && ForServers(d.Enough, listeners, d.Wanted) < d.Wanted; {
		d.Enough += max(1, d.Wanted-ForServers(d.Enough, listeners, d.Wanted))
	}
	return d
}

// connectionsOf returns how many connections a worker opens to the servers of pools, those of probes included, if each
// server gets no more than most.
func connectionsOf(pools []Pool, most int) (n int) {
	for i := range pools {
		each := min(pools[i].ServerConnections, most)
		if pools[i].Ejects() {
			each++
		}
		n += each * pools[i].expectedServers()
	}
	return n
}

// usualNodes is for how many nodes of a cluster descriptors are reserved: the places are more than nearly any cluster has.
const usualNodes = 32

// usualReplicas is for how many replicas of a master descriptors are reserved where sentinels say which there are.
const usualReplicas = 2

// expectedServers returns how many servers of the pool may be connected to, replicas that are read from included.
func (p *Pool) expectedServers() int {
	if p.IsCluster() {
		return usualNodes
	}
	n := len(p.Servers)
	if !p.ReadsReplicas() {
		return n
	}
	for i := range p.Servers {
		n += len(p.Servers[i].Replicas)
	}
	if len(p.Sentinels) > 0 {
		n += usualReplicas * len(p.Servers)
	}
	return n
}

// Shortage words what is too few, and what to do; empty: nothing is.
func (d Division) Shortage() (message, hint string) {
	if d.Servers == d.Wanted {
		return "", ""
	}
	return fmt.Sprintf("a process may have %d descriptors, and the connections of a worker to its servers alone may need %d: "+
			"it keeps %d for them, opens no more than %d to a server, and takes about %d clients", d.Limit, d.Wanted, d.Servers, d.PerServer, d.Clients),
		fmt.Sprintf("raise LimitNOFILE= (ulimit -n) to %d or more", d.Enough)
}
