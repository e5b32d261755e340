// Databases: a pool has one, redis_db, or with the key databases several, each of which has server connections of its own.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
)

// hasDB tells whether clients of the pool may use a database.
func (p *pool) hasDB(n int64) bool {
	return n == int64(p.spec.DB) || n >= 0 && p.spec.Databases > 1 && n < int64(p.spec.Databases)
}

// selectDB appends the reply to SELECT, unless the client has to wait. A client of a pool of one database that wants another one would go on in
// that one, so it is not served any more.
func (c *client) selectDB(out, db []byte) []byte {
	n, ok := resp.ParseInt(db)
	switch {
	case !ok:
		return resp.AppendError(out, resp.NotAnInteger)
	case n < 0, c.pool.spec.Databases > 1 && !c.pool.hasDB(n):
		return resp.AppendError(out, resp.BadDB)
	case !c.pool.hasDB(n):
		c.noteRefusal("select", otherDatabase)
		c.leave(link.Refused)
		return resp.AppendOtherDB(out, "select", c.pool.spec.DB)
	case n != int64(c.session.greeting.db):
		if !c.caughtUp() {
			return out
		}
		c.greetAs(c.version(), int(n))
	}
	return resp.AppendSimple(out, "OK")
}

// refuseOtherDB returns the error reply to a request that names a database that it may not touch; nil: it may.
func (c *client) refuseOtherDB(to *resp.OtherDB) []byte {
	if c.pool.spec.Databases <= 1 {
		c.noteRefusal(to.Asks, otherDatabase)
		return resp.AppendOtherDB(c.pool.l.scratch[:0], to.Asks, c.pool.spec.DB)
	}
	n, ok := resp.ParseInt(to.DB)
	if ok && !c.pool.hasDB(n) {
		return resp.AppendError(c.pool.l.scratch[:0], resp.BadDB)
	}
	return nil // or the server says what is wrong
}
