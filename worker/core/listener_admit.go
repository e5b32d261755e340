// Which clients get in: client_connections, over all workers.

package core

import (
	"sync/atomic"

	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// admit counts one more client, unless the pool has client_connections already, in all workers of all generations. It counts
// before it compares, so that of two workers that take the last place at once at least one sees the other.
func (p *pool) admit() bool {
	mine := p.counters[link.ClientConnections]
	atomic.AddUint64(mine, 1)
	limit := p.spec.ClientConnections
	if limit == 0 || p.l.shared.Clients(p.index) <= uint64(limit) {
		return true
	}
	*mine--
	return false
}

// memcacheFull is memcached's reply in that case.
const memcacheFull = "ERROR Too many open connections\r\n"

// turnAway sends a client that is one too many an error, and closes it. What it has sent is read before: closing with unread bytes would
// reset the connection, and the reset could overtake the error.
func (ln *listener) turnAway(fd int) {
	*ln.pool.counters[link.ClientErr]++
	*ln.pool.counters[link.FirstClosing+int(link.TurnedAway)]++
	ln.pool.noteFull(fd)
	s := stream.New(fd)
	if ln.spec.TLS {
		s.SendFirst(tlsBusy)
	} else if ln.pool.spec.Protocol == link.Memcache {
		s.SendFirst([]byte(memcacheFull))
	} else {
		s.SendFirst(resp.AppendError(nil, "ERR max number of clients reached"))
	}
	s.CloseWrite()
	for range sinkReads {
		if n, err := s.Discard(ln.pool.l.io); n == 0 || err != nil {
			break
		}
	}
	sock.Close(fd)
}
