// What a follower tells of the sentinels themselves: who answers, and who says what.

package discover

import (
	"cmp"
	"reflect"
	"slices"
	"time"
)

// Sentinel is what is known of a sentinel.
type Sentinel struct {
	Address     string
	Configured  bool      // else others have told of it
	Counts      bool      // what it says; else it is not known to most of those that the configuration names
	Failure     string    // why it does not answer; empty: it does
	SilentSince time.Time // when it answered last, or was asked first; zero: it answers
	Masters     []Named   // none: it does not answer
}

// Named is what a sentinel says of a master.
type Named struct {
	Master    string
	Address   string // empty: it says nothing of it
	Epoch     uint64
	Failure   string // why it says nothing
	Disagrees bool   // that is not where the master is taken to be
}

// newReport returns what is known of all sentinels; none: what was told last.
func (f *follower) newReport() []Sentinel {
	now := f.report()
	if reflect.DeepEqual(now, f.reported) {
		return nil
	}
	f.reported = now
	return now
}

// report returns what is known of all sentinels: those of the configuration, in its order, then others.
func (f *follower) report() (all []Sentinel) {
	for address, s := range f.sentinels {
		r := Sentinel{Address: address, Configured: s.configured, Counts: s.counts || s.configured, Failure: s.failure}
		if s.failure != "" {
			r.SilentSince = s.answered
		}
		for _, said := range s.says {
			if j := f.judgeOf(said.master); j != nil {
				r.Masters = append(r.Masters, j.namedBy(said))
			}
		}
		slices.SortFunc(r.Masters, func(a, b Named) int { return cmp.Compare(a.Master, b.Master) })
		all = append(all, r)
	}
	order := func(s Sentinel) int {
		if k := slices.Index(f.pool.Sentinels, s.Address); k >= 0 {
			return k
		}
		return len(f.pool.Sentinels)
	}
	slices.SortFunc(all, func(a, b Sentinel) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.Address, b.Address))
	})
	return all
}

// namedBy returns what a sentinel says of the judge's master.
func (j *judge) namedBy(said statement) Named {
	n := Named{Master: said.master, Address: said.place.address, Epoch: said.place.epoch}
	if said.failure != nil {
		n.Failure = said.failure.Error()
		return n
	}
	n.Disagrees = j.at.address != "" && !said.place.isAt(j.at)
	return n
}
