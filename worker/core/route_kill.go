// SCRIPT KILL and FUNCTION KILL. A server does not look at what comes over the connection whose script it executes, so that they have connections
// of their own. Where replicas are read from, a script may run there, too, and one that it keeps busy answers nobody else.

package core

import (
	"slices"

	"github.com/pinion-proxy/pinion/codec/resp"
)

// killEverywhere sends b, a request of cmd of which each server has a fragment, to these and to all replicas, also to those that are not fit:
// one that is busy is not. A cluster's servers get it as they get all requests, and its replicas are asked for nothing that could be ended.
func (c *client) killEverywhere(cmd *resp.Command, f *fanout, b []byte) {
	p := c.pool
	var replicas []*replica
	if p.replicas != nil && p.cluster == nil {
		replicas = slices.Collect(p.replicas.everyReplica)
	}
	servers := len(p.fanouts.targets)
	for range replicas {
		p.fanouts.assignNoServer(f)
	}
	r := c.beginWhole(cmd, f, len(b))
	for i, t := range p.fanouts.targets[:servers] {
		if part := c.fragment(r, i); p.cluster != nil || p.placement.isDown(t.server) {
			p.forward(part, c, t.server, b, nil)
		} else {
			c.sendKill(part, p.servers[t.server].primary, b)
		}
	}
	for i, to := range replicas {
		c.sendKill(c.fragment(r, servers+i), to.endpoint, b)
	}
	f.dispatched()
}

func (c *client) sendKill(part *request, to *endpoint, b []byte) {
	c.pool.note(part, b)
	to.conn(c.pool.forKills(), c.lane).send(part, b, nil)
}

// assignNoServer gives f a fragment for who is none of the pool's servers.
func (fs *fanouts) assignNoServer(f *fanout) {
	f.owner = append(f.owner, int32(len(fs.targets)))
	fs.targets = append(fs.targets, target{server: -1, end: 1})
}

// forKills returns the greeting of connections over which scripts are ended. While a server executes one it answers nothing like SELECT or
// PING.
func (p *pool) forKills() *greeting {
	if p.kills == nil {
		p.kills = &greeting{index: len(p.greetings), version: resp.RESP2, reads: endsScripts}
		p.kills.addLogin(p.spec)
		p.greetings = append(p.greetings, p.kills)
	}
	return p.kills
}
