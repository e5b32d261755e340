// The goroutines of a pool whose replicas are read from: they ask its servers, and write the leases.

package replica

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// askEvery is the time between two questions, and askSpread by how much that varies at random, so that proxies that have started at once do not
// ask at once.
const (
	askEvery  = 100 * time.Millisecond
	askSpread = 20 * time.Millisecond
)

// Words are where verdicts are written: *link.Shared.
type Words interface {
	SetReplica(pool, server, replica int, lease uint64, state link.ReplicaState, lag int64)
}

// Watching is the judgement of a pool's replicas at work. Its functions do not block.
type Watching struct {
	// Locate has it go on with the servers where they are now.
	Locate func(servers []link.ServerTopology)

	// Stop ends it: when it returns, nothing is written any more.
	Stop func()
}

// Reports are what a watch calls, from goroutines of its own.
type Reports struct {
	InZone  func(address, zone string)                    // where reads go to what is nearest, with each server that says where it is
	Changed func(address string, state link.ReplicaState) // with a replica that has had another state for a while, also with the first unless it is fit
}

// Watch begins to look at the replicas of a pool, which has an index, where they are. What it finds it writes, and reports.
func Watch(pool *link.Pool, index int, servers []link.ServerTopology, words Words, reports Reports) Watching {
	w := &watch{pool: pool, index: index, words: words, reports: reports, groups: map[primary]*group{}}
	w.client = sync.OnceValue(func() *certs.Client { return certs.NewClient(pool.ServerTLS) }) // which reads files
	w.locate(servers)
	return Watching{Locate: w.locate, Stop: w.stop}
}

type watch struct {
	pool    *link.Pool
	client  func() *certs.Client
	index   int
	reports Reports

	mutex   sync.Mutex // for what is below, and for words
	words   Words
	stopped bool
	groups  map[primary]*group
}

// primary is a server's primary where it is now.
type primary struct {
	server           string
	network, address string
}

// member is a replica, and where its words are.
type member struct {
	server, number   int // indices
	network, address string
}

// group is a primary with its replicas.
type group struct {
	judge   judge
	ctx     context.Context
	end     context.CancelFunc
	members map[member]*asked
}

// asked is a replica that is asked by a goroutine.
type asked struct {
	now chan struct{} // has room for one: ask now
	end context.CancelFunc
}

func (w *watch) stop() { w.locateOrStop(nil, true) }

func (w *watch) locate(servers []link.ServerTopology) { w.locateOrStop(servers, false) }

// locateOrStop ends what is no longer there, and begins with what is new.
func (w *watch) locateOrStop(servers []link.ServerTopology, stop bool) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.stopped {
		return
	}
	wanted := groupsOf(w.pool, servers)
	for p, g := range w.groups {
		members, there := wanted[p]
		for m, a := range g.members {
			if !slices.Contains(members, m) {
				a.end()
				delete(g.members, m)
				w.words.SetReplica(w.index, m.server, m.number, 0, link.ReplicaUnknown, 0)
			}
		}
		if !there {
			g.end()
			delete(w.groups, p)
		}
	}
	w.stopped = stop
	for p, members := range wanted {
		g := w.groups[p]
		if g == nil {
			g = w.begin(p)
		}
		for _, m := range members {
			if g.members[m] == nil {
				w.meet(g, m)
			}
		}
	}
}

// groupsOf returns the primaries of a pool that have replicas, and these.
func groupsOf(pool *link.Pool, servers []link.ServerTopology) map[primary][]member {
	all := map[primary][]member{}
	if pool.IsCluster() {
		return groupsOfCluster(servers)
	}
	for i := range servers {
		s := &servers[i]
		index := slices.IndexFunc(pool.Servers, func(c link.Server) bool { return c.Name == s.Server })
		p, ok := primaryOf(s)
		if index < 0 || !ok {
			continue
		}
		for number, e := range s.Replicas() {
			all[p] = append(all[p], member{index, number, e.Network, e.Address})
		}
	}
	return all
}

