// The memory that the master and all workers of a generation map: counters (one writer per word) and liveness words
// (compare-and-swap by anyone).

package link

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Shared gives names to the words of the mapping; layout.go says where they are.
//
// A slot's words are written by the worker of that slot only, with plain stores; readers use the Sum methods. They
// outlive their worker: the successor in the slot counts on. One more slot, Legacy, holds what earlier generations have
// counted; the master writes it.
//
// A word that the memory does not have, since another build has made it, is one that nobody else sees.
type Shared struct {
	words []uint64
	dir   directory // what is where

	// Places of what this build knows.
	worker     [numWorkerCounters]place
	pool       [numPoolCounters]place
	server     [numServerCounters]place
	epoch      place
	liveness   place
	turns      place
	heard      place
	moved      place
	blamed     place
	ejection   place
	probedAt   place
	startedAt  place
	slowLimit  place
	found      [foundWords]place
	leases     [MaxReplicas]place
	replicas   [MaxReplicas]place
	buckets    []bucket // of latencies, the least first
	plain      bool     // they are those of this build
	slow       slowRing
	keys       [2]place // sketches by requests, by bytes
	keysHalved place
	troubles   [len(troubleNames)]place

	certificates [len(certificateNames)]place
}

// WorkerWords, PoolWords and ServerWords are counters of one writer, by index of WorkerCounters, PoolCounters and
// ServerCounters.
type (
	WorkerWords [numWorkerCounters]*uint64
	PoolWords   [numPoolCounters]*uint64
	ServerWords [numServerCounters]*uint64
)

// SharedBytes returns the size of the mapping for pools with these numbers of servers.
func SharedBytes(servers []int, slots int) int {
	l := newLayout(servers, slots)
	return l.end*wordBytes + (len(l.text())+wordBytes-1)/wordBytes*wordBytes
}

// CounterBytes returns how much of the mapping every build lays out alike: the liveness words and the first counters.
func CounterBytes(servers []int, slots int) int {
	return newLayout(servers, slots).counters * wordBytes
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
	l := newLayout(servers, slots)
	if want := l.counters * wordBytes; len(mem) < want || len(mem) < sharedMinimum {
		return nil, fmt.Errorf("opening shared memory: %d bytes, want %d", len(mem), want)
	}
	s := &Shared{words: unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)/wordBytes)}
	if atomic.LoadUint64(&s.words[0]) == 0 {
		if err := s.claim(mem, l); err != nil {
			return nil, err
		}
		s.dir = l.directory
		s.locate()
		return s, nil
	}
	if magic := atomic.LoadUint64(&s.words[0]); magic != sharedMagic {
		return nil, fmt.Errorf("opening shared memory: unknown format %#x", magic)
	}
	if err := s.read(mem, l); err != nil {
		return nil, fmt.Errorf("opening shared memory: reading its directory: %w", err)
	}
	s.locate()
	return s, nil
}

// ReopenShared is OpenShared for all of a memory file that another master has made, perhaps one of another build. Memory
// that nobody has claimed, or that has no directory and whose counters do not end where they would here, is an error.
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
		if want := CounterBytes(servers, slots); words[directoryWord] == 0 && counters != uint64(want) {
			return nil, fmt.Errorf("opening shared memory: %d bytes of counters, want %d", counters, want)
		}
	}
	return OpenShared(mem, servers, slots)
}

// claim makes fresh memory that of this build.
func (s *Shared) claim(mem []byte, l *layout) error {
	text, first := l.text(), l.end*wordBytes
	if len(mem) < first+len(text) {
		return fmt.Errorf("opening shared memory: %d bytes, want %d", len(mem), first+len(text))
	}
	copy(mem[first:], text)
	for word, part := range l.parts {
		atomic.StoreUint64(&s.words[word], uint64(part))
	}
	atomic.StoreUint64(&s.words[directoryWord], uint64(l.end))
	atomic.StoreUint64(&s.words[directorySize], uint64(len(text)))
	atomic.StoreUint64(&s.words[0], sharedMagic)
	return nil
}

// read takes the directory of the memory or, if there is none, what of this build's layout is there.
func (s *Shared) read(mem []byte, l *layout) (err error) {
	first, size := atomic.LoadUint64(&s.words[directoryWord]), atomic.LoadUint64(&s.words[directorySize])
	if first == 0 {
		s.dir = l.upTo(s.words)
		return nil
	}
	if first > uint64(len(s.words)) || size > uint64(len(mem))-first*wordBytes {
		return fmt.Errorf("it is %d bytes at word %d of %d", size, first, len(s.words))
	}
	s.dir, err = parseDirectory(mem[first*wordBytes:][:size], len(s.words), l.Servers, l.Slots)
	return err
}

