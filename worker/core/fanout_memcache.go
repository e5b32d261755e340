// Commands of memcached that go out as several requests.

package core

import (
	"bytes"
	"unsafe"

	"github.com/pinion-proxy/pinion/codec/memcache"
	"github.com/pinion-proxy/pinion/worker/memory"
)

// memcacheFanout is a fanoutProtocol of memcached. Merging compares keys, so it keeps the request's line.
type memcacheFanout struct {
	request memcache.Request
	line    []byte
	keys    []memcache.Span // within line; of a long request none
	key     memcache.Span   // of a long one, the last that was looked at
	whole   *memory.Buffer  // of a long one, the memory of line
}

// init copies the request b, of these keys.
func (m *memcacheFanout) init(b []byte, r *memcache.Request, keys []memcache.Span) {
	m.request = *r
	m.line = append(m.line, b...)
	m.keys = append(m.keys, keys...)
}

func (m *memcacheFanout) tolerant() bool { return false }

func (m *memcacheFanout) changes() bool { return m.request.Cmd.Route != memcache.Fragment }

func (m *memcacheFanout) cost() (inBuffers, elsewhere int) {
	elsewhere = int(unsafe.Sizeof(*m)) + int(unsafe.Sizeof(m.key))*cap(m.keys)
	if m.whole == nil {
		elsewhere += cap(m.line)
	}
	return m.whole.Cost(), elsewhere
}

func (m *memcacheFanout) clear(mem *memory.Allocator) (large bool) {
	if m.whole != nil {
		mem.Put(m.whole)
		m.line = nil
	}
	*m = memcacheFanout{line: m.line[:0], keys: m.keys[:0]}
	return cap(m.line) > memory.FirstChunkBytes
}

// divideKey copies the key. The request stays as it is: merging needs it.
func (m *memcacheFanout) divideKey(d *division, b *memory.Buffer, p *pool) (copied int) {
	m.key = m.request.NextKey(b.B, m.key)
	key := m.key.Of(b.B)
	part := d.assign(p.placeAmong(key))
	part.out.Append(p.l.memory, space)
	part.out.Append(p.l.memory, key)
	return len(key)
}

var space, lineEnd = []byte{' '}, []byte("\r\n")

func (m *memcacheFanout) appendFragmentHead(dst []byte, _ int) []byte {
	return append(dst, m.request.Cmd.Name...)
}

func (m *memcacheFanout) fragmentEnd() []byte { return lineEnd }

func (m *memcacheFanout) divided(_ *memory.Allocator, b *memory.Buffer) {
	m.whole, m.line = b, b.B
	m.key = memcache.Span{}
}

func (m *memcacheFanout) merge(dst []byte, f *fanout, replies [][]byte) []byte {
	return memcache.MergeReplies(dst, m.line, &m.request, m.keys, f.owner, replies)
}

func (m *memcacheFanout) perKey() bool { return m.request.Cmd.Merge.PerKey }

func (m *memcacheFanout) openList(_ *fanout, replies [][]byte) (failure []byte) {
	return memcache.Failure(replies)
}

func (m *memcacheFanout) appendListHead(dst []byte, _ int) []byte { return dst }

// frontValue looks at the name at the front of rest: a server leaves out what it does not have.
func (m *memcacheFanout) frontValue(f *fanout, rest []byte) (size int, ok bool) {
	if len(m.keys) > 0 {
		m.key = m.keys[f.merged]
	} else {
		m.key = m.request.NextKey(m.line, m.key)
	}
	name, size := memcache.FrontValue(rest)
	if size == 0 || !bytes.Equal(name, m.key.Of(m.line)) {
		return 0, true
	}
	return size, true
}

// appendListEnd appends an error instead if a server sent values that were not asked for.
func (m *memcacheFanout) appendListEnd(dst []byte, rests []*memory.Buffer) []byte {
	for _, rest := range rests {
		if string(rest.B) != memcache.EndLine {
			return append(dst, memcache.InvalidArgument...)
		}
	}
	return append(dst, memcache.EndLine...)
}
