// Sums of the words of all slots: what all workers together have counted.

package link

import "sync/atomic"

// SumWorker adds up a worker counter over all slots and Legacy, as the other sums do.
func (s *Shared) SumWorker(counter int) uint64 {
	return s.sum(s.worker[counter], WorkerCounters[counter].Kind, 0, 0)
}

// SumPool adds up a pool counter over all slots.
func (s *Shared) SumPool(pool, counter int) uint64 {
	return s.sum(s.pool[counter], PoolCounters[counter].Kind, pool, 0)
}

// SumServer adds up a server counter over all slots.
func (s *Shared) SumServer(pool, server, counter int) uint64 {
	return s.sum(s.server[counter], ServerCounters[counter].Kind, pool, server)
}

// OwnWorker adds up a worker counter over the slots: what the workers of this generation have counted, without Legacy.
func (s *Shared) OwnWorker(counter int) uint64 {
	return s.sumOf(s.worker[counter], WorkerCounters[counter].Kind, SlotRange{0, s.dir.Slots}, 0, 0)
}

// OwnPool does so with a pool counter.
func (s *Shared) OwnPool(pool, counter int) uint64 {
	return s.sumOf(s.pool[counter], PoolCounters[counter].Kind, SlotRange{0, s.dir.Slots}, pool, 0)
}

// OwnServer does so with a server counter.
func (s *Shared) OwnServer(pool, server, counter int) uint64 {
	return s.sumOf(s.server[counter], ServerCounters[counter].Kind, SlotRange{0, s.dir.Slots}, pool, server)
}

// AddOwnLatency adds the histogram of a server over the slots to one, without Legacy.
func (s *Shared) AddOwnLatency(pool, server int, to *[LatencyBuckets]uint64) {
	if s.plain {
		for slot := range s.dir.Slots {
			for bucket, words := 0, s.Latency(slot, pool, server); bucket < LatencyBuckets; bucket++ {
				to[bucket] += atomic.LoadUint64(&words[bucket])
			}
		}
		return
	}
	for i := range s.buckets {
		b := &s.buckets[i]
		to[b.own] += s.sumOf(b.place, Counter, SlotRange{0, s.dir.Slots}, pool, server)
	}
}

// ServerNow returns a gauge of a server: what the workers of this generation have, and what those of others had when the master last
// looked.
func (s *Shared) ServerNow(pool, server, counter int) (here, elsewhere uint64) {
	here = s.sumOf(s.server[counter], Gauge, SlotRange{0, s.dir.Slots}, pool, server)
	return here, atomic.LoadUint64(s.ServerCounter(s.Legacy(), pool, server, counter))
}

func (s *Shared) sum(p place, kind CounterKind, pool, server int) uint64 {
	return s.sumOf(p, kind, SlotRange{0, s.dir.Slots + 1}, pool, server)
}

// SlotRange are the slots from First to the one before End.
type SlotRange struct{ First, End int }

// sumOf adds up a word over some slots.
func (s *Shared) sumOf(p place, kind CounterKind, of SlotRange, pool, server int) (total uint64) {
	if p.block == nil {
		return 0
	}
	for slot := of.First; slot < min(of.End, p.Slots); slot++ {
		total = kind.Add(total, atomic.LoadUint64(s.at(p, slot, pool, server)))
	}
	return total
}

// WorkerTotals adds up the worker counters over some slots, by name, those included that this build does not know; those of
// pools and servers likewise. Gauges are left out unless they are asked for.
func (s *Shared) WorkerTotals(of SlotRange, gauges bool) map[string]uint64 {
	return s.totals(ofWorker, of, gauges, 0, 0)
}

// PoolTotals does so for a pool.
func (s *Shared) PoolTotals(pool int, of SlotRange, gauges bool) map[string]uint64 {
	return s.totals(ofPool, of, gauges, pool, 0)
}

// ServerTotals does so for a server.
func (s *Shared) ServerTotals(pool, server int, of SlotRange, gauges bool) map[string]uint64 {
	return s.totals(ofServer, of, gauges, pool, server)
}

// LatencyTotals returns the histogram of a server over some slots, by the bounds of buckets in µs, without empty ones.
func (s *Shared) LatencyTotals(pool, server int, of SlotRange) map[string]uint64 {
	all := map[string]uint64{}
	s.dir.each(ofLatency, func(name counterName, p place) {
		if n := s.sumOf(p, Counter, of, pool, server); n > 0 {
			all[name.Name] += n
		}
	})
	return all
}

func (s *Shared) totals(what string, of SlotRange, gauges bool, pool, server int) map[string]uint64 {
	all := map[string]uint64{}
	s.dir.each(what, func(name counterName, p place) {
		kind := name.kind()
		if kind == Counter || kind == Timestamp || kind == Gauge && gauges {
			all[name.Name] = kind.Add(all[name.Name], s.sumOf(p, kind, of, pool, server))
		}
	})
	return all
}

// Add adds up two values of a counter.
func (k CounterKind) Add(a, b uint64) uint64 {
	if k == Timestamp {
		return max(a, b)
	}
	return a + b
}
