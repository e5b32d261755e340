// Memory for bytes that must outlive a turn. Nobody keeps a buffer longer than it has bytes in it, so an idle connection
// owns none, and what a burst needed is given back to the system.
//
// There are three kinds. Chunks, of a few sizes, carry what is written every turn; the loop keeps them for reuse and lets
// go of those that a second did not need. Remainders, incomplete requests of any length, come from bytebufferpool, which
// learns what lengths are usual. Large buffers are mapped: they grow without being copied, and the system has their pages
// back as soon as what these hold is written or copied. A large value within one is not copied at all: a view of it goes
// on, and the buffer stays until the last of its views is done with.

package worker

import (
	"math/bits"
	"runtime"
	"runtime/debug"
	"time"
	"unsafe"

	"github.com/valyala/bytebufferpool"

	"github.com/pinion-proxy/pinion/worker/sock"
	"github.com/pinion-proxy/pinion/worker/timer"
)

// buffer holds bytes. nil is an empty buffer that owns nothing. Nobody appends beyond cap(B).
type buffer struct {
	B      []byte
	chunk  []byte                     // B's memory is this,
	users  int32                      // of a shelf: the replies that stand on it
	views  int32                      // of it, that are not given back
	next   *buffer                    // in a list of memory
	pooled *bytebufferpool.ByteBuffer // or in here,
	mapped []byte                     // or this,
	whole  *buffer                    // or that of this one, of which it is a view
	at     int                        // where B begins in mapped, its own or that of whole
	kept   int                        // where its part of mapped begins that the system has not got back; kept ≤ at
	gone   int                        // bytes of mapped that the system has got back
	given  bool                       // back, but for its views
}

const bufferBytes = int(unsafe.Sizeof(buffer{}))

// cost returns how many bytes b takes, without what was taken out of it.
func (b *buffer) cost() int {
	switch {
	case b == nil:
		return 0
	case b.chunk != nil:
		return bufferBytes + len(b.chunk)
	case b.pooled != nil:
		return bufferBytes + cap(b.pooled.B)
	case b.whole != nil:
		return bufferBytes + len(b.B)
	}
	return bufferBytes + len(b.mapped) - b.at
}

// bytes returns what b holds.
func (b *buffer) bytes() []byte {
	if b == nil {
		return nil
	}
	return b.B
}

const (
	firstChunkBytes   = 4 << 10  // of an output queue that was empty
	largestChunkBytes = 64 << 10 // of one that is not
	mappedBytes       = 128 << 10

	mostRoomFor = 4 // times its bytes is the room that a remainder takes, if that is more than firstChunkBytes

	// claimBytes is from where on a request or a reply that fills a buffer takes it along instead of being copied, and from
	// where on a value within one is not copied but viewed.
	claimBytes = 32 << 10

	// releaseBytes is how much of a mapped buffer the system gets back at a time.
	releaseBytes = 256 << 10
)

// memory knows what the buffers of a loop hold, and keeps some for reuse. Loop only.
type memory struct {
	l      *loop
	held   int64 // bytes of all buffers in use
	free   [chunkClasses]stock
	bare   stock       // buffers without memory
	dead   *buffer     // mapped ones that are done with: someone may still look at them in this turn
	litter int64       // bytes left to the garbage collector since it was last called
	timer  timer.Timer // ticks while there is something to let go of
}

// stock is a list of free buffers of one kind.
type stock struct {
	first *buffer
	count int
	least int // the smallest count since the last tick: what nobody needed
}

func (s *stock) get() *buffer {
	b := s.first
	if b != nil {
		s.first = b.next
		b.next = nil
		s.count--
		s.least = min(s.least, s.count)
	}
	return b
}

func (s *stock) put(b *buffer) {
	b.next = s.first
	s.first = b
	s.count++
}

// shrink lets go of half of what was surplus since the last time, and returns how many that are.
func (s *stock) shrink() (dropped int) {
	dropped = (s.least + 1) / 2
	for range dropped {
		s.get()
	}
	s.least = s.count
	return dropped
}

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