// groupsOfCluster does so for places: a replica has one of its own.
func groupsOfCluster(servers []link.ServerTopology) map[primary][]member {
	all, primaries := map[primary][]member{}, map[string]primary{}
	for i := range servers {
		if p, ok := primaryOf(&servers[i]); ok {
			primaries[p.server] = p
		}
	}
	for i := range servers {
		s := &servers[i]
		p, ok := primaries[s.Of]
		place, known := link.PlaceIndex(s.Server)
		if replicas := s.Replicas(); ok && known && len(replicas) > 0 {
			all[p] = append(all[p], member{place, 0, replicas[0].Network, replicas[0].Address})
		}
	}
	return all
}

func primaryOf(s *link.ServerTopology) (p primary, ok bool) {
	k := slices.IndexFunc(s.Endpoints, func(e link.Endpoint) bool { return e.Role == link.Primary })
	if k < 0 {
		return p, false
	}
	return primary{s.Server, s.Endpoints[k].Network, s.Endpoints[k].Address}, true
}

// begin begins to ask a primary.
func (w *watch) begin(p primary) *group {
	g := &group{judge: judge{limit: w.pool.MaxReplicaLag.Milliseconds()}, members: map[member]*asked{}}
	g.ctx, g.end = context.WithCancel(context.Background())
	w.groups[p] = g
	go w.askPrimary(g, w.newServer(p.network, p.address))
	return g
}

// meet begins to ask a replica.
func (w *watch) meet(g *group, m member) {
	ctx, end := context.WithCancel(g.ctx)
	a := &asked{make(chan struct{}, 1), end}
	g.members[m] = a
	go w.askReplica(ctx, g, m, a.now)
}

func (w *watch) newServer(network, address string) *server {
	return &server{network: network, address: address, login: w.pool.ServerLogin(), client: w.client, asksZone: w.pool.ReadFrom == link.ReadFromNearest}
}

// askPrimary asks the primary and then, whether it has answered or not, has its replicas be asked.
func (w *watch) askPrimary(g *group, s *server) {
	defer s.close()
	zone := ""
	for pause := rand.N(askSpread); ; pause = askEvery - askSpread/2 + rand.N(askSpread) {
		select {
		case <-g.ctx.Done():
			return
		case <-time.After(pause):
		}
		at := now()
		answer := s.ask(g.ctx, time.Now())
		w.tellZone(s.address, &zone, answer.zone)
		w.mutex.Lock()
		g.judge.primarySays(at, answer)
		for _, a := range g.members {
			select {
			case a.now <- struct{}{}:
			default: // it has not answered yet
			}
		}
		w.mutex.Unlock()
	}
}

// askReplica asks a replica whenever it is told to, and writes what the judge says to the answer.
func (w *watch) askReplica(ctx context.Context, g *group, m member, told <-chan struct{}) {
	s := w.newServer(m.network, m.address)
	defer s.close()
	tag, zone, lasting := link.LeaseTag(m.address), "", steady{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-told:
		}
		at := now()
		answer := s.ask(ctx, time.Now())
		w.tellZone(s.address, &zone, answer.zone)
		w.mutex.Lock()
		changed := false
		var v verdict
		if ctx.Err() == nil {
			v = g.judge.replicaSays(at, now(), answer)
			w.words.SetReplica(w.index, m.server, m.number, link.NewLease(tag, v.until), v.state, v.lag)
			changed = lasting.found(v.state)
		}
		w.mutex.Unlock()
		if changed {
			w.reports.Changed(m.address, v.state)
		}
	}
}

// tellZone tells where a server is, if that is not what was told last.
func (w *watch) tellZone(address string, told *string, zone string) {
	if zone != "" && zone != *told {
		*told = zone
		w.reports.InZone(address, zone)
	}
}

// now returns ms of the clock by which leases are.
func now() int64 { return sock.Monotonic() / int64(time.Millisecond) }
