// An endpoint: an address of a server, its health, and the connections to it.

package core

import (
	"crypto/tls"
	"net/netip"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
)

// endpoint is where requests for a server go. It has no influence on which keys live on the server. Loop only.
type endpoint struct {
	server     *server
	pool       *pool // the server's
	network    string
	address    string // as the topology names it
	where      addresses
	tlsFailure *tlsTrouble // of the last connection that was to be encrypted; nil: it was
	tlsFailed  int64       // ns: when that was
	tls        *tls.Config // with the name that its certificate has to bear; nil: not needed yet, or no TLS

	conns       []*conn   // of clients that have set nothing
	others      [][]*conn // by greeting.index-1, of sessions with another greeting; nil: no request has needed them
	dedicated   dedicatedConns
	prober      *conn // asks an ejected server whether it answers again
	preconnects preconnectState
	resp3       resp3Knowledge
	numberless  bool // it does not tell connections their numbers
	transacts   bool // it has executed a transaction, and none of its connections has ended since
	checked     bool // the server check waits for its first connection
	inquired    bool // an inquiry has opened its first connection, to ping the server

	trouble     string                       // the last failure; empty = it works
	troubles    link.TroubleWords            // shared: the same for the master
	certificate link.CertificateWords        // shared: until when its certificate is good
	open        bool                         // it needs no password although the pool has one, which is logged
	heard       *uint64                      // shared: when it last sent anything but that it serves nobody here
	spoke       bool                         // it has sent that
	latency     *[link.LatencyBuckets]uint64 // of its replies
	// counters are the server's, which has no other endpoint.
	counters link.ServerWords
	replica  *replica // nil: it is none that is read from
	turns    int      // reads that it was chosen for, among those that may answer them; see choose
}

func newEndpoint(s *server, network, address string) *endpoint {
	p, slot := s.pool, s.pool.l.spec.Slot
	e := &endpoint{
		server: s, pool: p, network: network, address: address,
		counters: s.counters,
		latency:  p.l.shared.Latency(slot, p.index, s.index),
		heard:    sign(p.l.shared.Heard(slot, p.index, s.index)),
		troubles: p.l.shared.Troubles(slot, p.index, s.index),

		certificate: p.l.shared.Certificate(slot, p.index, s.index),
	}
	if why := e.troubles.Is(); why != link.TroubleUnknown { // as the last worker of this slot has found it
		e.trouble = why.String()
	}
	if network == link.ClusterNode { // a place without a node
		return e
	}
	if network == "tcp" {
		e.where.literal, _ = netip.ParseAddrPort(address)
	}
	if e.hasName() && address == s.spec.Address { // of others nobody has said where they are
		e.loadFound()
	}
	e.where.lookupTimer.Fire = e.connectWaiting
	for range p.spec.ServerConnections {
		e.conns = append(e.conns, e.newSharedConn(p.greetings[0]))
	}
	e.prober = newConn(e, p.greetings[0])
	return e
}

// endpoints calls do for each endpoint of each pool, but for those of places without a node.
func (l *loop) endpoints(do func(*endpoint) bool) {
	for _, p := range l.pools {
		for _, s := range p.servers {
			if len(s.primary.conns) > 0 && !do(s.primary) {
				return
			}
		}
	}
}

// conn returns the connection that clients of this lane and greeting always use, so that their requests keep their order.
func (e *endpoint) conn(g *greeting, lane uint16) *conn {
	conns := e.conns
	if g.index > 0 {
		conns = e.connsWith(g)
	}
	return conns[int(lane)%len(conns)]
}

// newSharedConn returns a connection for the requests of several clients.
func (e *endpoint) newSharedConn(g *greeting) *conn {
	c := newConn(e, g)
	if g.reads == endsScripts { // what ends a script does not wait
		return c
	}
	if e.pool.spec.FailoverWait > 0 {
		c.hold = new(hold)
	}
	if g.reads == readsInPlace {
		c.most = e.pool.replicas.spare
	}
	if e.replica != nil && (e.pool.cluster == nil || g.reads == readsReplica) {
		c.readFrom(e.replica)
	}
	return c
}

// connsWith returns the connections of sessions with another greeting than the pool's first: as many as there are of that. From now
// on descriptors are reserved for them.
func (e *endpoint) connsWith(g *greeting) []*conn {
	for len(e.others) < g.index {
		e.others = append(e.others, nil)
	}
	conns := &e.others[g.index-1]
	if *conns == nil {
		for range e.conns {
			*conns = append(*conns, e.newSharedConn(g))
		}
		e.pool.l.descriptors.serverSockets += len(*conns)
	}
	return *conns
}

// everyConn calls do for each connection for requests.
func (e *endpoint) everyConn(do func(*conn) bool) {
	for _, c := range e.conns {
		if !do(c) {
			return
		}
	}
	for _, conns := range e.others {
		for _, c := range conns {
			if !do(c) {
				return
			}
		}
	}
}

// failed is called when a connection with requests on it ended badly, or was silent for too long. since is when the evidence
// for that begins: a failure counted after that may be the same one.
func (e *endpoint) failed(err error, since int64) {
	if e.isFormer() {
		return
	}
	e.complain(err)
	e.server.failed(err, since)
}

// succeeded is called when a request was answered.
func (e *endpoint) succeeded() {
	if e.isFormer() {
		return
	}
	if e.trouble != "" {
		e.trouble = ""
		e.troubles.End()
		e.server.logLimited(logevent.ServerAnswers, e.pool.name, e.server.spec.Name)
		e.server.subscribeNow()
	}
	e.server.succeeded()
}

// warnOpen logs, once, that the server asks for no password: everyone who can reach it may use it past the pool.
func (e *endpoint) warnOpen() {
	if e.open {
		return
	}
	e.open = true
	e.server.logLimited(logevent.ServerOpen, e.pool.name, e.server.spec.Name, e.address)
}

// isFormer tells whether the server has moved to another endpoint: no new requests come here, and nothing that happens here
// counts for the server.
func (e *endpoint) isFormer() bool { return e.server.primary != e }
