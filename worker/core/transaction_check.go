// Whether requests can be parts of one transaction: by their commands, and by where their keys live.

package core

import (
	"bytes"
	"errors"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
)

// keysInTransaction returns the keys by which a request of a transaction is placed, or the error reply to one that cannot be
// in a transaction. all are its arguments, if its keys may be anywhere among them, or else args.
func (c *client) keysInTransaction(cmd *resp.Command, b []byte, args []resp.Span, count int) (all []resp.Span, alone []int32, row resp.Row, failure []byte) {
	p, l := c.pool, c.pool.l
	scratch := l.scratch[:0]
	switch p.routes[cmd.ID] {
	case resp.Forward, resp.Fragment:
	case resp.Keyless:
		return args, nil, row, nil
	default:
		return args, nil, row, c.refuseInTransaction(cmd, b, args)
	}
	var other *resp.OtherDB
	alone, row, err := cmd.Locate(b, args, count, l.redisRoute.keys)
	if errors.Is(err, resp.ErrMoreArgs) {
		if count > maxOptions {
			return args, nil, row, resp.AppendTooMany(scratch, cmd, maxOptions)
		}
		_, args, _ = resp.ConsumeRequest(b, args)
		l.redisRoute.args = args
		alone, row, err = cmd.Locate(b, args, count, alone)
	}
	l.redisRoute.keys = alone
	switch {
	case errors.As(err, &other):
		failure = c.refuseOtherDB(other)
	case errors.Is(err, resp.ErrForeign) && p.placement.divides() && p.cluster == nil:
		c.noteRefusal(cmd.Name, foreignKeys)
		failure = resp.AppendForeign(scratch, cmd)
	case err != nil && !errors.Is(err, resp.ErrForeign):
		failure = resp.AppendError(scratch, err.Error())
	}
	switch {
	case failure != nil:
		return args, nil, row, failure
	case len(p.servers) == 1:
		return args, nil, resp.Row{}, nil
	case p.placement.random, cmd.Route == resp.Forward && !p.placement.strict:
		alone, row = firstKey(alone, row)
	}
	return args, alone, row, nil
}

// firstKey returns the first of these keys alone.
func firstKey(alone []int32, row resp.Row) ([]int32, resp.Row) {
	if len(alone) > 0 {
		return alone[:1], resp.Row{}
	}
	row.Count = min(row.Count, 1)
	return nil, row
}

// refuseInTransaction returns the error reply to a request that is not for the server of some keys, unless it can be sent to the
// transaction's: then nil. What is answered here otherwise is sent only if it leaves a shared connection as it was.
func (c *client) refuseInTransaction(cmd *resp.Command, b []byte, args []resp.Span) []byte {
	scratch := c.pool.l.scratch[:0]
	reason, appendError := notInMulti, resp.AppendNotInTransaction
	switch c.pool.routes[cmd.ID] {
	case resp.Local:
		if c.isHarmless(cmd, b, args) {
			return nil
		}
	case resp.All:
		reason, appendError = severalShards, resp.AppendAllInTransaction
	case resp.Scan:
		switch {
		case len(c.pool.servers) > 1:
			reason, appendError = severalShards, resp.AppendAllInTransaction
		case resp.IsPoolCursor(args[1].Of(b)):
			return resp.AppendError(scratch, resp.ForeignCursor)
		default:
			return nil
		}
	case resp.Solo:
		reason, appendError = needsSolo, resp.AppendNeedsSolo
	case routeDenied:
		reason, appendError = deniedByPool, resp.AppendDenied
	default:
		reason, appendError = notSupported, resp.AppendNotSupported
	}
	c.noteRefusal(cmd.Name, reason)
	return appendError(scratch, cmd)
}

// isHarmless tells whether a request that is answered here otherwise changes nothing for others when a server executes it.
func (c *client) isHarmless(cmd *resp.Command, b []byte, args []resp.Span) bool {
	switch cmd.Local {
	case resp.LocalPing, resp.LocalEcho, resp.LocalUnwatch:
		return true
	case resp.LocalSelect:
		n, ok := resp.ParseInt(args[1].Of(b))
		return !ok || n < 0 || n == int64(c.session.greeting.db)
	}
	return false
}

// queueCheck checks whether the keys of a long request live on the server of the transaction that it is to be a part of.
type queueCheck struct{ keyCheck }

// beginQueueCheck has the request b become a part of the client's transaction if the keys in row, the first of which is at
// b[pos:], live on its server.
func (c *client) beginQueueCheck(cmd *resp.Command, b []byte, pos int, row resp.Row) {
	k := &queueCheck{keyCheck{pos: pos, step: row.Step, server: c.session.tx.server}}
	if w := c.beginWalk(b, row.Count, k); w != nil {
		w.request.command = cmd
	} else {
		c.abortTransaction()
	}
}

// send keeps the request, or refuses it. If servers have come or gone meanwhile, that is decided when EXEC comes.
func (k *queueCheck) send(w *keyWalk, c *client) {
	l, t, r := c.pool.l, c.session.tx, w.request
	if k.server == elsewhere && !t.isStale(&c.pool.placement) {
		l.memory.Put(w.b)
		c.abortTransaction()
		l.scratch = c.refuseOtherServer(r.command, t.count == 0)
		l.answer(r, l.scratch, nil)
		return
	}
	t.adopt(w.b)
	l.answer(r, queuedReply, nil)
}

