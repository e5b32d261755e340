// Discovery: each pool whose servers fail over has a follower, for as long as a generation has that pool. What it finds out
// becomes the topology.

package master

import (
	"reflect"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/discover"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/worker/link"
)

// locatePatience is how long a generation waits to know where its servers are: for sentinels that can be reached, and servers
// that answer them, it is ample. Then it begins without.
const locatePatience = 3 * time.Second

// follower follows the masters of one pool, beside the loop.
type follower struct {
	pool link.Pool
	discover.Following
	found []link.ServerTopology // the latest news; none: there was none

	sentinels []discover.Sentinel // likewise
}

// follow begins to follow where a generation has a pool that discovers, and ends it where none has it any more. Whose replicas are read
// from has them looked at.
func (m *master) follow() {
	for _, g := range m.generations.all() {
		m.watchReplicas(g)
		for i := range g.pools {
			p := &g.pools[i]
			if known := g.topology.Pool(p.Name); known != nil && p.Discovers() && m.followerOf(p) == nil { // nil: it was another master's
				m.beginToFollow(p, known.Servers)
			}
		}
	}
	m.followers = slices.DeleteFunc(m.followers, func(f *follower) bool {
		for _, g := range m.generations.all() {
			if g.poolOf(f) != nil {
				return false
			}
		}
		f.Stop()
		return true
	})
}

func (m *master) beginToFollow(p *link.Pool, known []link.ServerTopology) {
	f := &follower{pool: *p}
	m.followers = append(m.followers, f)
	f.Following = m.world.follow(&f.pool, slices.Clone(known), func(n discover.News) {
		m.world.report(event{then: func() { m.followerTells(f, n) }})
	})
}

// stopFollowing ends all followers.
func (m *master) stopFollowing() {
	for _, f := range m.followers {
		f.Stop()
	}
	m.followers = nil
}

func (m *master) followerOf(p *link.Pool) *follower {
	for _, f := range m.followers {
		if f.follows(p) {
			return f
		}
	}
	return nil
}

// follows tells whether what the follower finds out is true of a pool: it asks the same sentinels for the same masters, or the same
// cluster.
func (f *follower) follows(p *link.Pool) bool {
	own := &f.pool
	return own.Name == p.Name && slices.Equal(own.Sentinels, p.Sentinels) && slices.EqualFunc(own.Servers, p.Servers, sameServer) &&
		slices.Equal(own.Seeds, p.Seeds) && own.SentinelUser == p.SentinelUser && own.SentinelPassword == p.SentinelPassword && own.ServerLogin() == p.ServerLogin() &&
		own.SentinelPlaintext == p.SentinelPlaintext && reflect.DeepEqual(own.ServerTLS, p.ServerTLS)
}

// poolOf returns the topology of the generation's pool that the follower follows; nil: there is none.
func (g *generation) poolOf(f *follower) *link.PoolTopology {
	for i := range g.pools {
		if f.follows(&g.pools[i]) {
			return g.topology.Pool(f.pool.Name)
		}
	}
	return nil
}

// locate calls then when it is known where the servers of a generation are, or cannot be found out soon.
func (m *master) locate(g *generation, then func()) {
	m.follow()
	var waits []<-chan struct{}
	for _, f := range m.followers {
		t := g.poolOf(f)
		if t == nil {
			continue
		}
		if len(f.found) > 0 {
			m.relocate(g, link.PoolTopology{Pool: t.Pool, Version: t.Version + 1, Servers: f.found})
		}
		if !t.Located() {
			waits = append(waits, f.Located)
		}
	}
	if len(waits) == 0 {
		then()
		return
	}
	m.world.aside(func() func() {
		over := time.After(locatePatience)
		for _, located := range waits {
			select {
			case <-located:
			case <-over:
				return then
			}
		}
		return then
	})
}

// workerDoubts is called when a worker finds that what is at the address of a server does not do the server's work.
func (m *master) workerDoubts(s *slot, msg link.Message) {
	var body link.StaleBody
	pools := s.generation.pools
	if !m.read(s, msg, &body) || body.Pool < 0 || body.Pool >= len(pools) || body.Server < 0 || body.Server >= len(pools[body.Pool].Servers) {
		return
	}
	p := &pools[body.Pool]
	if f := m.followerOf(p); f != nil {
		f.Doubt(p.Servers[body.Server])
	}
}

// countSentinels returns how many sentinels are asked about a server of the generation that serves, and count; and how many of them
// name it where it is taken to be.
func (m *master) countSentinels(pool, server int) (asked, agree int) {
	p := &m.generations.serving.pools[pool]
	f := m.followerOf(p)
	if f == nil {
		return 0, 0
	}
	for _, s := range f.sentinels {
		if !s.Counts {
			continue
		}
		asked++
		if slices.ContainsFunc(s.Masters, func(n discover.Named) bool {
			return n.Master == p.Servers[server].Address && n.Address != "" && !n.Disagrees
		}) {
			agree++
		}
	}
	return asked, agree
}

// followerTells is called with what a follower has to tell.
func (m *master) followerTells(f *follower, n discover.News) {
	if !slices.Contains(m.followers, f) {
		return
	}
	for _, line := range n.Problems {
		m.log.Event(logfile.DiscoveryProblem, line, f.pool.Name)
	}
	for _, line := range n.Notices {
		m.log.Event(logfile.DiscoveryNotice, line, f.pool.Name)
	}
	if len(n.Sentinels) > 0 {
		f.sentinels = n.Sentinels
	}
	if len(n.Servers) == 0 {
		return
	}
	f.found = n.Servers
	for _, g := range m.generations.all() {
		if t := g.poolOf(f); t != nil {
			m.relocate(g, link.PoolTopology{Pool: t.Pool, Version: t.Version + 1, Servers: n.Servers})
		}
	}
	if g := m.generations.serving; g != nil {
		if t := g.poolOf(f); t != nil {
			m.passToNewMaster(*t)
		}
	}
}
