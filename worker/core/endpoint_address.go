// Where a server is: the address in the configuration, or those that its name resolves to.
//
// A name is looked up when a connection opens, as its address may have changed. A connection never waits long for that: where
// the look-up fails or takes long, the addresses found earlier are used, and later ones serve the next connection.

package core

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/worker/logevent"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/resolve"
	"github.com/pinion-proxy/pinion/worker/timer"
)

const (
	// lookupPatience is how long a connection waits for a look-up if an address is known already: enough for any name
	// server that works. It is no more than a part of the pool's timeout.
	lookupPatience = 100 * time.Millisecond
	lookupPart     = 4
	// lookupPause is for how long the outcome of a look-up is good, whatever it was.
	lookupPause = time.Second
)

// addresses is what is known of an endpoint's addresses. Loop only.
type addresses struct {
	literal     netip.AddrPort   // the address where the configuration names no host to look up
	found       []netip.AddrPort // by the last look-up that found any
	current     int              // index of the one to try next
	skipped     bool             // some address has failed: the current one is kept when found changes
	failure     error            // of the last look-up, if none has found any
	lookup      bool             // under way
	asked       int64            // when it began
	answered    int64            // when the last one ended; 0 = there was none
	waiting     []*conn          // connections that wait for the look-up
	lookupTimer timer.Timer      // ends their wait
}

// resolver brings what was looked up beside the loop to its servers.
type resolver struct{ *resolve.Resolver }

func newResolver(l *loop) (resolver, error) {
	r, err := resolve.New()
	if err != nil {
		return resolver{}, err
	}
	_, err = l.register(r.FD(), resolver{r})
	return resolver{r}, err
}

func (r resolver) ready(poll.Event) { r.Deliver() }

// lookUpNames begins to look up all servers' names, so that each is known by the time that a name server falls silent.
func (l *loop) lookUpNames() {
	for e := range l.everyEndpoint {
		if e.hasName() {
			e.lookUp()
		}
	}
}

// hasName tells whether the address needs a look-up.
func (e *endpoint) hasName() bool { return e.network == "tcp" && !e.where.literal.IsValid() }

// loadFound uses the address at which other workers, of any generation, have reached the server.
func (e *endpoint) loadFound() {
	addr, _ := e.pool.l.shared.Found(e.pool.index, e.server.index)
	if _, port, err := resolve.SplitHostPort(e.address); err == nil && addr.IsValid() {
		e.where.found = []netip.AddrPort{netip.AddrPortFrom(addr, port)}
	}
}

// saveFound tells later workers where the server was reached.
func (e *endpoint) saveFound(addr netip.AddrPort) {
	if e.hasName() && e.replica == nil {
		e.pool.l.shared.SetFound(e.pool.l.spec.Slot, e.pool.index, e.server.index, addr.Addr(), uint64(e.pool.l.now))
	}
}

func (e *endpoint) lookUp() {
	e.where.lookup, e.where.asked = true, e.pool.l.now
	e.pool.l.resolver.Lookup(e.address, e.resolved)
}

// nameError says why a server's address is not known.
type nameError struct{ err error }

func (e *nameError) Error() string   { return e.err.Error() }
func (e *nameError) Is(o error) bool { return o == unix.EHOSTDOWN }
func (e *nameError) Unwrap() error   { return e.err }

// nextAddress returns where to connect to now.
func (e *endpoint) nextAddress() (netip.AddrPort, error) {
	w := &e.where
	switch {
	case w.literal.IsValid():
		return w.literal, nil
	case len(w.found) == 0:
		return netip.AddrPort{}, w.failure
	}
	return w.found[w.current], nil
}

// tryNextAddress is called when a connection to addr could not be opened, or fell silent: another address is next.
func (e *endpoint) tryNextAddress(addr netip.AddrPort) {
	w := &e.where
	if len(w.found) > 1 && w.found[w.current] == addr {
		w.skipped = true
		w.current = (w.current + 1) % len(w.found)
	}
}

// resolve connects c as soon as an address is known.
func (e *endpoint) resolve(c *conn) {
	w, l := &e.where, e.pool.l
	if !w.lookup {
		if w.answered != 0 && l.now-w.answered < int64(lookupPause) {
			c.connect()
			return
		}
		e.lookUp()
	}
	if len(w.found) > 0 {
		due := w.asked + e.lookupPatience()
		if l.now >= due {
			c.connect()
			return
		}
		l.timers.Set(&w.lookupTimer, due)
	}
	w.waiting = append(w.waiting, c)
}

func (e *endpoint) lookupPatience() int64 {
	if e.pool.timeout == 0 {
		return int64(lookupPatience)
	}
	return min(int64(lookupPatience), e.pool.timeout/lookupPart)
}

// resolved is called with the outcome of the look-up.
func (e *endpoint) resolved(found []netip.AddrPort, err error) {
	w, l := &e.where, e.pool.l
	w.lookup, w.answered = false, l.now
	l.timers.Stop(&w.lookupTimer)
	switch {
	case err == nil:
		turn := 0
		if w.skipped {
			turn = max(slices.Index(found, w.found[w.current]), 0)
		}
		w.found, w.current = found, turn
	case len(w.found) == 0:
		w.failure = &nameError{err}
	default:
		e.server.logLimited(logevent.ServerNameStale, e.pool.name, e.server.spec.Name, e.address, err)
	}
	e.connectWaiting()
}

// connectWaiting opens the connections that wait for the look-up.
func (e *endpoint) connectWaiting() {
	waiting := e.where.waiting
	e.where.waiting = nil
	for _, c := range waiting {
		if c.state == connResolving {
			c.connect()
		}
	}
}
