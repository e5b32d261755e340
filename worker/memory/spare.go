// Buffers that are kept for reuse, and when they are freed.

package memory

import (
	"runtime"
	"runtime/debug"
	"time"
)

const (
	memoryTick       = int64(time.Second)
	garbageBytes     = 1 << 20  // worth a collection
	lastGarbageBytes = 64 << 10 // the same once the loop has come to rest
	muchGarbageBytes = 64 << 20 // too much to be given back to the system in one go
)

// stock is a list of free buffers of one kind.
type stock struct {
	first *Buffer
	count int
	least int // the smallest count since the last tick: what nobody needed
}

func (s *stock) get() *Buffer {
	b := s.first
	if b != nil {
		s.first = b.next
		b.next = nil
		s.count--
		s.least = min(s.least, s.count)
	}
	return b
}

func (s *stock) put(b *Buffer) {
	b.next = s.first
	s.first = b
	s.count++
}

// shrink frees half of what was surplus since the last time, and returns how many buffers that are.
func (s *stock) shrink() (dropped int) {
	dropped = (s.least + 1) / 2
	for range dropped {
		s.get()
	}
	s.least = s.count
	return dropped
}

// Expect is called where there may be something to free that was not there before.
func (m *Allocator) Expect() {
	if !m.timer.Armed() {
		m.timers.Set(&m.timer, *m.now+memoryTick)
	}
}

// CountGarbage counts n bytes that are left to the garbage collector.
func (m *Allocator) CountGarbage(n int) { m.garbage += int64(n) }

// DropSpares frees all buffers that are kept for reuse: they do not count as held, but they are memory.
func (m *Allocator) DropSpares() {
	for class := range m.free {
		_, bytes := classOf(1 << (smallestClass + class*bitsBetweenThem))
		m.garbage += int64(m.free[class].count * bytes)
		m.free[class] = stock{}
	}
	if m.garbage >= garbageBytes {
		go m.Collect(true)
		m.garbage = 0
	}
}

// tick frees what the last second did not need, and starts a collection once there is enough garbage. Without this an idle
// worker would keep the memory of its busiest moment for minutes.
func (m *Allocator) tick() {
	left := m.bare.count
	m.bare.shrink()
	for class := range m.free {
		dropped := m.free[class].shrink()
		_, bytes := classOf(1 << (smallestClass + class*bitsBetweenThem))
		m.garbage += int64(dropped * bytes)
		left += m.free[class].count
	}
	idle := false
	if m.Idle != nil {
		var garbage int
		garbage, idle = m.Idle()
		m.garbage += int64(garbage)
	}
	enough := int64(garbageBytes)
	if left == 0 && !idle {
		enough = lastGarbageBytes
	}
	if m.garbage >= enough {
		go m.Collect(m.garbage >= muchGarbageBytes)
		m.garbage = 0
	}
	if left > 0 || idle {
		m.timers.Set(&m.timer, *m.now+memoryTick)
	}
}

// Collect collects garbage and gives memory back to the system, which takes milliseconds: it runs beside the loop. A pool
// lets go of a buffer after two collections.
func Collect(much bool) {
	runtime.GC()
	if much {
		runtime.GC() // what is free then goes back bit by bit, without a pause
		return
	}
	debug.FreeOSMemory()
}