// locate finds what this build knows.
func (s *Shared) locate() {
	for i, info := range WorkerCounters {
		s.worker[i] = s.place(ofWorker, info.Name, s.dir.Slots+1)
	}
	for i, info := range PoolCounters {
		s.pool[i] = s.place(ofPool, info.Name, s.dir.Slots+1)
	}
	for i, info := range ServerCounters {
		s.server[i] = s.place(ofServer, info.Name, s.dir.Slots+1)
	}
	s.locateLatency()
	s.epoch, s.liveness = s.place(ofPool, "epoch", 0), s.place(ofServer, "liveness", 0)
	s.turns, s.heard = s.place(ofWorker, "turns", s.dir.Slots), s.place(ofServer, "heard", s.dir.Slots)
	s.ejection, s.slowLimit = s.place(ofServer, "ejection", 0), s.place(ofServer, "slow_limit", 0)
	s.probedAt, s.startedAt = s.place(ofServer, "probed_at", 0), s.place(ofServer, "started_at", 0)
	s.moved, s.blamed = s.place(ofPool, "moved", s.dir.Slots+1), s.place(ofServer, "failed_at", 0)
	for i, name := range foundNames {
		s.found[i] = s.place(ofServer, name, s.dir.Slots+1)
	}
	s.locateReplicas()
	s.locateSlow()
	s.locateKeys()
	s.locateServerWords(troubleNames[:], s.troubles[:])
	s.locateServerWords(certificateNames[:], s.certificates[:])
}

// place returns where a word is; nowhere, too, if it is not there for so many slots.
func (s *Shared) place(of, name string, slots int) place {
	if p := s.dir.find(of, name); p.block != nil && p.Slots >= slots {
		return p
	}
	return place{}
}

// at returns a word; nil if the memory does not have it.
func (s *Shared) at(p place, slot, pool, server int) *uint64 {
	if p.block == nil {
		return nil
	}
	return &s.words[p.index(slot, pool, server)]
}

// own returns a word or, if the memory does not have it, one that nobody else sees.
func (s *Shared) own(p place, slot, pool, server int) *uint64 {
	if word := s.at(p, slot, pool, server); word != nil {
		return word
	}
	return new(uint64)
}

// Slots returns the number of slots of the layout, without Legacy.
func (s *Shared) Slots() int { return s.dir.Slots }

// Legacy is the slot of what earlier generations have counted.
func (s *Shared) Legacy() int { return s.dir.Slots }

// Epoch is the word that every change of a liveness word of the pool adds one to. Atomic access only.
func (s *Shared) Epoch(pool int) *uint64 { return s.own(s.epoch, 0, pool, 0) }

// Liveness is the liveness word (shard.Liveness) of a server. Atomic access only.
func (s *Shared) Liveness(pool, server int) *uint64 { return s.own(s.liveness, 0, pool, server) }

// Worker returns the counters of a slot's worker. Written by that worker only.
func (s *Shared) Worker(slot int) (words WorkerWords) {
	for i := range words {
		words[i] = s.own(s.worker[i], slot, 0, 0)
	}
	return words
}

// Pool returns the counters of a pool in a slot. Written by that slot's worker only.
func (s *Shared) Pool(slot, pool int) (words PoolWords) {
	for i := range words {
		words[i] = s.own(s.pool[i], slot, pool, 0)
	}
	return words
}

// Server returns the counters of a server in a slot. Written by that slot's worker only.
func (s *Shared) Server(slot, pool, server int) (words ServerWords) {
	for i := range words {
		words[i] = s.own(s.server[i], slot, pool, server)
	}
	return words
}

// PoolCounter is one of Pool.
func (s *Shared) PoolCounter(slot, pool, counter int) *uint64 {
	return s.own(s.pool[counter], slot, pool, 0)
}

// ServerCounter is one of Server.
func (s *Shared) ServerCounter(slot, pool, server, counter int) *uint64 {
	return s.own(s.server[counter], slot, pool, server)
}

// ZeroGauges forgets what a dead worker had open. Only the master calls it, between reaping a worker and starting its
// successor, so there is still one writer.
func (s *Shared) ZeroGauges(slot int) {
	zero := func(of string, pool, server int) {
		s.dir.each(of, func(name counterName, p place) {
			if name.kind() == Gauge && slot < p.Slots {
				atomic.StoreUint64(s.at(p, slot, pool, server), 0)
			}
		})
	}
	zero(ofWorker, 0, 0)
	for pool, n := range s.dir.Servers {
		zero(ofPool, pool, 0)
		for server := range n {
			zero(ofServer, pool, server)
		}
	}
}

// locateServerWords finds words of each server.
func (s *Shared) locateServerWords(names []string, places []place) {
	for i, name := range names {
		places[i] = s.place(ofServer, name, s.dir.Slots+1)
	}
}
