// How long servers take to reply: what one generation leaves to the next of it.

package totals

import (
	"strconv"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// Latencies is a histogram as it travels to another version, whose buckets may be others: counts by the bound of their
// bucket in µs. Empty buckets are left out.
type Latencies map[string]uint64

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
