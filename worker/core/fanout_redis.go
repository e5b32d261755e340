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
	errorsPerKey bool         // mget_errors: an error reply of a server stands for each of its keys
	answers      resp.Answers // of a request that the servers got as a whole
	head         []byte       // of a reply to one, that is joined: what it begins with
}

// redisFanout returns an empty fanout for a request of cmd.
func (p *pool) redisFanout(cmd *resp.Command) *fanout {
	f := p.fanouts.get()
	f.protocol.(*redisFanout).cmd = cmd
	return f
}

func (r *redisFanout) tolerant() bool {
	return r.cmd.Merge.Partial || r.errorsPerKey && r.cmd.Merge.PerKey
}

func (r *redisFanout) changes() bool { return !r.cmd.IsRepeatable() }

func (r *redisFanout) cost() (inBuffers, elsewhere int) { return 0, 0 }

func (r *redisFanout) clear(*memory.Allocator) (large bool) {
	r.cmd = nil
	if r.answers.Command != nil {
		r.answers, r.head = resp.Answers{}, nil
	}
	return false
}

// divideKey takes the key with its value, if it has one, out of the request.
func (r *redisFanout) divideKey(d *division, b *memory.Buffer, p *pool) (copied int) {
	key, end := resp.NextArg(b.B, 0)
	part := d.assign(p.placeAmong(key.Of(b.B)))
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
	if r.answers.Command != nil {
		r.answers.Replies = replies
		return resp.MergeAnswers(dst, &r.answers)
	}
	return resp.MergeReplies(dst, r.cmd, f.owner, replies, r.errorsPerKey)
}

// perKey also tells of replies that are joined: the servers take the places of the keys then, and what each has said, but for its
// beginning, is its value.
func (r *redisFanout) perKey() bool { return r.cmd.Merge.PerKey || r.cmd.Merge.IsJoined() }

func (r *redisFanout) openList(f *fanout, replies [][]byte) (failure []byte) {
	if r.answers.Command != nil {
		r.answers.Replies = replies
		head, ok := resp.Join(nil, &r.answers)
		r.answers.Replies = nil
		if !ok {
			return head
		}
		r.head = head
		return nil
	}
	return resp.OpenArrays(r.cmd, f.counts, replies, r.errorsPerKey)
}

func (r *redisFanout) appendListHead(dst []byte, keys int) []byte {
	if r.answers.Command != nil {
		return append(dst, r.head...)
	}
	return resp.AppendArray(dst, keys)
}

func (r *redisFanout) frontValue(_ *fanout, rest []byte) (size int, ok bool) {
	if r.answers.Command != nil {
		return len(rest), true
	}
	size = resp.FrontElement(rest)
	return size, size > 0
}

func (r *redisFanout) appendListEnd(dst []byte, _ []*memory.Buffer) []byte { return dst }
