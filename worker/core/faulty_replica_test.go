//go:build fault

// Replicas in worlds in which things break. They have all that their primaries have, so that it does not matter who answers a read; but
// nothing else comes to them, and whatever befalls them, no client gets an error as long as their primary is well, unless its time is over.

package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// addReplicas gives each server of a pool one or two, which may be read from at times.
func (w *faultyWorld) addReplicas(p *faultyPool, spec *link.Pool) {
	spec.ReadFrom = []link.ReadFrom{link.ReadFromPreferReplica, link.ReadFromNearest}[w.waits.IntN(2)]
	p.replicas, p.repeats = true, true
	for i, primary := range p.servers {
		for k := range 1 + w.waits.IntN(2) {
			s := &faultyServer{
				fakeServer: w.addServer(fmt.Sprintf("%s-replica%d", primary.name, k)), pool: p, index: i, primary: primary, talks: map[*peer]*faultyTalk{},
			}
			s.deaf = true
			spec.Servers[i].Replicas = append(spec.Servers[i].Replicas, link.ReplicaAddress{Network: "unix", Address: s.path})
			primary.replicas = append(primary.replicas, s)
			w.servers = append(w.servers, s)
		}
	}
}

// judge has each replica be read from for a while, or not at all. One that keeps silent is not, as soon as that is noticed, which is before
// a request times out.
func (w *faultyWorld) judge() {
	for _, p := range w.pools {
		for _, primary := range p.servers {
			for k, s := range primary.replicas {
				until := w.now / int64(time.Millisecond)
				if !s.silent && w.one(2) {
					until += w.random.Int64N(w.pace.Milliseconds() / 2)
				}
				w.happens("%s may be read from until %v", s.name, time.Duration(until*int64(time.Millisecond)-rigEpoch))
				w.workers[0].shared.SetReplica(p.index, primary.index, k, link.NewLease(link.LeaseTag(s.path), until), link.ReplicaFit, 0)
			}
		}
	}
}

// hasLateReplica tells whether a read may wait for a replica until its time is over, as when no worker runs for so long.
func (s *faultyServer) hasLateReplica() bool {
	return slices.ContainsFunc(s.replicas, func(r *faultyServer) bool { return r.victim })
}

// isForReplica tells whether a replica may be asked so: reads, and what is about the connection.
func isForReplica(name string) bool {
	switch strings.ToUpper(name) {
	case "PING", "SELECT", "HELLO":
		return true
	}
	cmd := resp.Lookup([]byte(name))
	return cmd != nil && cmd.Replica
}

// connsOf returns a worker's connections to the server, which may be a replica.
func (s *faultyServer) connsOf(l *loop) (conns []*conn) {
	server := l.pools[s.pool.index].servers[s.index]
	if s.primary == nil {
		return slices.DeleteFunc(connsOf(server), func(c *conn) bool { return c == nil }) // nobody probes nodes of a cluster
	}
	for _, r := range server.replicas {
		if r.endpoint.address == s.path {
			for c := range r.endpoint.everyConn {
				conns = append(conns, c)
			}
		}
	}
	return conns
}

// serverOf returns the server that a connection leads to.
func (w *faultyWorld) serverOf(c *conn) *faultyServer {
	s := w.pools[c.endpoint.pool.index].servers[c.endpoint.server.index]
	for _, r := range s.replicas {
		if r.path == c.endpoint.address {
			return r
		}
	}
	return s
}
