// Latencies are counted in buckets whose width grows with their value: a fixed amount of memory, and under one percent
// of error wherever a quantile lies.

package load

import (
	"math/bits"
	"time"
)

const (
	histogramBits = 7                                    // of precision: a bucket is 1/128 of its value wide
	maxLatency    = time.Duration(1<<40 - 1)             // about 18 minutes; what is longer counts as this
	perOctave     = 1 << histogramBits                   // buckets between a power of two and the next
	bucketCount   = (40 - histogramBits + 1) * perOctave // up to maxLatency
)

// Histogram counts durations. The zero value is empty.
type Histogram struct {
	buckets [bucketCount]uint64
	count   uint64
	max     time.Duration
}

// Add counts n durations of d.
func (h *Histogram) Add(d time.Duration, n uint64) {
	d = min(max(d, 0), maxLatency)
	h.buckets[bucketOf(d)] += n
	h.count += n
	h.max = max(h.max, d)
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
	h.max = max(h.max, other.max)
}

// Count returns how many durations were added.
func (h *Histogram) Count() uint64 { return h.count }

// Max returns the longest duration, exactly.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns the duration that the fraction q of all does not exceed (0 ≤ q ≤ 1), at most 1/128 too long; 0 for
// an empty histogram.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(uint64(q*float64(h.count)+0.5), 1)
	var seen uint64
	for i, n := range h.buckets {
		if seen += n; seen >= rank {
			return min(longestOf(i), h.max)
		}
	}
	return h.max
}

// bucketOf returns the bucket of d. Below 2·perOctave each duration has its own.
func bucketOf(d time.Duration) int {
	if d < perOctave {
		return int(d)
	}
	shift := bits.Len64(uint64(d)) - histogramBits - 1
	return shift*perOctave + int(d>>shift)
}

// longestOf returns the longest duration that falls into bucket i.
func longestOf(i int) time.Duration {
	if i < 2*perOctave {
		return time.Duration(i)
	}
	shift := i/perOctave - 1
	return time.Duration(i-shift*perOctave+1)<<shift - 1
}
