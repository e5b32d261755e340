// The memory that the master and all workers of a generation map: counters (one writer per word) and liveness words
// (compare-and-swap by anyone).

package link

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

const (
	wordBytes     = 8
	wordsPerLine  = 64 / wordBytes // a cache line; blocks of different writers never share one
	headerWords   = wordsPerLine
	sharedMagic   = 0x50494e494f4e0002 // "PINION", format 2
	sharedMinimum = headerWords * wordBytes
	perServer     = numServerCounters + LatencyBuckets
)

// Shared gives names to the words of the mapping. The layout follows from the pools and the number of slots alone:
//
//	header │ per pool: epoch, liveness of each server │ per slot: worker, per pool: pool counters, per server: counters, latencies
//	       │ per slot: signs of life, see pulse.go │ per slot: clients that have moved, see moved.go
//	       │ per server: when it last failed, see blame.go │ per slot: where servers were found, see found.go
//
// A slot's words are written by the worker of that slot only, with plain stores; readers use the Sum methods. They
// outlive their worker: the successor in the slot counts on. One more slot, Legacy, holds what earlier generations have
// counted; the master writes it.
type Shared struct {
	words   []uint64
	slots   int
	live    []int // word of each pool's epoch; its servers' liveness words follow
	slot0   int   // first word of slot 0
	perSlot int   // words of one slot, a whole number of cache lines
	pool    []int // offset of each pool's counters within a slot
	servers []int // servers of each pool

	alive    bool  // there are signs of life
	pulse0   int   // first word of those of slot 0
	perPulse int   // words of those of one slot, a whole number of cache lines
	heard    []int // offset of those of each pool's servers within a slot's

	counts   bool // there are words about clients that move
	moved0   int  // first word of those of slot 0
	perMoved int  // words of those of one slot, a whole number of cache lines

	blames bool  // there are times of failures
	blame0 int   // first of those
	blamed []int // first of those of each pool

	finds    bool  // there are addresses
	found0   int   // first word of those of slot 0
	perFound int   // words of those of one slot, a whole number of cache lines
	found    []int // offset of those of each pool's servers within a slot's
	end      int   // words in all
}

// newShared computes the layout; servers[i] is the number of servers of pool i.
func newShared(servers []int, slots int) *Shared {
	s := &Shared{slots: slots, servers: servers}
	next := headerWords
	for _, n := range servers {
		s.live = append(s.live, next)
		next += roundUp(1 + n)
	}
	s.slot0 = next
	off := int(numWorkerCounters)
	for _, n := range servers {
		s.pool = append(s.pool, off)
		off += numPoolCounters + n*perServer
	}
	s.perSlot = roundUp(off)
	s.layPulse()
	s.layMoved()
	s.layBlame()
	s.layFound()
	return s
}

func roundUp(words int) int { return (words + wordsPerLine - 1) &^ (wordsPerLine - 1) }

// SharedBytes returns the size of the mapping for pools with these numbers of servers.
func SharedBytes(servers []int, slots int) int {
	return newShared(servers, slots).end * wordBytes
}

// ServerCounts returns the number of servers of each pool, as SharedBytes and OpenShared want it.
func ServerCounts(pools []Pool) []int {
	n := make([]int, len(pools))
	for i := range pools {
		n[i] = len(pools[i].Servers)
	}
	return n
}

// OpenShared lays the names over mem, which must be page-aligned. Fresh (all-zero) memory, of SharedBytes at least, is
// claimed. What another process has claimed must hold the counters, see CounterBytes, and may hold what stands behind
// them; memory that holds something else is an error.
func OpenShared(mem []byte, servers []int, slots int) (*Shared, error) {
	s := newShared(servers, slots)
	if want := s.pulse0 * wordBytes; len(mem) < want || len(mem) < sharedMinimum {
		return nil, fmt.Errorf("opening shared memory: %d bytes, want %d", len(mem), want)
	}
	s.words = unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/wordBytes)
	if atomic.LoadUint64(&s.words[0]) == 0 {
		if len(s.words) < s.end {
			return nil, fmt.Errorf("opening shared memory: %d bytes, want %d", len(mem), s.end*wordBytes)
		}
		atomic.StoreUint64(&s.words[pulseWord], uint64(s.pulse0))
		atomic.StoreUint64(&s.words[movedWord], uint64(s.moved0))
		atomic.StoreUint64(&s.words[blameWord], uint64(s.blame0))
		atomic.StoreUint64(&s.words[foundWord], uint64(s.found0))
		atomic.CompareAndSwapUint64(&s.words[0], 0, sharedMagic)
	}
	if magic := atomic.LoadUint64(&s.words[0]); magic != sharedMagic {
		return nil, fmt.Errorf("opening shared memory: unknown format %#x", magic)
	}
	s.alive = atomic.LoadUint64(&s.words[pulseWord]) == uint64(s.pulse0) && len(s.words) >= s.moved0
	s.counts = s.alive && atomic.LoadUint64(&s.words[movedWord]) == uint64(s.moved0) && len(s.words) >= s.blame0
	s.blames = s.counts && atomic.LoadUint64(&s.words[blameWord]) == uint64(s.blame0) && len(s.words) >= s.found0
	s.finds = s.blames && atomic.LoadUint64(&s.words[foundWord]) == uint64(s.found0) && len(s.words) >= s.end
	return s, nil
}

