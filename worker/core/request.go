// A request on its way: in its client's out queue, in a server connection's in queue, or in both.
//
//	        ┌─► client's out queue ── done, and at the head ──────────────────────────┐
//	made ───┤                         or the client is gone                           ├─► free
//	        └─► connection's in queue ── written ── its reply came ───────────────────┘
//	                                 └── not written in time: given up

package core

import (
	"time"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// request is one request of a client, one fragment of one, or one of the worker's own.
type request struct {
	client *client  // who waits for the reply; nil: nobody, the reply is swallowed
	next   *request // in the client's out queue
	behind *request // in the connection's in queue
	parent *request // of a fragment: the request it is a part of; nil: nobody waits for this part any more
	fanout *fanout  // of a request that went out as several: its fragments' replies
	errand *errand  // of the worker's own request

	command *resp.Command // its row in the table; nil: a fragment, memcached's, or the worker's own

	reply    heldReply // where it is done and not at the head of its client's out queue
	deadline int64     // ns; 0 = none
	sent     int64     // ns, when it was queued on its connection
	bytes    int32     // of the request
	fragment int32     // of a fragment: which
	skips    int32     // replies before the one that answers it, which the client does not get; of a subscription on several servers: how many have not come
	form     memcache.ReplyForm
	state    requestState
	slot     int16 // of a cluster: the slot that it passes, + 1; negative: by ASK, past its gate; 0: none
	said     said  // for the slow log
}

// requestState is in which queues a request is, what has become of it, and what counts it.
type requestState uint16

const (
	// In which queues it is.
	inClient requestState = 1 << iota // its client's out queue
	inConn                            // a connection's in queue

	// What has become of it.
	isDone    // the reply is here
	isExpired // answered with a timeout, or with what else is the matter; its reply finds nobody

	// What its client gets.
	isNoReply  // no reply (noreply, CLIENT REPLY)
	isReformed // not the reply as it came, but as its form has it, or what else depends on it, see reform

	// What counts it.
	isUnsent   // its owner: its bytes wait here
	isPromised // its connection: a fragment that it has room for, until that is written

	// How long it may take.
	isBlocking // it may wait in the server, for as long as its client says
	isParked   // and it is there: what the server owes others is counted without it

	isTrial // an empty transaction, see tryTransaction

	isSubscription // its reply is a confirmation, see answerSubscription

	// How it waits for a server that is down, see conn_hold.go.
	isHeld     // it does
	isCopied   // it is written, and its bytes are kept
	isRefused  // a server has refused it for now
	isRepeated // it was written, the connection was lost, and so it is to be written again
)

// isScript tells whether the reply to r is whatever a client likes.
func (r *request) isScript() bool { return r.command != nil && r.command.Script }

// setForm notes in what form the client gets the reply.
func (r *request) setForm(f memcache.ReplyForm) {
	if !f.IsAsSent() {
		r.form = f
		r.state |= isReformed
	}
}

// errand is what a request of the worker's own is for.
type errand struct {
	answered func(reply []byte) // is called with the server's reply, or with the error that stands for none
	notSent  bool               // it never reached the server, for this host's own fault
	failure  error              // why there is no reply; nil: there is one
}

const requestBytes = int(unsafe.Sizeof(request{}))

// owner returns the client that waits for r or for the request that r is a fragment of; nil if it waits no more.
func (r *request) owner() *client {
	if r.parent != nil {
		return r.parent.client
	}
	return r.client
}

// queue is called when the bytes of r begin to wait to be written.
func (r *request) queue() {
	if c := r.owner(); c != nil {
		r.state |= isUnsent
		c.unsent += uint32(r.bytes)
	}
}

// unqueue is called when they are written, or when r's owner does not wait for it any more.
func (r *request) unqueue() {
	if r.state&isUnsent == 0 {
		return
	}
	r.state &^= isUnsent
	if c := r.owner(); c != nil {
		c.unsent -= uint32(r.bytes)
	}
}

// requestPool keeps requests for reuse, and frees those that a quiet second did not need. Loop only.
type requestPool struct {
	l     *loop
	free  *request
	count int // of free
	least int // the smallest count since the last tick: what nobody needed
	timer timer.Timer
}

const requestPoolTick = int64(time.Second)

func (rp *requestPool) get() *request {
	rp.l.memory.Charge(requestBytes)
	r := rp.free
	if r == nil {
		return new(request)
	}
	rp.free = r.next
	rp.count--
	rp.least = min(rp.least, rp.count)
	r.next = nil
	return r
}

func (rp *requestPool) put(r *request) {
	rp.l.memory.Uncharge(requestBytes)
	if r.said.sample != 0 {
		rp.l.sampling.drop(r)
	}
	*r = request{next: rp.free}
	rp.free = r
	rp.count++
	if !rp.timer.Armed() {
		rp.l.timers.Set(&rp.timer, rp.l.now+requestPoolTick)
	}
}

// tick frees half of what was surplus since the last tick, and all of the last few.
func (rp *requestPool) tick() {
	for drop := (rp.least + 1) / 2; drop > 0; drop-- {
		rp.free = rp.free.next
		rp.count--
	}
	rp.least = rp.count
	if rp.count > 0 {
		rp.l.timers.Set(&rp.timer, rp.l.now+requestPoolTick)
	}
}

// partOf returns the fanout of which r is a fragment that is waited for; nil: of none.
func (r *request) partOf() *fanout {
	if r.parent == nil {
		return nil
	}
	return r.parent.fanout
}
