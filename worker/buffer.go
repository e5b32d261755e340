// Memory for bytes that must outlive a turn. Buffers come from a pool and go back as soon as they are empty, so that an
// idle connection owns none. Large ones are mapped for the purpose: they grow without being copied, and the system has
// them back the moment they are done with.
package worker

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/valyala/bytebufferpool"

	"github.com/pinion-proxy/pinion/worker/sock"
)

// buffer holds bytes. nil is an empty buffer that owns nothing. Nobody appends beyond cap(B).
type buffer struct {
	B      []byte
	pooled *bytebufferpool.ByteBuffer // where B's memory is from, or
	mapped []byte                     // this is
	next   *buffer                    // in a list of memory
}

// size returns how many bytes of memory b owns.
func (b *buffer) size() int {
	if b.pooled != nil {
		return cap(b.pooled.B)
	}
	return len(b.mapped)
}

const (
	firstChunkBytes   = 4 << 10  // of an output queue that was empty
	largestChunkBytes = 64 << 10 // of one that is not
	mappedBytes       = 128 << 10

	// claimBytes is from where on a request or a reply that fills a buffer takes it along instead of being copied.
	claimBytes = 32 << 10
)

// memory knows how much the buffers of a loop hold, and when the garbage is worth collecting. Loop only.
type memory struct {
	l      *loop
	spare  *buffer // without memory, for reuse
	spares int
	dead   *buffer // mapped ones that are done with: someone may still look at them in this turn

	held   int64 // bytes of all buffers in use
	heap   int64 // of those that are not mapped, and of connections
	peak   int64 // the most of heap since the last tick
	litter int64 // what was taken from the heap since the last collection
	timer  timer // ticks while there is enough litter
}

const maxSpares = 1024

// take returns an empty buffer with room for at least size bytes, or an error if the system has no more.
func (m *memory) take(size int) (*buffer, error) {
	if size < mappedBytes {
		return m.takeSmall(size), nil
	}
	mapped, err := sock.Allocate(size)
	if err != nil {
		return nil, err
	}
	b := m.bare()
	b.mapped, b.B = mapped, mapped[:0]
	m.held += int64(len(mapped))
	return b, nil
}

// takeSmall is take for less than mappedBytes, which does not fail.
func (m *memory) takeSmall(size int) *buffer {
	b := m.bare()
	b.pooled = bytebufferpool.Get()
	if cap(b.pooled.B) < size {
		b.pooled.B = make([]byte, 0, size)
		m.littered(size)
	}
	b.B = b.pooled.B[:0]
	m.held += int64(cap(b.B))
	m.use(cap(b.B))
	return b
}

func (m *memory) bare() *buffer {
	b := m.spare
	if b == nil {
		return new(buffer)
	}
	m.spare = b.next
	m.spares--
	b.next = nil
	return b
}

// give takes b back; nil is fine. Its bytes may be looked at until the end of the turn if they were mapped, and not at
// all if they were pooled.
func (m *memory) give(b *buffer) {
	if b == nil {
		return
	}
	m.held -= int64(b.size())
	if b.pooled == nil {
		b.next = m.dead
		m.dead = b
		return
	}
	m.heap -= int64(b.size())
	b.pooled.B = b.B // its length tells the pool which sizes are asked for
	bytebufferpool.Put(b.pooled)
	m.reuse(b)
}

func (m *memory) reuse(b *buffer) {
	if m.spares == maxSpares {
		return
	}
	*b = buffer{next: m.spare}
	m.spare = b
	m.spares++
}

// bury gives the system back what was done with in this turn.
func (m *memory) bury() {
	for m.dead != nil {
		b := m.dead
		m.dead = b.next
		sock.Unmap(b.mapped)
		m.reuse(b)
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

// grow gives b more room, if it has less than directBytes. Its size doubles: what is declared to come is never allocated
// ahead of the data.
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
	moved, err := sock.Reallocate(b.mapped, 2*len(b.mapped))
	if err != nil {
		return err
	}
	m.held += int64(len(moved) - len(b.mapped))
	b.mapped, b.B = moved, moved[:len(b.B)]
	return nil
}

const (
	litterBytes     = 1 << 20  // worth a collection
	muchLitterBytes = 64 << 20 // too much to be given back to the system in one go
	litterTick      = int64(time.Second)
)

// use counts bytes of the heap that are in use from now on.
func (m *memory) use(bytes int) {
	m.heap += int64(bytes)
	m.peak = max(m.peak, m.heap)
}

// littered notes bytes that were taken from the heap.
func (m *memory) littered(bytes int) {
	m.litter += int64(bytes)
	if m.litter >= litterBytes && m.timer.pos == 0 {
		m.timer.fire = m.tick
		m.l.timers.set(&m.timer, m.l.now+litterTick)
	}
}

// tick has the garbage collected if the last second needed less than there is: a burst is over. Without this a worker
// that has become idle would keep what it needed in its busiest moment for minutes.
func (m *memory) tick() {
	surplus := m.litter - m.peak
	m.peak = m.heap
	if surplus < litterBytes {
		m.l.timers.set(&m.timer, m.l.now+litterTick)
		return
	}
	much := m.litter >= muchLitterBytes
	m.litter = 0
	go collect(much)
}

// collect runs beside the loop. It takes two collections for the pool to let go of a buffer.
func collect(much bool) {
	runtime.GC()
	if much {
		runtime.GC() // what is free then goes back bit by bit, without a pause
		return
	}
	debug.FreeOSMemory()
}
