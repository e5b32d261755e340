// How long turns of workers take: whatever becomes ready meanwhile waits for the next.

package link

import (
	"math/bits"
	"time"
)

// TurnBuckets is the number of buckets, of which the last holds whatever took longest.
const TurnBuckets = 7

// The names say the bounds.
var turnNames = [TurnBuckets]string{"turns_256us", "turns_1024us", "turns_4096us", "turns_16384us", "turns_65536us", "turns_262144us", "turns_longer"}

// TurnBucket returns the bucket of a turn of so many ns.
func TurnBucket(ns int64) int {
	units := uint64(max(ns, 0)/int64(time.Microsecond)) >> 8
	return min((bits.Len64(units)+1)/2, TurnBuckets-1)
}

// TurnBound returns what everything in a bucket is less than, but the last.
func TurnBound(bucket int) time.Duration { return 256 * time.Microsecond << (2 * bucket) }
