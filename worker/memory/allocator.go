// Allocating and freeing buffers, and counting the bytes that are held.

package memory

import (
	"math/bits"

	"github.com/valyala/bytebufferpool"

	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// Allocator allocates the buffers of a loop, counts the bytes that are held, and keeps some buffers for reuse.
type Allocator struct {
	// Collect collects garbage beside the loop, see the function of that name. A test may set another.
	Collect func(much bool)

	// Idle, if it is set, frees what others keep that is idle, once a second until none of it is left, and as soon as Expect has been
	// called again. It returns how many bytes it has left to the garbage collector, and whether there is something left to be freed.
	Idle func() (garbage int, left bool)

	timers     *timer.Heap
	now        *int64 // the time of timers, ns
	held       int64  // bytes of all buffers in use, and those that are charged
	free       [chunkClasses]stock
	bare       stock // buffers without memory
	remainders bytebufferpool.Pool
	unmapLater *Buffer     // mapped buffers that were put back: their bytes may be read until the end of the turn
	garbage    int64       // bytes left to the garbage collector since it last ran
	timer      timer.Timer // ticks while there is something to free
}

// New returns an allocator that holds nothing. It frees spare buffers by a timer of timers; now points to the loop's time, in
// ns.
func New(timers *timer.Heap, now *int64) *Allocator {
	m := &Allocator{Collect: Collect, timers: timers, now: now}
	m.timer.Fire = m.tick
	return m
}

// Held returns how many bytes are held for connections: buffers in use, and bytes that are charged. Buffers that are kept for
// reuse do not count.
func (m *Allocator) Held() int64 { return m.held }

// Charge counts n bytes as held that are in no buffer.
func (m *Allocator) Charge(n int) { m.held += int64(n) }

// Uncharge takes back a Charge.
func (m *Allocator) Uncharge(n int) { m.held -= int64(n) }

// Get returns an empty buffer with room for at least size bytes, or an error if the system has no more.
func (m *Allocator) Get(size int) (*Buffer, error) {
	if size < MappedBytes {
		return m.GetChunk(size), nil
	}
	mapped, err := sock.Allocate(size)
	if err != nil {
		return nil, err
	}
	b := m.getBare()
	b.mapped, b.B = mapped, mapped[:0]
	m.held += int64(BufferBytes + len(mapped))
	return b, nil
}

// GetChunk is Get for less than MappedBytes, which does not fail.
func (m *Allocator) GetChunk(size int) *Buffer {
	class, bytes := classOf(size)
	b := m.free[class].get()
	if b == nil {
		b = m.getBare()
		b.chunk = make([]byte, bytes)
	}
	b.B = b.chunk[:0]
	m.held += int64(BufferBytes + bytes)
	return b
}

// GetRemainder returns a buffer with a copy of data, which is less than MappedBytes. A pooled buffer with room for far more
// is not used: it would count as if its owner had sent so much.
func (m *Allocator) GetRemainder(data []byte) *Buffer {
	pooled := m.remainders.Get()
	if most := cap(pooled.B); most > FirstChunkBytes && most > mostRoomFor*len(data) {
		m.remainders.Put(pooled)
		b := m.GetChunk(len(data))
		b.B = append(b.B, data...)
		return b
	}
	b := m.getBare()
	b.pooled = pooled
	b.pooled.Set(data)
	b.B = b.pooled.B
	m.held += int64(BufferBytes + cap(b.B))
	return b
}

func (m *Allocator) getBare() *Buffer {
	if b := m.bare.get(); b != nil {
		return b
	}
	return new(Buffer)
}

// Put takes b back; nil is fine. Its bytes may be read until the end of the turn if they were mapped, and not at all
// otherwise.
func (m *Allocator) Put(b *Buffer) {
	switch {
	case b == nil:
		return
	case b.chunk != nil && b.views == 0:
		class, bytes := classOf(len(b.chunk))
		m.held -= int64(BufferBytes + bytes)
		m.free[class].put(b)
	case b.views > 0:
		b.returned = true
		return
	case b.whole != nil:
		m.putView(b)
		return
	case b.pooled != nil:
		m.held -= int64(BufferBytes + cap(b.pooled.B))
		if cap(b.pooled.B) >= ClaimBytes {
			m.garbage += int64(cap(b.pooled.B)) // seldom needed again
		}
		m.remainders.Put(b.pooled)
		*b = Buffer{}
		m.bare.put(b)
	default:
		m.held -= int64(BufferBytes + len(b.mapped) - b.gone)
		b.next = m.unmapLater
		m.unmapLater = b
	}
	m.Expect()
}

// CopyOf returns a buffer with a copy of data, or an error if the system has no more memory.
func (m *Allocator) CopyOf(data []byte) (*Buffer, error) {
	b, err := m.Get(len(data))
	if err != nil {
		return nil, err
	}
	b.B = append(b.B, data...)
	return b, nil
}

// Grow gives b more room, if it has less than room bytes, which are 64 KiB at most. It returns an error if the system has no
// more memory. Memory is never allocated for bytes that are only announced: a small buffer doubles, a large one grows by a
// part, so that one request need not take half of memory_limit for nothing.
func (m *Allocator) Grow(b *Buffer, room int) error {
	if cap(b.B)-len(b.B) >= room {
		return nil
	}
	if b.mapped == nil {
		bigger, err := m.Get(max(2*cap(b.B), MappedBytes))
		if err != nil {
			return err
		}
		bigger.B = append(bigger.B, b.B...)
		*b, *bigger = *bigger, *b
		m.Put(bigger)
		return nil
	}
	size := len(b.mapped)
	moved, err := sock.Reallocate(b.mapped, size+min(size, max(size/GrowthPart, GrowthBytes)))
	if err != nil {
		return err
	}
	m.held += int64(len(moved) - len(b.mapped))
	b.mapped, b.B = moved, moved[:len(b.B)]
	return nil
}

// putView takes a view back, and with the last view its whole buffer if that was put back.
func (m *Allocator) putView(b *Buffer) {
	whole := b.whole
	m.held -= int64(BufferBytes)
	*b = Buffer{}
	m.bare.put(b)
	whole.views--
	if whole.views == 0 && whole.returned {
		whole.returned = false
		m.Put(whole)
	}
}

// Split takes the first n bytes out of b, as a view.
func (m *Allocator) Split(b *Buffer, n int) *Buffer {
	m.release(b)
	view := m.getBare()
	view.B, view.at, view.kept = b.B[:n:n], b.at, b.at
	view.whole = b
	if b.whole != nil {
		view.whole = b.whole
	}
	view.whole.views++
	m.held += int64(BufferBytes)
	b.B = b.B[n:]
	b.at += n
	b.kept = b.at
	return view
}

// Skip drops the first n bytes of b.
func (m *Allocator) Skip(b *Buffer, n int) {
	b.B = b.B[n:]
	b.at += n
	if b.at-b.kept >= ReleaseBytes {
		m.release(b)
	}
}

// PutWritten is Put for bytes that are no longer read, though those around them may be.
func (m *Allocator) PutWritten(b *Buffer) {
	if b.whole != nil {
		b.at += len(b.B)
		m.release(b)
	}
	m.Put(b)
}

// release gives the system the pages back of what was skipped in b.
func (m *Allocator) release(b *Buffer) {
	whole := b
	if b.whole != nil {
		whole = b.whole
	}
	if whole.mapped == nil {
		return
	}
	n, next := sock.Release(whole.mapped, b.kept, b.at)
	b.kept = max(b.kept, next)
	whole.gone += n
	m.held -= int64(n)
}

// Reclaim gives the system back mapped buffers that were done with, up to most bytes of them, once per turn: the kernel takes almost as long to clear
// a page away as to provide it, so hundreds of megabytes go bit by bit.
func (m *Allocator) Reclaim(most int) {
	for left := most; m.unmapLater != nil && left > 0; {
		b := m.unmapLater
		if size := len(b.mapped) - left; size > 0 {
			if rest, err := sock.Shrink(b.mapped, size); err == nil {
				b.mapped = rest
				return
			}
		}
		left -= len(b.mapped)
		m.unmapLater = b.next
		sock.Unmap(b.mapped)
		*b = Buffer{}
		m.bare.put(b)
	}
}

// Reclaims tells whether Reclaim has more to do.
func (m *Allocator) Reclaims() bool { return m.unmapLater != nil }

// Chunks have 1, 4, 16, 64 or 128 KiB.
const (
	chunkClasses    = 5
	smallestClass   = 10 // log2
	largestClass    = 17
	bitsBetweenThem = 2
)

// classOf returns the class of the smallest chunk that has room for size bytes, and its size.
func classOf(size int) (class, bytes int) {
	log := max(bits.Len(uint(max(size, 1)-1)), smallestClass)
	class = (log - smallestClass + bitsBetweenThem - 1) / bitsBetweenThem
	return class, 1 << min(smallestClass+class*bitsBetweenThem, largestClass)
}
