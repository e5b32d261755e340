// A client's record: what another worker needs to go on serving it.

package core

import (
	"errors"
	"math"
	"time"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/worker/fault"
	"github.com/pinion-proxy/pinion/worker/handoff"
	"github.com/pinion-proxy/pinion/worker/memory"
	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/stream"
)

// record returns the client's record. since is when it was packed, in ns.
func (c *client) record(since int64) handoff.Record {
	l := c.pool.l
	r := handoff.Record{
		Protocol: string(c.pool.spec.Protocol), Pool: c.pool.name,
		Network: c.from.spec.Network, Address: c.from.spec.Address,
		Skip:       uint64(c.skip),
		ID:         c.id,
		IdleMillis: uint64(int64(l.ticks()-c.active) * tickNanos / int64(time.Millisecond)),
		AgeMillis:  uint64(int64(l.ticks()-c.born) * tickNanos / int64(time.Millisecond)),
		FrozenAt:   since,
	}
	r.Connections = uint32(len(c.session.dedicated))
	r.Subscriptions = c.subscriptionsWithout()
	r.Input = c.stream.Kept()
	r.Output = c.stream.Out.Pieces(nil)
	tls := c.stream.TLSState()
	r.TLS, r.TLSInput, r.TLSOutput = tls.Records, tls.Input, tls.Output
	c.pool.recordSession(c.session, &r)
	c.recordWatch(&r)
	if c.dialect == dialectBinary {
		r.Dialect = handoff.DialectBinary
	}
	return r
}

// recordBytes returns how many bytes that the client has sent, or is to get, are in its record.
func (c *client) recordBytes() (bytes int) {
	bytes = len(c.stream.Kept()) + c.stream.Unwritten()
	if t := c.session.tx; t != nil {
		bytes += t.queued.Len()
	}
	return bytes
}

// recordChunkBytes is the size of the buffers in which much output is kept: memory is freed as they are written.
const recordChunkBytes = 1 << 20

var errNoRoom = errors.New("worker is too near its memory_limit")

// unpack gives the client the state that its record describes. u is who it is; nil: nobody in particular, or nobody yet.
func (c *client) unpack(r *handoff.Record, u *acl.User) error {
	c.id, c.skip = r.ID, uint32(min(r.Skip, math.MaxUint32))
	c.active -= uint32(int64(r.IdleMillis) * int64(time.Millisecond) / tickNanos)
	c.born -= uint32(int64(r.AgeMillis) * int64(time.Millisecond) / tickNanos)
	c.session = c.pool.sessionOf(r, u)
	if r.Dialect == handoff.DialectBinary {
		c.dialect = dialectBinary
	}
	err := c.unpackBytes(r)
	if err == nil {
		err = fault.Error("incoming.client")
	}
	if err == nil {
		err = sock.SetInherited(c.stream.FD())
	}
	return err
}

// unpackBytes copies input and output. A client that would bring the worker so near its memory limit that clients are evicted
// is better off where it is.
func (c *client) unpackBytes(r *handoff.Record) (err error) {
	l := c.pool.l
	size := len(r.Input) + len(r.TLSInput)
	for _, b := range r.TLSOutput {
		size += len(b)
	}
	for _, b := range r.Output {
		size += len(b)
	}
	if r.Transaction != nil {
		size += r.Transaction.Bytes()
	}
	if limit := l.spec.MemoryLimit; limit > 0 && size > 0 && l.memory.Held()+int64(size) > limit-limit/4 {
		return errNoRoom
	}
	if r.Watch != nil {
		c.unpackWatch(r.Watch)
	}
	if err = c.stream.AdoptTLS(l.io, stream.TLSState{Records: r.TLS, Input: r.TLSInput, Output: r.TLSOutput}, c.pool.clientTLS); err != nil {
		return err
	}
	if err = c.stream.Keep(l.memory, r.Input); err == nil && r.Transaction != nil {
		err = c.unpackTransaction(r.Transaction)
	}
	for _, b := range r.Output {
		for len(b) > 0 && err == nil {
			n := min(len(b), recordChunkBytes)
			var chunk *memory.Buffer
			if chunk, err = l.memory.CopyOf(b[:n]); err == nil {
				c.stream.Out.Adopt(chunk)
				b = b[n:]
			}
		}
	}
	return err
}

// unpackTransaction copies a transaction, in one buffer, since requests must not be divided.
func (c *client) unpackTransaction(record *handoff.Transaction) error {
	m := c.pool.l.memory
	t := c.openTransaction()
	t.aborted, t.count, t.unchecked = record.Aborted, int32(record.Count), true
	size := record.Bytes()
	if size == 0 || t.aborted {
		return nil
	}
	whole, err := m.Get(size)
	if err != nil {
		return err
	}
	for _, b := range record.Queued {
		whole.B = append(whole.B, b...)
	}
	t.queued.Adopt(whole)
	return nil
}
