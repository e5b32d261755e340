// Accepting clients.

package worker

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/poll"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// listener is one inherited listening socket. It is watched level-triggered: a queue that is left is reported again.
type listener struct {
	pool     *pool
	fd       int
	shared   bool
	token    poll.Token
	pause    timer
	loggedAt int64
}

// listen begins to accept from an inherited socket.
func (l *loop) listen(fd int, spec link.Listener) error {
	ln := &listener{pool: l.pools[spec.Pool], fd: fd, shared: spec.Shared}
	ln.pause.fire = ln.watch
	ln.token = l.hold(ln)
	if err := l.poller.AddListener(fd, ln.token, ln.shared); err != nil {
		return err
	}
	l.listeners = append(l.listeners, ln)
	l.opened()
	return nil
}

func (ln *listener) watch() {
	l := ln.pool.l
	if err := l.poller.AddListener(ln.fd, ln.token, ln.shared); err != nil {
		l.logf(levelError, "pool %q: watching a listener: %v", ln.pool.name, err)
		l.timers.set(&ln.pause, l.now+int64(acceptPause))
	}
}

func (ln *listener) ready(poll.Event) { ln.accept(acceptBatch) }

// accept takes up to limit connections off the queue, and tells whether it is empty.
func (ln *listener) accept(limit int) (empty bool) {
	l := ln.pool.l
	for range limit {
		fd, err := sock.Accept(ln.fd)
		switch err {
		case nil:
			if ln.pool.admit() {
				l.accept(fd, ln.pool)
			} else {
				ln.turnAway(fd)
			}
		case unix.EAGAIN:
			return true
		case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
			ln.mute(err)
			return false
		default: // a connection that broke while it waited: the next one may be fine
		}
	}
	return false
}

// mute leaves the queue alone for a moment: without a free descriptor the listener would only wake the loop for nothing.
func (ln *listener) mute(err error) {
	l := ln.pool.l
	if ln.loggedAt == 0 || l.now-ln.loggedAt >= int64(logPause) {
		ln.loggedAt = l.now
		l.logf(levelError, "pool %q: accepting clients: %v; raise LimitNOFILE= (ulimit -n) or lower client_connections", ln.pool.name, err)
	}
	l.poller.Remove(ln.fd)
	l.timers.set(&ln.pause, l.now+int64(acceptPause))
}

// admit counts one more client, unless the pool has as many as it may have, over all workers. Counting comes before
// looking, so that of two workers which take the last place at once at least one sees the other.
func (p *pool) admit() bool {
	mine := &p.counters[link.ClientConnections]
	atomic.AddUint64(mine, 1)
	limit := p.spec.ClientConnections
	if limit == 0 || p.l.shared.SumPool(p.index, link.ClientConnections) <= uint64(limit) {
		return true
	}
	*mine--
	return false
}

// memcacheFull is what memcached says in that case.
const memcacheFull = "ERROR Too many open connections\r\n"

// turnAway tells a client that there is no room for it.
func (ln *listener) turnAway(fd int) {
	ln.pool.counters[link.ClientErr]++
	if ln.pool.spec.Protocol == link.Memcache {
		sock.Send(fd, []byte(memcacheFull))
	} else {
		sock.Send(fd, resp.AppendError(nil, "ERR max number of clients reached"))
	}
	sock.Close(fd)
}
