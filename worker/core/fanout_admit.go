// Which requests that go out as several are sent, where more is asked of servers than they can do: of each of them all
// fragments, or none. Else each server would answer parts of other requests, above all where several workers ask the same
// servers, of which each gives every worker another part of its time.

package core

const (
	// waitBatches is for how many times what its server takes for what it owes a fragment waits there that others go before:
	// what is owed, and those that have room.
	waitBatches = 4
	// hopelessBatches is how many times that a request has at least where a server has no room for its fragment. A server that
	// is not asked too much takes little, however many wait for the moment.
	hopelessBatches = 6
)

// unsentFragment is a fragment of which nothing is written, and where it waits. Both are nil when it does not.
type unsentFragment struct {
	r  *request
	on *conn
}

// waitsUnsent is told that r is in the in queue, and nothing of it is written.
func (c *conn) waitsUnsent(r *request) {
	f := r.partOf()
	if f == nil {
		return
	}
	f.unsent[r.fragment] = unsentFragment{r, c}
	c.fragments++
	if f.admitted {
		c.promise(r)
	}
}

// promise gives r, a fragment of which nothing is written, a part of the connection's room.
func (c *conn) promise(r *request) {
	r.state |= isPromised
	c.promised++
}

// waitsNoMore is told that something of r is written, or that it is given up.
func (c *conn) waitsNoMore(r *request) {
	f := r.partOf()
	if f == nil {
		return
	}
	f.unsent[r.fragment] = unsentFragment{}
	c.fragments--
	if r.state&isPromised != 0 {
		r.state &^= isPromised
		c.promised--
	}
}

// hasRoom tells whether one more fragment fits into what the server answers within half of the timeout.
func (c *conn) hasRoom() bool { return c.promised < gaugePart/2*c.gauge.limit }

// isVain tells whether it makes no sense to send r, a fragment of f, which needs the least time if f is admitted; 0 = only one
// that is overdue makes none. What was not admitted may be now: when it has the time to wait, and each server has room for its
// fragment that has not got it yet.
func (f *fanout) isVain(r *request, now, least int64) bool {
	if !f.admitted && !f.vain && least > 0 {
		slowest := f.slowest()
		if !r.isOverdue(now+waitBatches*slowest) && f.hasRoom() {
			f.admit()
		} else {
			least = hopelessBatches * slowest
		}
	}
	return f.vain || r.isOverdue(now+least)
}

// slowest returns the most time that one of the unsent fragments needs at least, in ns.
func (f *fanout) slowest() (most int64) {
	for _, u := range f.unsent {
		if u.r != nil {
			_, least := u.on.timeNeeded()
			most = max(most, least)
		}
	}
	return most
}

// dispatched is called when all fragments are on their way, each over the connection that it really goes over: that of a replica, or of
// the primary in its place, where reads go there. One that waits for its slot, or is answered already, asks for no room.
func (f *fanout) dispatched() {
	if f.left > 0 && f.hasRoom() {
		f.admit()
	}
}

// hasRoom tells whether all unsent fragments have room where they wait.
func (f *fanout) hasRoom() bool {
	for _, u := range f.unsent {
		if u.r != nil && !u.on.hasRoom() {
			return false
		}
	}
	return true
}

// admit promises the unsent fragments the room that they have.
func (f *fanout) admit() {
	f.admitted = true
	for _, u := range f.unsent {
		if u.r != nil {
			u.on.promise(u.r)
		}
	}
}

// giveUp notes that r will have no reply. With a fragment the whole request is given up, unless each reply is of use by itself.
func (p *pool) giveUp(r *request) {
	if f := r.partOf(); f != nil && !f.protocol.tolerant() {
		f.vain = true
	}
}