// transactionCheck checks all of a transaction anew when EXEC comes, because keys may live elsewhere than when they were
// queued, or another worker has queued them. Loop only.
type transactionCheck struct {
	pieces   [][]byte      // that are not checked, each of whole requests; the first one from pos on
	pos      int           // where the next request begins
	progress resp.Progress // to its end
	request  []byte        // the one at hand
	row      keyCheck      // of its keys
	keys     int           // in that row, that are to be checked
	command  *resp.Command // of the request at hand
	count    int32         // of requests that are checked
	epoch    uint64        // of the placement by which they are
	server   int           // where the keys so far live, or anywhere
	failure  []byte        // the error reply to what cannot be executed; nil: all can so far
}

// beginTransactionCheck sends the client's transaction, to whose EXEC r is the answer, if all of it can be executed.
func (c *client) beginTransactionCheck(r *request) {
	k := &transactionCheck{pieces: c.session.tx.queued.Pieces(nil), server: c.watchedServer(), epoch: c.pool.placement.version}
	c.walk = &keyWalk{request: r, left: min(len(k.pieces), 1), aim: k} // of watched keys alone there is nothing to be checked
}

// nextKey checks the next key of the request at hand or, if it has no more, the next request.
func (k *transactionCheck) nextKey(w *keyWalk, p *pool) (copied int) {
	c := w.request.client
	switch {
	case k.keys == 0:
		copied = k.nextRequest(c)
	case k.row.holds(k.request, p):
		k.keys--
	default:
		k.fail(c.refuseOtherServer(k.command, false))
	}
	if k.failure == nil && (k.keys > 0 || len(k.pieces) > 0) {
		w.left = 1
	}
	return copied
}

// fail ends the check.
func (k *transactionCheck) fail(failure []byte) { k.failure = bytes.Clone(failure) }

var errQueuedRequest = resp.AppendError(nil, "ERR what was queued is no request")

// nextRequest looks for the end of the next request, as far as a slice allows, and checks the request when it is found.
func (k *transactionCheck) nextRequest(c *client) (passed int) {
	rest, from := k.pieces[0][k.pos:], k.progress.Pos
	window := rest[:min(len(rest), from+sliceBytes)]
	n, next, err := resp.MeasureRequest(window, k.progress)
	switch {
	case err != nil, resp.IsInline(rest), n == 0 && len(window) == len(rest):
		k.fail(errQueuedRequest)
		return 0
	case n == 0:
		k.progress = next
		return len(window) - from
	}
	k.request, k.progress = rest[:n], resp.Progress{}
	if k.pos += n; k.pos == len(k.pieces[0]) {
		k.pieces, k.pos = k.pieces[1:], 0
	}
	k.checkRequest(c)
	return n - from
}

// checkRequest checks the request at hand, but for a long row of keys.
func (k *transactionCheck) checkRequest(c *client) {
	l, b := c.pool.l, k.request
	count, args := resp.RequestHead(b, l.redisRoute.args, mostHeadArgs)
	if len(args) < count && len(b) < longBytes {
		_, args, _ = resp.ConsumeRequest(b, args)
	}
	l.redisRoute.args = args
	if count == 0 {
		k.fail(errQueuedRequest)
		return
	}
	cmd := resp.Lookup(args[0].Of(b))
	if cmd != nil {
		cmd = cmd.Resolve(b, args)
	}
	switch {
	case cmd == nil:
		k.fail(resp.AppendUnknownCommand(l.scratch[:0], b, args))
		return
	case cmd.Route != resp.Refuse && !cmd.CheckArity(count):
		k.fail(resp.AppendWrongArity(l.scratch[:0], cmd))
		return
	}
	if c.session.limits != nil {
		if d := c.judge(cmd, b, args, count); d.Reason != acl.Allowed {
			k.fail(c.noLongerPermitted(cmd, d))
			return
		}
	}
	args, alone, row, failure := c.keysInTransaction(cmd, b, args, count)
	if failure != nil {
		k.fail(failure)
		return
	}
	k.count++
	k.command = cmd
	if len(alone)+row.Count > 0 {
		k.place(c, args, count, alone, row)
	}
}

// place checks where the keys of the request at hand live.
func (k *transactionCheck) place(c *client, args []resp.Span, count int, alone []int32, row resp.Row) {
	p := c.pool
	if k.server == anywhere {
		k.server = p.serverOf(k.request, args, alone, row)
	}
	switch {
	case p.placement.random, len(args) == count && p.together(k.server, k.request, args, alone, row):
	case len(args) < count && p.together(k.server, k.request, args, alone, resp.Row{}):
		k.row = keyCheck{pos: args[row.First-1].End(), step: row.Step, server: k.server}
		k.keys = row.Count
	default:
		k.fail(c.refuseOtherServer(k.command, false))
	}
}

// send sends the transaction, or refuses EXEC. If servers have come or gone meanwhile, it begins anew.
func (k *transactionCheck) send(w *keyWalk, c *client) {
	t, r := c.session.tx, w.request
	switch {
	case k.epoch != c.pool.placement.version:
		c.beginTransactionCheck(r)
		c.nextTurn()
	case k.failure != nil:
		c.dropTransaction()
		c.pool.l.answer(r, resp.AppendExecAbort(nil, k.failure), nil)
	default:
		t.server, t.count = k.server, k.count
		c.sendTransaction(r)
	}
}

func (k *transactionCheck) cost() (bytes int) { return 0 } // the session has it all

func (k *transactionCheck) drop(*memory.Allocator) {}