// ReopenShared is OpenShared for all of a memory file that another master has made, perhaps one of another build. Memory
// that nobody has claimed, or whose counters do not end where they would here, is an error.
func ReopenShared(mem []byte, servers []int, slots int) (*Shared, error) {
	if len(mem) >= sharedMinimum {
		words := unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), headerWords)
		if magic := atomic.LoadUint64(&words[0]); magic != sharedMagic {
			return nil, fmt.Errorf("opening shared memory: unknown format %#x", magic)
		}
		counters := words[pulseWord] * wordBytes
		if counters == 0 {
			counters = uint64(len(mem))
		}
		if want := CounterBytes(servers, slots); counters != uint64(want) {
			return nil, fmt.Errorf("opening shared memory: %d bytes of counters, want %d", counters, want)
		}
	}
	return OpenShared(mem, servers, slots)
}

// Slots returns the number of slots of the layout, without Legacy.
func (s *Shared) Slots() int { return s.slots }

// Legacy is the slot of what earlier generations have counted.
func (s *Shared) Legacy() int { return s.slots }

// Epoch is the word that every change of a liveness word of the pool adds one to. Atomic access only.
func (s *Shared) Epoch(pool int) *uint64 { return &s.words[s.live[pool]] }

// Liveness is the liveness word (shard.Liveness) of a server. Atomic access only.
func (s *Shared) Liveness(pool, server int) *uint64 { return &s.words[s.live[pool]+1+server] }

// Worker returns the counters of a slot's worker, by index of WorkerCounters. Written by that worker only.
func (s *Shared) Worker(slot int) []uint64 {
	off := s.slot0 + slot*s.perSlot
	return s.words[off : off+numWorkerCounters : off+numWorkerCounters]
}

// Pool returns the counters of a pool in a slot, by index of PoolCounters. Written by that slot's worker only.
func (s *Shared) Pool(slot, pool int) []uint64 {
	off := s.slot0 + slot*s.perSlot + s.pool[pool]
	return s.words[off : off+numPoolCounters : off+numPoolCounters]
}

// Server returns the counters of a server in a slot, by index of ServerCounters. Written by that slot's worker only.
func (s *Shared) Server(slot, pool, server int) []uint64 {
	off := s.slot0 + slot*s.perSlot + s.pool[pool] + numPoolCounters + server*perServer
	return s.words[off : off+numServerCounters : off+numServerCounters]
}

// SumWorker adds up a worker counter over all slots and Legacy, as the other sums do.
func (s *Shared) SumWorker(counter int) uint64 {
	return s.sum(WorkerCounters[counter].Kind, func(slot int) *uint64 { return &s.Worker(slot)[counter] })
}

// SumPool adds up a pool counter over all slots.
func (s *Shared) SumPool(pool, counter int) uint64 {
	return s.sum(PoolCounters[counter].Kind, func(slot int) *uint64 { return &s.Pool(slot, pool)[counter] })
}

// SumServer adds up a server counter over all slots.
func (s *Shared) SumServer(pool, server, counter int) uint64 {
	return s.sum(ServerCounters[counter].Kind, func(slot int) *uint64 { return &s.Server(slot, pool, server)[counter] })
}

func (s *Shared) sum(kind CounterKind, word func(slot int) *uint64) uint64 {
	var total uint64
	for slot := range s.slots + 1 {
		v := atomic.LoadUint64(word(slot))
		if kind == Timestamp {
			total = max(total, v)
			continue
		}
		total += v
	}
	return total
}

// ZeroGauges forgets what a dead worker had open. Only the master calls it, between reaping a worker and starting its
// successor, so there is still one writer.
func (s *Shared) ZeroGauges(slot int) {
	zero := func(words []uint64, infos []CounterInfo) {
		for i, info := range infos {
			if info.Kind == Gauge {
				atomic.StoreUint64(&words[i], 0)
			}
		}
	}
	zero(s.Worker(slot), WorkerCounters[:])
	for pool, n := range s.servers {
		zero(s.Pool(slot, pool), PoolCounters[:])
		for server := range n {
			zero(s.Server(slot, pool, server), ServerCounters[:])
		}
	}
}
