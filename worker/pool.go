// A pool: its servers, where keys live on them, and what its protocol makes of bytes and errors.

package worker

import (
	"crypto/sha256"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/shard/hash"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// pool is what one worker knows of a pool. Loop only.
type pool struct {
	l        *loop
	index    int
	name     string
	spec     *link.Pool
	keys     *shard.Map
	servers  []*server
	live     []bool
	strict   bool    // refuses what needs several servers; at random, any one has all keys or none has
	epoch    *uint64 // shared: grows with every change of a server's liveness
	seen     uint64  // the epoch that keys was built for
	counters []uint64
	moved    *uint64     // shared: clients taken less clients given
	timeout  int64       // ns; 0 = none
	lanes    uint16      // that were given to clients
	idle     timer.Timer // looks for idle clients

	overflowLogged int64 // when a client that does not take its replies was last logged
	fullLogged     int64 // when it was last logged that client_connections is reached
	fullUnlogged   int   // clients turned away since
	refusals       refusals
	sessions       sessions

	serve     func(c *client, b []byte) (used int)
	consume   func(b []byte, p progress) (n int, next progress, err error)
	merge     func(dst []byte, f *fanout, replies [][]byte) []byte
	divideKey func(d *division) (copied int)
	openMerge func(f *fanout, replies [][]byte) (failure []byte)
	mergeKey  func(c *client, f *fanout) (copied int, ok bool)
	errorText func(err error) []byte
	greeting  []byte            // what a fresh server connection must be told and agree to
	greetings int               // replies that this brings
	password  [sha256.Size]byte // digest of the one that clients must give
	ping      []byte            // asks an ejected server whether it serves
}

func newPool(l *loop, index int) (*pool, error) {
	spec := &l.spec.Pools[index]
	p := &pool{
		l: l, index: index, name: spec.Name, spec: spec,
		epoch:    l.shared.Epoch(index),
		counters: l.shared.Pool(l.spec.Slot, index),
		moved:    sign(l.shared.Moved(l.spec.Slot, index)),
		timeout:  int64(spec.Timeout),
		sessions: newSessions(),
	}
	p.speak(spec)
	fn, ok := hash.ByName(spec.Hash)
	if !ok {
		return nil, fmt.Errorf("pool %q: unknown hash %q", spec.Name, spec.Hash)
	}
	distribution, ok := shard.ParseDistribution(spec.Distribution)
	if !ok {
		return nil, fmt.Errorf("pool %q: unknown distribution %q", spec.Name, spec.Distribution)
	}
	tag, err := shard.ParseHashTag(spec.HashTag)
	if err != nil {
		return nil, fmt.Errorf("pool %q: %w", spec.Name, err)
	}
	weighted := make([]shard.Server, len(spec.Servers))
	for i, s := range spec.Servers {
		weighted[i] = shard.Server{Name: s.Name, Weight: s.Weight}
		p.servers = append(p.servers, newServer(p, i))
	}
	p.strict = spec.CrossShard == link.CrossShardRefuse && distribution != shard.Random
	p.keys = shard.NewMap(distribution, fn, tag, weighted)
	p.live = make([]bool, len(p.servers))
	for len(l.fragmentOf) <= len(p.servers) { // one more than servers: assign
		l.fragmentOf = append(l.fragmentOf, -1)
	}
	p.rebuild()
	p.watchIdle()
	return p, nil
}

// speak sets what depends on the protocol.
func (p *pool) speak(spec *link.Pool) {
	if spec.Protocol == link.Memcache {
		p.serve, p.consume = (*client).serveMemcache, consumeMemcache
		p.merge, p.errorText = mergeMemcache, memcacheError
		p.divideKey, p.openMerge, p.mergeKey = p.divideKeyMemcache, openMergeMemcache, mergeKeyMemcache
		p.ping = []byte("version\r\n")
		return
	}
	p.serve, p.consume = (*client).serveRedis, consumeRedis
	p.merge, p.errorText = p.mergeRedis, redisError
	p.divideKey, p.openMerge, p.mergeKey = p.divideKeyRedis, p.openMergeRedis, mergeKeyRedis
	p.ping = []byte("*1\r\n$4\r\nPING\r\n")
	p.password = sha256.Sum256([]byte(spec.Password))
	if spec.Password != "" {
		p.greeting = resp.AppendArray(p.greeting, 2)
		p.greeting = resp.AppendBulkString(p.greeting, "AUTH")
		p.greeting = resp.AppendBulkString(p.greeting, spec.Password)
		p.greetings++
	}
	if spec.DB > 0 {
		p.greeting = resp.AppendArray(p.greeting, 2)
		p.greeting = resp.AppendBulkString(p.greeting, "SELECT")
		p.greeting = resp.AppendBulkString(p.greeting, fmt.Sprint(spec.DB))
		p.greetings++
	}
}

// observe takes over what any worker found out about the pool's servers.
func (p *pool) observe() {
	if loadWord(p.epoch) != p.seen {
		p.rebuild()
	}
}

// rebuild lets keys know which servers are live, and waits for the ejected ones.
func (p *pool) rebuild() {
	p.seen = loadWord(p.epoch)
	for i, s := range p.servers {
		word := s.liveness()
		p.live[i] = word.Alive()
		s.awaitRetry(word)
	}
	p.keys.SetLive(p.live)
}

// publish tells all workers that a liveness word has changed.
func (p *pool) publish() { atomic.AddUint64(p.epoch, 1) }

// nextLane returns the lane of one more client. Clients take turns, whatever their ids have in common.
func (p *pool) nextLane() uint16 {
	p.lanes++
	return p.lanes - 1
}

// forward sends b to a server of the pool and lets r wait for the reply. lane is that of the client that asks. in is as
// for conn.send. server < 0: none is live.
func (p *pool) forward(r *request, lane uint16, server int, b []byte, in *input) {
	if server < 0 {
		p.counters[link.ForwardError]++
		p.l.answer(r, p.errorText(unix.ECONNREFUSED), nil)
		return
	}
	p.servers[server].primary.conn(lane).send(r, b, in)
}

// deadline returns when a request that is sent now has waited long enough; 0 = never.
func (p *pool) deadline() int64 {
	if p.timeout == 0 {
		return 0
	}
	return p.l.now + p.timeout
}

// firstOwed returns how many requests a server of which nothing is known may owe this worker, over one connection.
func (p *pool) firstOwed() int { return max(1, firstOwed/(p.spec.ServerConnections*p.l.spec.Slots)) }
