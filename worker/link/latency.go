// How long servers took to reply: a histogram of each, in buckets that are an eighth of a power of two wide, so that what
// is read off it is at most an eighth too much. (Log-linear buckets, as in Gil Tene's HdrHistogram.)

package link

import (
	"math/bits"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	latencySubBits = 3
	latencySubs    = 1 << latencySubBits
	latencyOctaves = 24 // of which the last ends at 2²⁷ µs, about 134 s
	latencyUnit    = int64(time.Microsecond)

	// LatencyBuckets is the number of buckets. The last one holds whatever took longer, too.
	LatencyBuckets = (1 + latencyOctaves) * latencySubs
)

// LatencyBucket returns the bucket of a latency in ns.
func LatencyBucket(ns int64) int {
	units := uint64(max(ns, 0) / latencyUnit)
	if units < latencySubs {
		return int(units)
	}
	octave := bits.Len64(units) - latencySubBits // from 1 on
	return min(octave<<latencySubBits+int(units>>(octave-1))&(latencySubs-1), LatencyBuckets-1)
}

// LatencyBound returns what everything in a bucket is less than.
func LatencyBound(bucket int) time.Duration {
	octave, sub := bucket>>latencySubBits, int64(bucket&(latencySubs-1))
	if octave == 0 {
		return time.Duration((sub + 1) * latencyUnit)
	}
	return time.Duration((latencySubs + sub + 1) << (octave - 1) * latencyUnit)
}

// Quantile returns the bound of the bucket in which the q-th part of all counts is reached, 0 < q ≤ 1; 0 if there are none.
func Quantile(counts *[LatencyBuckets]uint64, q float64) time.Duration {
	total := uint64(0)
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return 0
	}
	rank := max(uint64(q*float64(total)+0.5), 1)
	seen := uint64(0)
	for bucket, n := range counts {
		if seen += n; seen >= rank {
			return LatencyBound(bucket)
		}
	}
	return LatencyBound(LatencyBuckets - 1)
}

// bucket is one of the memory.
type bucket struct {
	place
	own int // the bucket of this build in which the greatest latency below its bound belongs
}

// locateLatency finds the buckets. Another build may have others.
func (s *Shared) locateLatency() {
	names := latencyNames()
	s.dir.each(ofLatency, func(name counterName, p place) {
		us, err := strconv.ParseInt(name.Name, 10, 64)
		if err == nil && p.Slots > s.dir.Slots && us > 0 && us <= int64(maxLatencyBound/time.Microsecond) {
			s.buckets = append(s.buckets, bucket{p, LatencyBucket(int64(time.Duration(us)*time.Microsecond) - 1)})
		}
	})
	s.plain = len(s.buckets) == len(names)
	for i := range s.buckets {
		b := &s.buckets[i]
		s.plain = s.plain && b.Words[b.column].Name == names[i] && b.block == s.buckets[0].block && b.column == i
	}
}

// maxLatencyBound is a bound beyond which there is no histogram.
const maxLatencyBound = 24 * time.Hour

// Latency returns the histogram of a server in a slot, by LatencyBucket: replies that took so long from when their request
// was queued for the server. Written by that slot's worker only. In memory with other buckets it has no place.
func (s *Shared) Latency(slot, pool, server int) *[LatencyBuckets]uint64 {
	if !s.plain {
		return new([LatencyBuckets]uint64)
	}
	first := s.buckets[0].index(slot, pool, server)
	return (*[LatencyBuckets]uint64)(s.words[first : first+LatencyBuckets])
}

// SumLatency adds up the histogram of a server over all slots and Legacy.
func (s *Shared) SumLatency(pool, server int) (sum [LatencyBuckets]uint64) {
	for i := range s.buckets {
		b := &s.buckets[i]
		sum[b.own] += s.sum(b.place, Counter, pool, server)
	}
	return sum
}

// SetLatency puts the histogram of a server into a slot. Only its one writer calls it: for Legacy, the master.
func (s *Shared) SetLatency(slot, pool, server int, counts *[LatencyBuckets]uint64) {
	next := 0 // of counts
	for i := range s.buckets {
		b, sum := &s.buckets[i], uint64(0)
		for ; next <= b.own || i == len(s.buckets)-1 && next < len(counts); next++ {
			sum += counts[next]
		}
		atomic.StoreUint64(s.at(b.place, slot, pool, server), sum)
	}
}
