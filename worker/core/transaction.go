// Transactions: what a client sends between MULTI and EXEC goes to its server as one block, or not at all.
//
//	MULTI ──► open ── a request ─┬─ can be a part of it ──► kept here, +QUEUED
//	            │                └─ cannot ──► its error, and nothing is kept any more
//	            ├── EXEC ─┬─► MULTI, all that is kept, EXEC: one request of a server connection, answered by its last reply
//	            │         └─► -EXECABORT, if one of them could not be a part, or cannot be any more
//	            └── DISCARD, RESET, the end of the client ──► dropped
//
// The server connections are shared. Nothing of a transaction is sent before all of it is here, so nobody waits for a client
// that takes its time, and nobody's requests come in between.

package core

import (
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// transaction is what a client has sent since MULTI. Loop only.
type transaction struct {
	queued    stream.Output // its requests, none of them in two chunks
	count     int32         // of them
	server    int           // on which the keys of all of them live; anywhere: none has a key so far
	epoch     uint64        // of the placement that says so
	unchecked bool          // another worker has queued them: whether they can be in one transaction here is not known
	aborted   bool          // a request was refused: EXEC will be, and nothing is kept
}

// number returns how many requests are queued; -1 if t is nil: there is no transaction.
func (t *transaction) number() int {
	if t == nil {
		return -1
	}
	return int(t.count)
}

// anywhere stands for any server.
const anywhere = -3

const transactionBytes = int(unsafe.Sizeof(transaction{}))

var (
	multiRequest = []byte("*1\r\n$5\r\nMULTI\r\n")
	execRequest  = []byte("*1\r\n$4\r\nEXEC\r\n")
	queuedReply  = []byte("+QUEUED\r\n")
)

// multi appends the reply to MULTI.
func (c *client) multi(out []byte) []byte {
	if c.session.tx != nil {
		return resp.AppendError(out, resp.NestedMulti)
	}
	c.openTransaction()
	return resp.AppendSimple(out, "OK")
}

// openTransaction begins an empty transaction. With watched keys it is decided of which server.
func (c *client) openTransaction() *transaction {
	t := &transaction{server: c.watchedServer(), epoch: c.pool.placement.version}
	c.ownSession().tx = t
	c.pool.l.memory.Charge(transactionBytes)
	return t
}

// discardTransaction appends the reply to DISCARD, unless the client has to wait.
func (c *client) discardTransaction(out []byte) []byte {
	if c.session.tx == nil {
		return resp.AppendError(out, resp.DiscardWithoutMulti)
	}
	if !c.endWatch() {
		return out
	}
	c.dropTransaction()
	return resp.AppendSimple(out, "OK")
}

// dropTransaction ends the client's transaction, if there is one. What is kept of it is freed.
func (c *client) dropTransaction() {
	if c.session.tx == nil {
		return
	}
	m := c.pool.l.memory
	c.session.tx.queued.Drop(m)
	m.Uncharge(transactionBytes)
	c.session.tx = nil
}

// abortTransaction is called when a request is refused: if that is a part of a transaction, nothing of it is executed.
func (c *client) abortTransaction() {
	if t := c.session.tx; t != nil {
		t.queued.Drop(c.pool.l.memory)
		t.aborted, t.count = true, 0
	}
}

// isNeverQueued tells whether a request that comes within a transaction is carried out at once, or refused, instead of being queued.
func isNeverQueued(cmd *resp.Command) bool {
	switch cmd.Local {
	case resp.LocalMulti, resp.LocalExec, resp.LocalDiscard, resp.LocalWatch, resp.LocalReset, resp.LocalQuit, resp.LocalHangUp:
		return true
	}
	return false
}

// queueRequest makes a request a part of the client's transaction, or refuses it.
func (c *client) queueRequest(cmd *resp.Command, b []byte, args []resp.Span, count int) {
	p, t := c.pool, c.session.tx
	args, alone, row, failure := c.keysInTransaction(cmd, b, args, count)
	switch {
	case failure != nil:
		c.reject(failure)
		return
	case int64(t.size()+len(b)) > p.spec.MaxRequestBytes:
		c.noteRefusal(cmd.Name, largeMulti)
		c.reject(resp.AppendError(p.l.scratch[:0], resp.LargeTransaction))
		return
	case len(alone)+row.Count == 0 || t.aborted || t.isStale(&p.placement):
		c.keepRequest(b)
		return
	}
	first := t.server == anywhere
	if first {
		t.server, t.epoch = p.serverOf(b, args, alone, row), p.placement.version
	}
	switch {
	case p.placement.random, len(args) == count && p.together(t.server, b, args, alone, row):
		c.keepRequest(b)
	case len(args) < count && p.together(t.server, b, args, alone, resp.Row{}):
		c.beginQueueCheck(cmd, b, args[row.First-1].End(), row)
	default:
		c.reject(c.refuseOtherServer(cmd, first))
	}
}

// keepRequest keeps the request b, which can be a part of the client's transaction.
func (c *client) keepRequest(b []byte) {
	l, t := c.pool.l, c.session.tx
	switch {
	case t.aborted:
	case len(b) < memory.ClaimBytes:
		t.count++
		t.queued.AppendWhole(l.memory, b)
	default:
		whole, err := c.stream.ClaimOrCopy(l.memory, b)
		if err != nil {
			c.reject(append(l.scratch[:0], c.pool.errorText(errNoMemory)...))
			return
		}
		t.adopt(whole)
	}
	c.respond(queuedReply)
}

// adopt keeps a request without a copy.
func (t *transaction) adopt(b *memory.Buffer) {
	t.count++
	t.queued.Adopt(b)
}

// reject answers the request at hand with an error, which was appended to the loop's scratch.
func (c *client) reject(failure []byte) {
	c.abortTransaction()
	c.respondScratch(failure)
}

// rejectArity answers a request with too few or too many arguments. EXEC is over with it, as in Redis.
func (c *client) rejectArity(cmd *resp.Command) {
	c.noteRefusal(cmd.Name, wrongArity)
	failure := resp.AppendWrongArity(c.pool.l.scratch[:0], cmd)
	if cmd.Local == resp.LocalExec {
		c.dropTransaction()
		failure = resp.AppendExecAbort(nil, failure)
	}
	c.reject(failure)
}

// refuseOtherServer refuses a request whose keys do not live where those before them live, which are the request's own if it
// is the first one with keys.
func (c *client) refuseOtherServer(cmd *resp.Command, first bool) []byte {
	if first || c.pool.cluster != nil {
		return c.refuseShards(cmd)
	}
	c.noteRefusal(cmd.Name, otherServer)
	return resp.AppendOtherServer(c.pool.l.scratch[:0], cmd)
}

// size returns how many bytes EXEC would send.
func (t *transaction) size() int { return len(multiRequest) + t.queued.Len() + len(execRequest) }

// cost returns how many bytes are kept for the transaction; t may be nil.
func (t *transaction) cost() int {
	if t == nil {
		return 0
	}
	return transactionBytes + t.queued.Cost()
}

// isStale tells whether keys may live elsewhere than when they were queued: then all is checked when EXEC comes.
func (t *transaction) isStale(pl *placement) bool {
	return t.unchecked || t.server != anywhere && t.epoch != pl.version
}

// exec answers EXEC, or sends the transaction.
func (c *client) exec(cmd *resp.Command, _ []byte, _ []resp.Span, _ int) {
	l, t, w := c.pool.l, c.session.tx, c.session.watch
	switch {
	case t == nil:
		c.respondScratch(resp.AppendError(l.scratch[:0], resp.ExecWithoutMulti))
	case w != nil && !c.caughtUp():
	case t.aborted, w != nil && w.refused:
		c.dropTransaction()
		c.dropWatch()
		c.respondScratch(resp.AppendError(l.scratch[:0], resp.ExecAbort))
	case w != nil && c.watchedServer() == anywhere:
		c.dropTransaction()
		c.dropWatch()
		c.respondScratch(c.version().AppendNullArray(l.scratch[:0]))
	case t.queued.Len() == 0 && w == nil:
		c.dropTransaction()
		c.respondScratch(resp.AppendArray(l.scratch[:0], 0))
	default:
		r := l.requests.get()
		r.command = cmd
		r.bytes = int32(t.size())
		c.push(r)
		if t.isStale(&c.pool.placement) {
			c.beginTransactionCheck(r)
			return
		}
		c.sendTransaction(r)
	}
}

// mostCopiedBytes is how much of a transaction is copied to those of others rather than taking buffers along.
const mostCopiedBytes = memory.FirstChunkBytes

// sendTransaction sends the client's transaction, to whose EXEC r is the answer, once it is known that the server does any. Without
// keys it goes where such requests go.
func (c *client) sendTransaction(r *request) {
	server := c.session.tx.server
	if server == anywhere {
		server = c.pool.placement.fixed()
	}
	if at := c.pool.placement.index(server); at >= 0 && !c.pool.servers[at].primary.transacts {
		c.tryTransaction(r, server)
		return
	}
	c.sendBlock(r, server)
}

// sendBlock sends the client's transaction to a server, unless the client's watch was lost while EXEC waited.
func (c *client) sendBlock(r *request, server int) {
	p, l, t := c.pool, c.pool.l, c.session.tx
	if c.session.watch != nil && (c.watchedServer() == anywhere || p.cluster != nil && p.cluster.isShut(server)) {
		c.dropTransaction()
		c.dropWatch()
		l.answer(r, c.version().AppendNullArray(nil), nil)
		return
	}
	r.skips = 1 + t.count
	r.fragment = r.skips // if it is sent again
	var own *conn
	if w := c.session.watch; w != nil {
		own = w.conn
		r.fragment = guarded
	}
	if t.size() > mostCopiedBytes {
		body := t.queued
		t.queued = stream.Output{}
		body.Append(l.memory, execRequest)
		p.forwardOutput(r, c, server, multiRequest, &body)
	} else {
		var few [4][]byte
		b := append(l.scratch[:0], multiRequest...)
		for _, piece := range t.queued.Pieces(few[:0]) {
			b = append(b, piece...)
		}
		l.scratch = append(b, execRequest...)
		p.forward(r, c, server, l.scratch, nil)
	}
	c.dropTransaction()
	if own != nil {
		c.watchExecuted(own)
	}
}

// guarded stands in a transaction for how many replies precede EXEC's, if what its client watches guards it: the watch is on one connection, so it
// is not sent over another one.
const guarded = 0

// isGuarded tells whether r is such a transaction.
func (r *request) isGuarded() bool { return r.isTransaction() && r.fragment == guarded }

// isTransaction tells whether r is a transaction: all that is between MULTI and EXEC.
func (r *request) isTransaction() bool {
	return r.state&isTrial != 0 || r.command != nil && r.command.Local == resp.LocalExec
}
