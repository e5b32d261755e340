package link

import (
	"fmt"
	"testing"
	"time"
)

func TestTurnBuckets(t *testing.T) {
	for bucket := range TurnBuckets - 1 {
		bound := TurnBound(bucket)
		if got := TurnBucket(int64(bound) - 1); got != bucket {
			t.Errorf("a turn of just less than %v is in bucket %d, want %d", bound, got, bucket)
		}
		if got := TurnBucket(int64(bound)); got != bucket+1 {
			t.Errorf("a turn of %v is in bucket %d, want %d", bound, got, bucket+1)
		}
		if want := fmt.Sprintf("turns_%dus", bound/time.Microsecond); turnNames[bucket] != want {
			t.Errorf("bucket %d is called %s, want %s", bucket, turnNames[bucket], want)
		}
	}
	if got := TurnBucket(-1); got != 0 {
		t.Errorf("a turn that took no time is in bucket %d", got)
	}
}
