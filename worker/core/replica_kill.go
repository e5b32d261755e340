// SCRIPT KILL and FUNCTION KILL where replicas are read from: a script may run there, too, and a replica that it keeps busy answers nobody else.

package core

import "github.com/pinion-proxy/pinion/codec/resp"

// killEverywhere sends b, a request of cmd of which each server has a fragment, to these and to all replicas, also to those that are not fit:
// one that is busy is not.
func (c *client) killEverywhere(cmd *resp.Command, f *fanout, b []byte) {
	p := c.pool
	servers := len(p.fanouts.targets)
	for range p.replicas.everyReplica {
		p.fanouts.assignNoServer(f)
	}
	r := c.beginWhole(cmd, f, len(b))
	for i, t := range p.fanouts.targets[:servers] {
		p.forward(c.fragment(r, i), c, t.server, b, nil)
	}
	i := servers
	for to := range p.replicas.everyReplica {
		to.endpoint.conn(p.forKills(), c.lane).send(c.fragment(r, i), b, nil)
		i++
	}
	f.dispatched()
}

// assignNoServer gives f a fragment for who is none of the pool's servers.
func (fs *fanouts) assignNoServer(f *fanout) {
	f.owner = append(f.owner, int32(len(fs.targets)))
	fs.targets = append(fs.targets, target{server: -1, end: 1})
}

// forKills returns the greeting of connections to replicas over which scripts are ended. A replica does not look at what else comes over
// the connection of the script that it executes, and answers nothing like SELECT or PING meanwhile.
func (p *pool) forKills() *greeting {
	rs := p.replicas
	if rs.kills == nil {
		rs.kills = &greeting{index: len(p.greetings), version: resp.RESP2, reads: endsScripts}
		if p.spec.Password != "" {
			rs.kills.add(greetAuth, "AUTH", p.spec.Password)
		}
		p.greetings = append(p.greetings, rs.kills)
	}
	return rs.kills
}
