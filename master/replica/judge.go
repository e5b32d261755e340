// The judgement how old the data of a replica is, and whether and until when it may be read from.
//
// What servers say of lag themselves is of no use: "lag" counts seconds since the last acknowledgement, and a replica that has just
// got all data anew, or wakes after a while, calls its link up although it is behind. So offsets are compared: the data of a replica that has
// come to an offset is as new as the last moment at which the primary, too, had not come any further. That is known if the primary was
// asked then. A replica is read from until its data is as old as it may be, were it not to get any more: there is nothing to be trusted
// between two looks.

package replica

import (
	"sort"

	"github.com/pinion-proxy/pinion/worker/link"
)

const (
	// longestLease is how many ms after a look at a replica it may be read from, whatever age is allowed.
	longestLease = 1000
	// keepPoints is for how many ms it is known at least where the primary was, so that it can be said how far behind a replica is.
	keepPoints = 60_000
	// mostPoints bounds what is remembered of a primary. Beyond it, every other point is forgotten: ages come out as too great, never as
	// too small.
	mostPoints = 2048
	// lateAfter is how many ms after the last answer of the primary it is its silence that makes replicas unfit, and not their lag.
	lateAfter = 250
)

// says is what a server has answered, or that it has not.
type says struct {
	silent  bool // it does not answer
	refuses bool // it answers with an error
	busy    bool // it executes a script, and answers nothing meanwhile
	loading bool // it reads its data from disk, or what its primary has sent
	primary bool // it says that it is one
	id      string
	offset  int64  // of a primary: of what it has executed. Of a replica: of what it has executed of that
	linkUp  bool   // of a replica
	syncing bool   // of a replica: it is getting all data anew
	zone    string // where it is; empty: it does not say
}

// verdict is what is told of a replica.
type verdict struct {
	state link.ReplicaState
	lag   int64 // ms; at least, if that is not known
	until int64 // ms of the clock: the end of the lease; 0: there is none
}

// point is a moment at which the primary was at an offset.
type point struct{ at, offset int64 }

// judge knows a primary and judges its replicas. Its times are ms of the clock that workers have, too.
type judge struct {
	limit  int64   // age of data that may be read; 0: there is no limit
	id     string  // of the history that the primary tells; empty: not known
	heard  int64   // when the last question that the primary has answered was asked; 0: none
	wrong  bool    // the primary says that it is none
	points []point // both ascending: the latest moment at each offset
}

// primarySays is called with the answer of the primary to what it was asked at a time. Its data was no newer then.
func (j *judge) primarySays(at int64, s says) {
	switch {
	case s.silent, s.busy, s.refuses, s.loading:
		return
	case !s.primary:
		j.wrong, j.points = true, nil
		return
	}
	if last := len(j.points) - 1; j.id != s.id || last >= 0 && s.offset < j.points[last].offset {
		j.points = nil
	}
	j.wrong, j.id, j.heard = false, s.id, at
	if last := len(j.points) - 1; last >= 0 && j.points[last].offset == s.offset {
		j.points[last].at = at
		return
	}
	j.points = append(j.points, point{at, s.offset})
	j.forget(at)
}

// forget forgets points that are too old to matter, or too many. The latest stays.
func (j *judge) forget(now int64) {
	keep := max(j.limit, keepPoints)
	old := 0
	for old < len(j.points)-1 && j.points[old+1].at < now-keep {
		old++
	}
	j.points = j.points[old:]
	if len(j.points) <= mostPoints {
		return
	}
	kept := make([]point, 0, mostPoints)
	for i, p := range j.points {
		if i%2 == 0 || i == len(j.points)-1 {
			kept = append(kept, p)
		}
	}
	j.points = kept
}

// asOf returns a moment of which it is known that all that the primary had executed by then is in data at an offset; false: none is known.
func (j *judge) asOf(offset int64) (at int64, known bool) {
	i := sort.Search(len(j.points), func(i int) bool { return j.points[i].offset > offset })
	if i == 0 {
		return 0, false
	}
	return j.points[i-1].at, true
}

// replicaSays is called with the answer of a replica to what it was asked at a time.
func (j *judge) replicaSays(at, now int64, s says) verdict {
	switch {
	case s.silent:
		return verdict{state: link.ReplicaSilent}
	case s.loading:
		return verdict{state: link.ReplicaLoading}
	case s.busy:
		return verdict{state: link.ReplicaBusy}
	case s.refuses:
		return verdict{state: link.ReplicaRefuses}
	case s.primary:
		return verdict{state: link.ReplicaIsNone}
	case s.syncing:
		return verdict{state: link.ReplicaSyncing}
	case !s.linkUp:
		return verdict{state: link.ReplicaLinkDown}
	case j.id == "" || j.wrong:
		return verdict{state: link.ReplicaUnmeasured}
	case s.id != j.id:
		return verdict{state: link.ReplicaOfAnother}
	}
	v := verdict{state: link.ReplicaFit, until: at + longestLease}
	fresh, known := j.asOf(s.offset)
	switch {
	case known:
		v.lag = j.heard - fresh
	case len(j.points) > 0:
		v.lag = j.heard - j.points[0].at
	}
	if j.limit > 0 {
		v.until = min(v.until, fresh+j.limit)
	}
	switch {
	case j.limit > 0 && !known && v.lag < j.limit, v.until <= now && now-j.heard > lateAfter:
		v.state, v.until = link.ReplicaUnmeasured, 0
	case j.limit > 0 && !known, v.until <= now:
		v.state, v.until = link.ReplicaBehind, 0
	}
	return v
}