// take returns an empty buffer with room for at least size bytes, or an error if the system has no more.
func (m *memory) take(size int) (*buffer, error) {
	if size < mappedBytes {
		return m.takeChunk(size), nil
	}
	mapped, err := sock.Allocate(size)
	if err != nil {
		return nil, err
	}
	b := m.takeBare()
	b.mapped, b.B = mapped, mapped[:0]
	m.held += int64(bufferBytes + len(mapped))
	return b, nil
}

// takeChunk is take for less than mappedBytes, which does not fail.
func (m *memory) takeChunk(size int) *buffer {
	class, bytes := classOf(size)
	b := m.free[class].get()
	if b == nil {
		b = m.takeBare()
		b.chunk = make([]byte, bytes)
	}
	b.B = b.chunk[:0]
	m.held += int64(bufferBytes + bytes)
	return b
}

// takeRemainder returns a buffer with a copy of data, which is less than mappedBytes. One with room for far more would
// count for whoever it is kept for as if that had sent so much.
func (m *memory) takeRemainder(data []byte) *buffer {
	pooled := bytebufferpool.Get()
	if most := cap(pooled.B); most > firstChunkBytes && most > mostRoomFor*len(data) {
		bytebufferpool.Put(pooled)
		b := m.takeChunk(len(data))
		b.B = append(b.B, data...)
		return b
	}
	b := m.takeBare()
	b.pooled = pooled
	b.pooled.Set(data)
	b.B = b.pooled.B
	m.held += int64(bufferBytes + cap(b.B))
	return b
}

func (m *memory) takeBare() *buffer {
	if b := m.bare.get(); b != nil {
		return b
	}
	return new(buffer)
}

// give takes b back; nil is fine. Its bytes may be looked at until the end of the turn if they were mapped, and not at
// all otherwise.
func (m *memory) give(b *buffer) {
	switch {
	case b == nil:
		return
	case b.chunk != nil && b.views == 0:
		class, bytes := classOf(len(b.chunk))
		m.held -= int64(bufferBytes + bytes)
		m.free[class].put(b)
	case b.views > 0:
		b.given = true
		return
	case b.whole != nil:
		m.giveView(b)
		return
	case b.pooled != nil:
		m.held -= int64(bufferBytes + cap(b.pooled.B))
		if cap(b.pooled.B) >= claimBytes {
			m.litter += int64(cap(b.pooled.B)) // seldom needed again
		}
		bytebufferpool.Put(b.pooled)
		*b = buffer{}
		m.bare.put(b)
	default:
		m.held -= int64(bufferBytes + len(b.mapped) - b.gone)
		b.next = m.dead
		m.dead = b
	}
	if !m.timer.Armed() {
		m.timer.Fire = m.tick
		m.l.timers.Set(&m.timer, m.l.now+memoryTick)
	}
}

// giveView takes a view back, and what it was a view of if nobody else has that.
func (m *memory) giveView(b *buffer) {
	whole := b.whole
	m.held -= int64(bufferBytes)
	*b = buffer{}
	m.bare.put(b)
	whole.views--
	if whole.views == 0 && whole.given {
		whole.given = false
		m.give(whole)
	}
}

// split takes the first n bytes out of b, as a view.
func (m *memory) split(b *buffer, n int) *buffer {
	m.release(b)
	view := m.takeBare()
	view.B, view.at, view.kept = b.B[:n:n], b.at, b.at
	view.whole = b
	if b.whole != nil {
		view.whole = b.whole
	}
	view.whole.views++
	m.held += int64(bufferBytes)
	b.B = b.B[n:]
	b.at += n
	b.kept = b.at
	return view
}

// skip takes the first n bytes out of b: they are done with.
func (m *memory) skip(b *buffer, n int) {
	b.B = b.B[n:]
	b.at += n
	if b.at-b.kept >= releaseBytes {
		m.release(b)
	}
}

// isMapped tells whether the system can have a part of b's memory back.
func (b *buffer) isMapped() bool { return b.mapped != nil || b.whole != nil && b.whole.mapped != nil }

