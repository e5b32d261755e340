// The buckets of latencies: without gaps, in order, as narrow as is promised.

package link

import (
	"testing"
	"time"
)

func TestLatencyBuckets(t *testing.T) {
	if got := LatencyBucket(-1); got != 0 {
		t.Errorf("a clock that went backwards: bucket %d", got)
	}
	below := time.Duration(0) // the bound of the bucket before
	for bucket := range LatencyBuckets {
		bound := LatencyBound(bucket)
		if got := LatencyBucket(int64(below)); got != bucket {
			t.Errorf("%v is in bucket %d, want %d", below, got, bucket)
		}
		if got := LatencyBucket(int64(bound) - 1); got != bucket {
			t.Errorf("just less than %v is in bucket %d, want %d", bound, got, bucket)
		}
		if width := bound - below; width > max(below/8, time.Microsecond) {
			t.Errorf("bucket %d, from %v to %v, is too wide", bucket, below, bound)
		}
		below = bound
	}
	if below < 2*time.Minute {
		t.Errorf("the last bucket ends at %v", below)
	}
	if got := LatencyBucket(int64(24 * time.Hour)); got != LatencyBuckets-1 {
		t.Errorf("a day is in bucket %d", got)
	}
}

func TestQuantile(t *testing.T) {
	var counts [LatencyBuckets]uint64
	if got := Quantile(&counts, 0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for range 98 {
		counts[LatencyBucket(int64(100*time.Microsecond))]++
	}
	counts[LatencyBucket(int64(3*time.Millisecond))]++
	counts[LatencyBucket(int64(time.Hour))]++
	for _, c := range []struct {
		q           float64
		least, most time.Duration
	}{
		{0.001, 100 * time.Microsecond, 113 * time.Microsecond},
		{0.5, 100 * time.Microsecond, 113 * time.Microsecond},
		{0.98, 100 * time.Microsecond, 113 * time.Microsecond},
		{0.99, 3 * time.Millisecond, 3375 * time.Microsecond},
		{0.999, 2 * time.Minute, 3 * time.Minute},
		{1, 2 * time.Minute, 3 * time.Minute},
	} {
		if got := Quantile(&counts, c.q); got < c.least || got > c.most {
			t.Errorf("quantile %v is %v, want %v to %v", c.q, got, c.least, c.most)
		}
	}
}
