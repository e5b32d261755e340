// Servers that do no transactions: they do not know MULTI, or their user may not use it. Such a server would execute what stands
// behind MULTI request by request. So before the first transaction it gets an empty one, and none before that has succeeded.

package core

import (
	"bytes"
	"errors"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
)

// errOpenTransaction is the end of a connection on which the server goes on to queue what comes, whoever's it is.
var errOpenTransaction = errors.New("server refuses EXEC, and the transaction goes on")

// transactionTrial is what a transaction waits for. Loop only.
type transactionTrial struct {
	server int
	reply  []byte // to EXEC of the empty one
}

// tryTransaction sends an empty transaction to a server. The client's own, to whose EXEC r is the answer, waits. It goes over a
// connection on which nothing is watched: EXEC would end that.
func (c *client) tryTransaction(r *request, server int) {
	l := c.pool.l
	w := &keyWalk{request: r, aim: &transactionTrial{server: server}, asks: l.requests.get()}
	c.walk = w
	w.asks.state |= isReformed | isTrial
	w.asks.skips = 1
	w.asks.bytes = int32(len(emptyTransaction))
	c.push(w.asks)
	p := c.pool
	p.servers[p.placement.index(server)].primary.conn(c.session.greeting, c.lane).send(w.asks, emptyTransaction, nil)
}

var (
	emptyTransaction = append(append([]byte(nil), multiRequest...), execRequest...)
	refusedMulti     = resp.AppendError(nil, "ERR the server refuses MULTI")
)

// came is called with the reply to the empty transaction, or the error that stands for none.
func (t *transactionTrial) came(reply []byte) { t.reply = append(t.reply, reply...) }

func (t *transactionTrial) nextKey(*keyWalk, *pool) (copied int) { return 0 }

// send sends the transaction that has waited, or answers it with an error. If servers have come or gone meanwhile, it is checked anew.
func (t *transactionTrial) send(w *keyWalk, c *client) {
	switch {
	case resp.IsError(t.reply):
		c.dropTransaction()
		c.pool.l.answer(w.request, t.failure(), nil)
		c.dropWatch()
	case c.session.tx.isStale(&c.pool.placement):
		c.beginTransactionCheck(w.request)
		c.nextTurn()
	default:
		c.sendBlock(w.request, t.server)
	}
}

// failure returns the reply to an EXEC that cannot be.
func (t *transactionTrial) failure() []byte {
	switch {
	case resp.IsExecAbort(t.reply):
		return t.reply
	case resp.IsExecWithoutMulti(t.reply):
		return resp.AppendExecAbort(nil, refusedMulti)
	}
	return resp.AppendExecAbort(nil, t.reply)
}

func (t *transactionTrial) cost() (bytes int) { return cap(t.reply) }

func (t *transactionTrial) drop(*memory.Allocator) {}

// noteTransaction is called with the reply to an EXEC, and returns why the connection ends, if it does: the server may go on to queue.
func (c *conn) noteTransaction(reply []byte) error {
	e := c.endpoint
	switch {
	case !resp.IsError(reply):
		e.transacts = true
	case resp.IsExecWithoutMulti(reply):
		e.transacts = false
	case resp.IsExecAbort(reply), resp.ClusterErrorOf(reply) != resp.NoClusterError:
	case resp.IsOutOfService(reply):
		return &refusal{bytes.Clone(reply)}
	default:
		return errOpenTransaction
	}
	return nil
}
