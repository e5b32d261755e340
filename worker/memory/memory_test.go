// Buffers grow, count, and go back to where they came from, bit by bit.

package memory

import (
	"os"
	"testing"

	"github.com/pinion-proxy/pinion/worker/timer"
)

func newAllocator() *Allocator { return New(new(timer.Heap), new(int64)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Much memory goes back bit by bit.
func TestReclaim(t *testing.T) {
	m := newAllocator()
	const most = 4 << 20
	for range 2 {
		b, err := m.Get(5*most/2 + 1)
		must(t, err)
		m.Put(b)
	}
	if m.held != 0 {
		t.Errorf("%d bytes are held", m.held)
	}
	turns := 0
	for ; m.Reclaims(); turns++ {
		m.Reclaim(most)
	}
	if turns != 6 || m.bare.count != 2 { // five times as much, and two pages
		t.Errorf("it took %d turns, and %d buffers came back", turns, m.bare.count)
	}
}

// A buffer grows by a part of what it holds, so that memory_limit can be spent on what there is.
func TestGrowth(t *testing.T) {
	m := newAllocator()
	const room = 16 << 10
	b, err := m.Get(MappedBytes)
	must(t, err)
	for steps := 0; len(b.B) < 64<<20; steps++ {
		full := len(b.mapped)
		b.B = b.B[:full]
		must(t, m.Grow(b, room))
		if more := len(b.mapped) - full; more < room || more > max(GrowthBytes, full/GrowthPart)+os.Getpagesize() {
			t.Fatalf("%d bytes are full, and it grows by %d", full, more)
		}
		if steps > 100 {
			t.Fatal("it takes too many steps to grow")
		}
	}
	if m.held != int64(BufferBytes+len(b.mapped)) {
		t.Errorf("%d bytes count, it has %d", m.held, len(b.mapped))
	}
	m.Put(b)
	m.Reclaim(100 << 20)
}

// Who sends a few bytes is not taken for one who holds much because a buffer that had much in it is used again.
func TestSmallRemainderCountsAsSmall(t *testing.T) {
	m := newAllocator()
	for range 100 { // of which the pool keeps some
		large := m.GetRemainder(make([]byte, 100_000))
		m.Put(large)
		small := m.GetRemainder([]byte("*1\r\n"))
		if cost := small.Cost(); cost > 2*FirstChunkBytes {
			t.Fatalf("a remainder of 4 bytes counts as %d", cost)
		}
		m.Put(small)
	}
}

// What is idle elsewhere is freed once a second until nothing of it is left, and the garbage is collected.
func TestIdle(t *testing.T) {
	timers, now := new(timer.Heap), new(int64)
	m := New(timers, now)
	collected := make(chan bool, 1)
	m.Collect = func(much bool) { collected <- much }
	idle := 3
	m.Idle = func() (garbage int, left bool) {
		idle--
		return lastGarbageBytes / 2, idle > 0
	}
	m.Expect()
	for {
		at, ok := timers.Next()
		if !ok {
			break
		}
		*now = at
		timers.Run(at)
	}
	if idle != 0 || *now != 3*memoryTick || m.garbage != 0 {
		t.Errorf("after %d ns there are %d left, and %d bytes of garbage", *now, idle, m.garbage)
	}
	<-collected
}
