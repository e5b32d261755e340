// How often somebody may guess passwords: after some wrong ones from an address the next ones are not looked at for a while, so that guessing is
// slow and takes no time of the loop.

package core

import (
	"hash/maphash"
	"net/netip"

	"github.com/pinion-proxy/pinion/worker/logevent"
)

const (
	// freeGuesses is how many wrong passwords may come from an address at once, and guessPause, in ns, after which there may be one more.
	freeGuesses = 20
	guessPause  = int64(1e9)
	// loginPlaces is how many addresses are told apart. Those that share a place share its guesses.
	loginPlaces = 512
)

// tooManyGuesses is the error for a password that is not looked at.
const tooManyGuesses = "WRONGPASS too many wrong passwords have come from this address: wait for some seconds"

// loginLimit knows when the guesses of an address are all given back: that is guessPause later with each. Loop only.
type loginLimit struct {
	seed   maphash.Seed
	paid   []int64 // ns, by place; nil: there was no wrong password yet
	logged int64   // ns: when too many were last logged
	more   int     // that were not
}

// place returns where an address is counted, of IPv6 its network: nobody has one address of that. Clients of a unix socket have none
// and are not counted: they are of this host.
func (ll *loginLimit) place(peer string) *int64 {
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
	return &ll.paid[maphash.Comparable(ll.seed, addr)%loginPlaces]
}

// allows tells whether a password from there is looked at.
func (ll *loginLimit) allows(peer string, now int64) bool {
	if ll.paid == nil {
		return true
	}
	at := ll.place(peer)
	return at == nil || *at-now <= (freeGuesses-1)*guessPause
}

// count counts a wrong password.
func (ll *loginLimit) count(peer string, now int64) {
	if at := ll.place(peer); at != nil {
		*at = max(*at, now) + guessPause
	}
}

// mayTryLogin tells whether the password that the client gives is looked at.
func (c *client) mayTryLogin() bool {
	ll := &c.pool.users.attempts
	if ll.paid == nil || ll.allows(c.peer(), c.pool.l.now) {
		return true
	}
	c.noteGuesses()
	return false
}

// noteWrongLogin counts a wrong password, or a user who does not exist.
func (c *client) noteWrongLogin(name []byte) {
	c.pool.users.log.addLogin(c, name)
	c.pool.users.attempts.count(c.peer(), c.pool.l.now)
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
