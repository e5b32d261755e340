// Commands of Redis that go out as several requests.

package core

import (
	"github.com/pinion-proxy/pinion/codec/resp"
	"github.com/pinion-proxy/pinion/worker/memory"
)

// failedPart is the count of a fragment whose reply is an error, which stands for each of its keys.
const failedPart = resp.FailedFragment

// redisFanout is a fanoutProtocol of Redis.
type redisFanout struct {
	cmd          *resp.Command
	errorsPerKey bool // mget_errors: an error reply of a server stands for each of its keys
}

func (r *redisFanout) tolerant() bool { return r.errorsPerKey && r.perKey() }

func (r *redisFanout) cost() (inBuffers, elsewhere int) { return 0, 0 }

func (r *redisFanout) clear(*memory.Allocator) (large bool) {
	r.cmd = nil
	return false
}

// divideKey takes the key with its value, if it has one, out of the request.
func (r *redisFanout) divideKey(d *division, b *memory.Buffer, p *pool) (copied int) {
	key, end := resp.NextArg(b.B, 0)
	part := d.assign(p.placement.one(key.Of(b.B)))
	for range r.cmd.Step - 1 {
		_, end = resp.NextArg(b.B, end)
	}
	return part.out.Move(p.l.memory, b, end)
}

func (r *redisFanout) appendFragmentHead(dst []byte, keys int) []byte {
	return resp.AppendFragmentHead(dst, r.cmd, keys)
}

func (r *redisFanout) fragmentEnd() []byte { return nil }

func (r *redisFanout) divided(m *memory.Allocator, b *memory.Buffer) { m.Put(b) }

func (r *redisFanout) merge(dst []byte, f *fanout, replies [][]byte) []byte {
	return resp.MergeReplies(dst, r.cmd, f.owner, replies, r.errorsPerKey)
}

func (r *redisFanout) perKey() bool { return r.cmd.Merge.PerKey }

func (r *redisFanout) openList(f *fanout, replies [][]byte) (failure []byte) {
	return resp.OpenArrays(r.cmd, f.counts, replies, r.errorsPerKey)
}

func (r *redisFanout) appendListHead(dst []byte, keys int) []byte { return resp.AppendArray(dst, keys) }

func (r *redisFanout) frontValue(_ *fanout, rest []byte) (size int, ok bool) {
	size = resp.FrontElement(rest)
	return size, size > 0
}

func (r *redisFanout) appendListEnd(dst []byte, _ []*memory.Buffer) []byte { return dst }
