// Clients as the master is told of them, whatever their protocol.

package core

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// tellClients tells of the clients that are meant, and closes them if that is asked.
func (l *loop) tellClients(q *link.QuestionBody, done func(page)) {
	var meant link.ClientsQuestion
	failed := readArgument(q, &meant)
	p := l.poolNamed(meant.Pool)
	if p == nil && meant.Pool != "" {
		failed = fmt.Sprintf("it has no pool %q", meant.Pool)
	}
	if failed != "" {
		done(page{failed: failed})
		return
	}
	s := &clientsScan{l: l, pool: p, next: int(min(q.From, uint64(len(l.table)))), room: link.MaxPageBytes, cost: scanCost}
	if meant.Address != "" {
		s.cost = describeCost
	}
	slices.Sort(meant.IDs)
	first := "" // of those that were closed
	s.matches = func(c *client) bool { return c.isMeant(&meant) }
	s.meet = func(c *client) {
		s.count++
		s.write(c.appendState(l.scratch[:0]))
		if meant.Kill {
			if s.count == 1 {
				first = fmt.Sprintf("pool %q: client %d at %s", c.pool.name, c.id, c.peer())
			}
			c.closeFor(link.Killed)
		}
	}
	s.done = func(s *clientsScan) {
		told := page{text: s.text, count: s.count}
		if s.next < len(l.table) {
			told.next = uint64(s.next)
		}
		if s.err != nil {
			told.failed = "ERR " + foreignCause(s.err)
		}
		done(told)
		switch { // the answer goes first: lines take room on the way to the master
		case first != "" && s.count == 1:
			l.log(logevent.ClientClosed, first)
		case first != "":
			l.log(logevent.ClientsClosed, first, count(s.count-1, "more client"), s.count)
		}
	}
	s.receive()
}

// poolNamed returns the pool of that name; nil: there is none.
func (l *loop) poolNamed(name string) *pool {
	for _, p := range l.pools {
		if p.name == name {
			return p
		}
	}
	return nil
}

// isMeant tells whether all that q says is true of the client. Addresses come last: the kernel is asked for them.
func (c *client) isMeant(q *link.ClientsQuestion) bool {
	if q.IDs != nil {
		if _, found := slices.BinarySearch(q.IDs, c.id); !found {
			return false
		}
	}
	return (q.Name == "" || q.Name == c.session.name) && (q.State == "" || q.State == c.state()) &&
		(q.Command == "" || isCommand(q.Command, c.lastName())) && c.idleSeconds() >= q.MinIdle && c.age() >= q.MinAge &&
		(q.Address == "" || isAddress(q.Address, c.peer()))
}

// isCommand tells whether a command, as "client|list", is meant by a name, which may be that without its subcommand.
func isCommand(name, command string) bool {
	container, _, _ := strings.Cut(command, "|")
	return name == command || name == container
}

// isAddress tells whether host:port is meant, or the host of it.
func isAddress(meant, address string) bool {
	host, _, _ := net.SplitHostPort(address)
	return meant == address || meant == host
}

// idleSeconds returns for how many seconds the client has sent nothing.
func (c *client) idleSeconds() int64 { return int64(c.pool.l.ticks()-c.active) * tickNanos / second }

// lastName is the name of the last command that the client has sent to this worker; empty: none, or it is not told of.
func (c *client) lastName() string {
	if c.last == 0 {
		return ""
	}
	return strings.ToLower(c.lastCommand())
}

// state names what the client does, the first of what is true of it.
func (c *client) state() string {
	switch s := c.session; {
	case c.life == clientLeaving:
		return link.ClientLeaving
	case c.life == clientHalfClosed:
		return link.ClientHalfClosed
	case c.life == clientHandshaking:
		return link.ClientHandshaking
	case c.waits == waitsForUnpause:
		return link.ClientPaused
	case s.waitsOn != nil:
		return link.ClientBlocked
	case s.monitor != nil:
		return link.ClientMonitor
	case c.isSubscriber():
		return link.ClientSubscriber
	case s.tx != nil:
		return link.ClientTransaction
	case c.owed > 0:
		return link.ClientActive
	}
	return link.ClientIdle
}

// appendState appends the client's state as a line.
func (c *client) appendState(out []byte) []byte {
	s, l := c.session, c.pool.l
	state := link.ClientState{
		ID: c.id, Pool: c.pool.name, Generation: l.spec.Generation, Worker: l.spec.Slot, Address: c.peer(), Local: sock.LocalAddress(c.stream.FD()),
		TLS: c.stateTLS(), Name: s.name, User: c.stateUser(), Library: strings.TrimSpace(s.libName + " " + s.libVersion), State: c.state(), AgeSeconds: c.age(), IdleSeconds: c.idleSeconds(),
		Command: c.lastName(), Tracking: s.tracking != nil,
		Queue: int(c.owed), QueueBytes: int(c.owedSize), UnsentBytes: int(c.unsent),
		InputBytes: len(c.stream.Kept()), OutputBytes: c.stream.Unwritten() + c.held, MemoryBytes: clientBytes + c.holds(),
		Subscriptions: s.subscriptions.number(kindChannel) + s.subscriptions.number(kindPattern) + s.subscriptions.number(kindShardChannel),
		Watched:       s.watch.number(), Transaction: s.tx.number(), Dedicated: len(s.dedicated),
	}
	if c.pool.spec.Protocol == link.Redis {
		state.Database, state.Protocol = s.greeting.db, int(c.version())
	}
	text, _ := json.Marshal(state) // of types that always have a form
	l.memory.CountGarbage(len(text))
	return append(append(out, text...), '\n')
}

// stateTLS says how the client is encrypted.
func (c *client) stateTLS() string {
	switch version := c.stream.TLSVersion(); {
	case !c.stream.IsTLS():
		return link.TLSNone
	case version == 0:
		return link.TLSAwaited
	default:
		return strings.TrimPrefix(tls.VersionName(version), "TLS ")
	}
}
