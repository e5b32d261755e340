// How often somebody may guess the password of a user: after some wrong ones from an address the next ones are not looked at for a while, so that
// guessing is slow and takes no time of the loop. Other users, who may come from the same proxy, do not notice.

package core

import (
	"hash/maphash"
	"net/netip"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

const (
	// freeGuesses is how many wrong passwords of a user may come from an address at once, and guessPause, in ns, after which there may be one more.
	freeGuesses = 20
	guessPause  = int64(1e9)
	// loginPlaces is how many pairs of address and user are told apart, about. Those that share a place share its guesses.
	loginPlaces = 2048
)

// tooManyGuesses is the error for a password that is not looked at.
const tooManyGuesses = "WRONGPASS too many wrong passwords of this user have come from this address: wait for some seconds"

// loginLimit knows when the guesses of an address and a user are all given back: that is guessPause later with each. Loop only.
type loginLimit struct {
	seed   maphash.Seed
	paid   []int64 // ns, by place; nil: there was no wrong password yet
	logged int64   // ns: when too many were last logged
	more   int     // that were not
}

// place returns where an address, of IPv6 its network, is counted with a user; empty: all names that are nobody's. Nobody has one
// address of IPv6. Clients of a unix socket have none and are not counted: they are of this host.
func (ll *loginLimit) place(peer, user string) *int64 {
	const networkBits = 64
	from, err := netip.ParseAddrPort(peer)
	if err != nil {
		return nil
	}
	addr := from.Addr().Unmap()
	if addr.Is6() {
		network, _ := addr.WithZone("").Prefix(networkBits) // of an address that is long enough
		addr = network.Addr()
	}
	if ll.paid == nil {
		ll.seed, ll.paid = maphash.MakeSeed(), make([]int64, loginPlaces)
	}
	who := struct {
		addr netip.Addr
		user string
	}{addr, user}
	return &ll.paid[maphash.Comparable(ll.seed, who)%loginPlaces]
}

// allows tells whether a password from there is looked at.
func (ll *loginLimit) allows(peer, user string, now int64) bool {
	if ll.paid == nil {
		return true
	}
	at := ll.place(peer, user)
	return at == nil || *at-now <= (freeGuesses-1)*guessPause
}

// count counts a wrong password.
func (ll *loginLimit) count(peer, user string, now int64) {
	if at := ll.place(peer, user); at != nil {
		*at = max(*at, now) + guessPause
	}
}

// mayTryLogin tells whether the password that the client gives is looked at.
func (c *client) mayTryLogin(name []byte) bool {
	ll := &c.pool.users.attempts
	if ll.paid == nil || ll.allows(c.peer(), c.pool.knownUser(name), c.pool.l.now) {
		return true
	}
	c.noteGuesses()
	return false
}

// noteWrongLogin counts a wrong password, or a user who does not exist.
func (c *client) noteWrongLogin(name []byte) {
	c.pool.users.log.addLogin(c, name)
	c.pool.users.attempts.count(c.peer(), c.pool.knownUser(name), c.pool.l.now)
}

// knownUser returns the name if somebody bears it.
func (p *pool) knownUser(name []byte) string {
	if u := p.users.list.User(name); u != nil {
		return u.Name
	}
	return ""
}

// noteGuesses logs now and then from where too many wrong passwords come.
func (c *client) noteGuesses() {
	ll, l := &c.pool.users.attempts, c.pool.l
	if ll.logged != 0 && l.now-ll.logged < int64(logPause) {
		ll.more++
		return
	}
	more := ll.more
	ll.logged, ll.more = max(l.now, 1), 0
	l.logAfter(more, logevent.LoginsRefused, c.pool.name, c.id, c.peer(), freeGuesses)
}
