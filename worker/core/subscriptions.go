// What a client has subscribed to, and on which servers.

package core

import (
	"strings"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// channelKind is what a name that is subscribed to stands for. The numbers go to other workers.
type channelKind uint8

const (
	kindChannel      channelKind = 0
	kindPattern      channelKind = 1
	kindShardChannel channelKind = 2
	channelKinds                 = 3
)

// What stands for a server where a subscription is on no single one.
const (
	everywhere = -1 // on all servers, of a cluster on all masters
	nowhere    = -2 // of a cluster: on none, until it is known which node has its slot
)

// subscriptionBytes is about what one subscription costs beside its name.
const subscriptionBytes = 64

// subscriptions are those of one client. Loop only.
type subscriptions struct {
	byName    [channelKinds]map[string]int // the server that it is subscribed on, everywhere or nowhere
	perServer []int32                      // for each server how many there are on it alone
	wide      int                          // how many are everywhere
	pending   int                          // confirmations that the client waits for
	bytes     int                          // that all this takes, about
}

// kindOfChannel returns what the arguments of a command on subscriptions are.
func kindOfChannel(cmd *resp.Command) channelKind {
	switch {
	case cmd.Name[0] == 'p':
		return kindPattern
	case strings.HasPrefix(cmd.Name, "ss"), strings.HasPrefix(cmd.Name, "sun"):
		return kindShardChannel
	}
	return kindChannel
}

// count returns what a confirmation says: how many subscriptions of its kind are left. Channels and patterns count together.
func (s *subscriptions) count(kind channelKind) int {
	if kind == kindShardChannel {
		return len(s.byName[kindShardChannel])
	}
	return len(s.byName[kindChannel]) + len(s.byName[kindPattern])
}

// number returns how many subscriptions of a kind there are; s may be nil.
func (s *subscriptions) number(kind channelKind) int {
	if s == nil {
		return 0
	}
	return len(s.byName[kind])
}

// none tells whether the client has no subscription.
func (s *subscriptions) none() bool { return s.count(kindChannel)+s.count(kindShardChannel) == 0 }

// add adds a subscription on a server, or everywhere, unless it is there already.
func (s *subscriptions) add(kind channelKind, name string, server int) {
	if _, ok := s.byName[kind][name]; ok {
		return
	}
	if s.byName[kind] == nil {
		s.byName[kind] = map[string]int{}
	}
	s.byName[kind][name] = server
	s.bytes += subscriptionBytes + len(name)
	s.counts(server, 1)
}

// place notes where a subscription is from now on.
func (s *subscriptions) place(kind channelKind, name string, server int) {
	s.counts(s.byName[kind][name], -1)
	s.byName[kind][name] = server
	s.counts(server, 1)
}

// remove removes a subscription.
func (s *subscriptions) remove(kind channelKind, name string) {
	server := s.byName[kind][name]
	delete(s.byName[kind], name)
	s.bytes -= subscriptionBytes + len(name)
	s.counts(server, -1)
}

func (s *subscriptions) counts(server int, change int32) {
	switch server {
	case everywhere:
		s.wide += int(change)
	case nowhere:
	default:
		s.perServer[server] += change
	}
}

// areOn tells whether there are any on a server of p; s may be nil.
func (s *subscriptions) areOn(p *pool, server int) bool {
	return s != nil && (s.perServer[server] > 0 || s.wide > 0 && p.isPartOf(everywhere, server))
}

// isPartOf tells whether a subscription on place is on a server, too.
func (p *pool) isPartOf(place, server int) bool {
	return place == server || place == everywhere && server >= 0 && (p.cluster == nil || p.placement.live[server])
}

// serversOf calls do for each server that a subscription on place is on.
func (p *pool) serversOf(place int) func(do func(int) bool) {
	return func(do func(int) bool) {
		for i := range p.servers {
			if p.isPartOf(place, i) && !do(i) {
				return
			}
		}
	}
}

// cost returns how many bytes are kept; s may be nil.
func (s *subscriptions) cost() int {
	if s == nil {
		return 0
	}
	return s.bytes
}

// ownSubscriptions returns the client's subscriptions, made when first needed.
func (c *client) ownSubscriptions() *subscriptions {
	if c.session.subscriptions == nil {
		c.changeSession(func(s *session) {
			s.subscriptions = &subscriptions{perServer: make([]int32, len(c.pool.servers)), bytes: 256 + 4*len(c.pool.servers)}
		})
		*c.pool.counters[link.Subscribers]++
	}
	return c.session.subscriptions
}

// dropSubscriptions forgets what the client has subscribed to.
func (c *client) dropSubscriptions() {
	if c.session.subscriptions != nil {
		*c.pool.counters[link.Subscribers]--
		c.changeSession(func(s *session) { s.subscriptions = nil })
		if cl := c.pool.cluster; cl != nil && len(cl.nowhere.all) > 0 { // its are forgotten
			cl.nowhere.awaken(c.pool.l, c.pool.l.now)
		}
	}
}

// isSubscriber tells whether the client has a subscription.
func (c *client) isSubscriber() bool {
	return c.session.subscriptions != nil && !c.session.subscriptions.none()
}
