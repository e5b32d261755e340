// How long turns of workers take.

package metrics

import (
	"strconv"
	"sync/atomic"

	"github.com/pinion-proxy/pinion/worker/link"
)

// turns is the histogram of a worker: how many turns took no longer than each bound, all of them at last, and their time together.
type turns struct {
	below   [link.TurnBuckets]uint64
	seconds float64
}

func turnsOf(words *link.WorkerWords) (t turns) {
	all := uint64(0)
	for bucket := range t.below {
		all += atomic.LoadUint64(words[link.FirstTurnBucket+bucket])
		t.below[bucket] = all
	}
	t.seconds = float64(atomic.LoadUint64(words[link.TurnMicros])) / 1e6
	return t
}

// writeTurns writes the histograms of all workers.
func (s *scrape) writeTurns(t *text) {
	t.begin(turnsName, histograms, turnsHelp)
	for i := range s.turns {
		of := &s.turns[i]
		t.histogram(labelsOf(turnsLabels, s.slot(i)), turnLabels[:], of.below[:], of.below[link.TurnBuckets-1], of.seconds)
	}
}

// turnLabels are the le of the buckets, in s, but for the last.
var turnLabels = func() (all [link.TurnBuckets - 1]string) {
	for bucket := range all {
		all[bucket] = `le="` + strconv.FormatFloat(link.TurnBound(bucket).Seconds(), 'g', -1, 64) + `"`
	}
	return all
}()