// giveWritten is give for bytes that nobody looks at any more, though others may at what is around them.
func (m *memory) giveWritten(b *buffer) {
	if b.whole != nil {
		b.at += len(b.B)
		m.release(b)
	}
	m.give(b)
}

// release gives the system back the pages of what was skipped in b.
func (m *memory) release(b *buffer) {
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

// bury gives the system back what was done with in this turn, or the end of it: the kernel takes almost as long to clear
// a page away as to provide it, so hundreds of megabytes go bit by bit.
func (m *memory) bury() {
	for left := maxBuriedBytes; m.dead != nil && left > 0; {
		b := m.dead
		if size := len(b.mapped) - left; size > 0 {
			if rest, err := sock.Shrink(b.mapped, size); err == nil {
				b.mapped = rest
				return
			}
		}
		left -= len(b.mapped)
		m.dead = b.next
		sock.Unmap(b.mapped)
		*b = buffer{}
		m.bare.put(b)
	}
}

// copyOf returns a buffer with a copy of data.
func (m *memory) copyOf(data []byte) (*buffer, error) {
	b, err := m.take(len(data))
	if err != nil {
		return nil, err
	}
	b.B = append(b.B, data...)
	return b, nil
}

// grow gives b more room, if it has less than directBytes. What is declared to come is never allocated ahead of the data:
// a small size doubles, a large one grows by a part, so that one request need not take half of memory_limit for nothing.
func (m *memory) grow(b *buffer) error {
	if cap(b.B)-len(b.B) >= directBytes {
		return nil
	}
	if b.mapped == nil {
		bigger, err := m.take(max(2*cap(b.B), mappedBytes))
		if err != nil {
			return err
		}
		bigger.B = append(bigger.B, b.B...)
		*b, *bigger = *bigger, *b
		m.give(bigger)
		return nil
	}
	size := len(b.mapped)
	moved, err := sock.Reallocate(b.mapped, size+min(size, max(size/growthPart, growthBytes)))
	if err != nil {
		return err
	}
	m.held += int64(len(moved) - len(b.mapped))
	b.mapped, b.B = moved, moved[:len(b.B)]
	return nil
}

const (
	growthPart  = 16
	growthBytes = 256 << 10

	memoryTick      = int64(time.Second)
	litterBytes     = 1 << 20  // worth a collection
	lastLitterBytes = 64 << 10 // the same once the loop has come to rest
	muchLitterBytes = 64 << 20 // too much to be given back to the system in one go
)

// keepNone lets go of all that is kept for reuse: it does not count, but it is memory.
func (m *memory) keepNone() {
	for class := range m.free {
		_, bytes := classOf(1 << (smallestClass + class*bitsBetweenThem))
		m.litter += int64(m.free[class].count * bytes)
		m.free[class] = stock{}
	}
	if m.litter >= litterBytes {
		go collect(true)
		m.litter = 0
	}
}

// tick lets go of what the last second did not need, and has the garbage collected once there is enough. Without this a
// worker that has become idle would keep what it needed in its busiest moment for minutes.
func (m *memory) tick() {
	left := m.bare.count
	m.bare.shrink()
	for class := range m.free {
		dropped := m.free[class].shrink()
		_, bytes := classOf(1 << (smallestClass + class*bitsBetweenThem))
		m.litter += int64(dropped * bytes)
		left += m.free[class].count
	}
	enough := int64(litterBytes)
	if left == 0 {
		enough = lastLitterBytes
	}
	if m.litter >= enough {
		go collect(m.litter >= muchLitterBytes)
		m.litter = 0
	}
	if left > 0 {
		m.l.timers.Set(&m.timer, m.l.now+memoryTick)
	}
}

// collect runs beside the loop. It takes two collections for a pool to let go of a buffer.
func collect(much bool) {
	runtime.GC()
	if much {
		runtime.GC() // what is free then goes back bit by bit, without a pause
		return
	}
	debug.FreeOSMemory()
}
