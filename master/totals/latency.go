// How long servers take to reply: what one generation leaves to the next of it.

package totals

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Latencies is a histogram as it travels to another version, whose buckets may be others: counts by the bound of their
// bucket in µs. Empty buckets are left out.
type Latencies map[string]uint64

// LatenciesOf returns the histogram of counts by bucket, see link.LatencyBucket.
func LatenciesOf(counts *[link.LatencyBuckets]uint64) Latencies {
	l := Latencies{}
	for bucket, n := range counts {
		if n > 0 {
			l[strconv.FormatInt(link.LatencyBound(bucket).Microseconds(), 10)] = n
		}
	}
	return l
}

// counts puts each count into the bucket in which the greatest latency below its bound belongs. What is no bound is left
// out.
func (l Latencies) counts() (counts [link.LatencyBuckets]uint64) {
	for bound, n := range l {
		us, err := strconv.ParseInt(bound, 10, 64)
		if err == nil && us > 0 && us <= int64(maxLatencyBound/time.Microsecond) {
			counts[link.LatencyBucket(int64(time.Duration(us)*time.Microsecond)-1)] += n
		}
	}
	return counts
}

// maxLatencyBound is a bound beyond which there is no histogram.
const maxLatencyBound = 24 * time.Hour

// latencyCounts adds up the histogram of a server over slots, from the first to the one before end.
func (c *Counters) latencyCounts(pool, server, first, end int) (sum [link.LatencyBuckets]uint64) {
	for slot := first; slot < end; slot++ {
		words := c.Latency(slot, pool, server)
		for bucket := range words {
			sum[bucket] += atomic.LoadUint64(&words[bucket])
		}
	}
	return sum
}

// inheritLatencies puts a histogram into the slot of what earlier generations have counted.
func (c *Counters) inheritLatencies(pool, server int, counts *[link.LatencyBuckets]uint64) {
	words := c.Latency(c.Legacy(), pool, server)
	for bucket := range words {
		atomic.StoreUint64(&words[bucket], counts[bucket])
	}
}
