// A pool: its servers, where keys live on them, and what its protocol makes of bytes and errors.

package core

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// pool is what one worker knows of a pool. Loop only.
type pool struct {
	l           *loop
	index       int
	name        string
	spec        *link.Pool
	placement   placement
	tls         *tls.Config // of connections to servers, but for their names; nil: they are not encrypted
	clientTLS   *tls.Config // of connections from clients, at listeners that have TLS; nil: none has
	handshakes  clientHandshakes
	cluster     *cluster  // nil: its servers are those of its configuration
	replicas    *replicas // nil: only primaries are read from
	servers     []*server
	serverNames []string       // in their order
	serversMark uint16         // what tells this list of servers from others, in cursors of SCAN
	routes      []resp.Route   // of Redis: what becomes of each command, by its ID
	counters    link.PoolWords // shared: written here only
	turns       uint           // of requests that one server after the other answers
	moved       *uint64        // shared: clients received from other workers less clients moved to them
	timeout     int64          // ns; 0 = none
	patience    int64          // ns: how long a request that is sent may take; 0 = for ever
	slow        int64          // ns: how long a request may take that is not slow
	noteFrom    int64          // ns: from how long on somebody looks at it: at most slow, see requestLog
	noted       int64          // ns: the least that noteFrom may be; math.MaxInt64: requests need not say what they are
	lanes       uint16         // that were assigned to clients
	idle        timer.Timer    // looks for idle clients

	overflowLogged   int64 // when a client that does not take its replies was last logged
	turnedAwayLogged int64 // when it was last logged that client_connections is reached
	turnedAway       int   // clients turned away since
	refusals         refusals
	failedHandshakes refusals // of clients; by their counters
	pause            clientPause
	sessions         sessions
	users            users

	protocol
	sketches  halving
	fanouts   fanouts
	greetings []*greeting       // that sessions have asked for; the first is that of those that have set nothing
	kills     *greeting         // of connections over which scripts are ended; nil: nobody has wanted that
	resp3     resp3Inquiry      // whether servers speak RESP3
	unused    timer.Timer       // looks for server connections of other greetings that nobody uses
	trackers  int               // clients that track keys
	password  [sha256.Size]byte // digest of the password that clients must send, of memcached with their user
}

func newPool(l *loop, index int) (*pool, error) {
	spec := &l.spec.Pools[index]
	p := &pool{
		l: l, index: index, name: spec.Name, spec: spec,
		counters: l.shared.Pool(l.spec.Slot, index),
		moved:    sign(l.shared.Moved(l.spec.Slot, index)),
		timeout:  int64(spec.Timeout),
		slow:     thresholdOf(spec),
	}
	p.noteFrom, p.noted = p.slow, p.slow
	if l.spec.LoggedRequests > 0 {
		p.noted = 0
	}
	p.newSketches()
	if p.patience = p.timeout; p.timeout > 0 {
		p.patience = max(p.timeout, int64(spec.FailoverWait))
	}
	p.setProtocol(spec)
	p.sessions = newSessions(p.greetings[0])
	var err error
	if p.tls, err = serverTLS(spec.ServerTLS); err != nil {
		return nil, fmt.Errorf("pool %q: %w", p.name, err)
	}
	if err = p.readUsers(); err != nil {
		return nil, err
	}
	p.replicas = newReplicas(p)
	for i := range spec.Servers {
		s := newServer(p, i)
		s.locateConfigured()
		p.servers = append(p.servers, s)
		p.serverNames = append(p.serverNames, spec.Servers[i].Name)
	}
	p.serversMark = resp.ServersMark(p.serverNames)
	if p.clientTLS, err = clientTLS(spec.TLS); err != nil {
		return nil, fmt.Errorf("pool %q: %w", p.name, err)
	}
	if p.routes, err = routesOf(spec); err != nil {
		return nil, fmt.Errorf("pool %q: %w", p.name, err)
	}
	if p.placement, err = newPlacement(p); err != nil {
		return nil, fmt.Errorf("pool %q: %w", p.name, err)
	}
	if spec.IsCluster() {
		p.cluster = newCluster(p)
	}
	for _, s := range p.servers {
		s.awaitAsk()
	}
	p.fanouts = newFanouts(p)
	p.watchIdle()
	p.handshakes.init(p)
	return p, nil
}

// setProtocol sets the fields that depend on the protocol.
func (p *pool) setProtocol(spec *link.Pool) {
	if spec.Protocol == link.Memcache {
		p.protocol = memcacheProtocol
		p.greetings = []*greeting{memcacheGreeting(spec)}
		p.password = credentialsDigest([]byte(spec.User), []byte(spec.Password))
		return
	}
	p.protocol = redisProtocol
	p.password = sha256.Sum256([]byte(spec.Password))
	p.greetingOf(resp.RESP2, spec.DB)
}

// nextLane returns the lane of one more client. Clients take turns, whatever their ids have in common.
func (p *pool) nextLane() uint16 {
	p.lanes++
	return p.lanes - 1
}

// replaced is called when keys may live elsewhere.
func (p *pool) replaced() {
	p.unblockMisplaced()
	if *p.counters[link.Subscribers] > 0 {
		p.checkSubscriptions()
	}
	if p.trackers > 0 {
		p.invalidateTracked()
	}
}

// deadline returns when a request that is sent now has waited long enough; 0 = never.
func (p *pool) deadline() int64 {
	if p.patience == 0 {
		return 0
	}
	return p.l.now + p.patience
}

// errServerDown is why requests fail at once: their keys are on a server that is ejected.
var errServerDown = errors.New("the server of this key is down")

// errNoServer returns why there is no server for a key at present.
func (p *pool) errNoServer() error {
	if p.cluster != nil {
		return errNoOwner
	}
	if p.placement.keepers != nil {
		return errServerDown
	}
	return unix.ECONNREFUSED
}

// firstOwed returns how many requests a server of which nothing is known may owe this worker, over one connection.
func (p *pool) firstOwed() int { return max(1, firstOwed/(p.spec.ServerConnections*p.l.spec.Slots)) }
