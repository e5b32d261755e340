// What servers say themselves, earlier than sentinels: that a replica is the master now.
//
// FAILOVER and REPLICAOF, given to a master, pass the mastership on without any sentinel, which notice that half a minute later: the master
// says whose replica it is. And a sentinel that makes a replica the master of a server that is dead says so most of a second later
// than the replica.

package discover

import (
	"slices"
	"time"
)

// heir is a replica that is the master now, as servers say.
type heir struct {
	place place     // zero: there is none
	from  place     // the master before
	at    time.Time // when that came to be known
	rules bool      // the master is there now, and no sentinel has said so
}

// isNews tells whether there is an heir that came to be known a moment ago.
func (h *heir) isNews(now time.Time) bool { return h.place.address != "" && now.Sub(h.at) < lookTime }

// goneTime is for how long a master that is dead is asked about as often as may be. Few failovers take longer.
const goneTime = 30 * time.Second

// doubt is about the server at at, which does not do a master's work.
type doubt struct {
	asked time.Time     // when it was last asked for that reason; zero: never
	pause time.Duration // until the next time
	gone  time.Time     // when last nobody listened there; zero: somebody does
	since time.Time     // since when that is so; zero likewise
	seeks bool          // its replicas are asked, again and again, whether one has become a master
}

// mayDoubt tells whether the server may be asked again what it is, and takes note that it is.
func (j *judge) mayDoubt(now time.Time) bool {
	since := now.Sub(j.doubt.asked)
	switch {
	case j.doubt.asked.IsZero(), since >= 2*mostDoubtPause:
		j.doubt.pause = doubtPause
	case since < j.doubt.pause:
		return false
	case j.doubt.gone.IsZero(), now.Sub(j.doubt.since) >= goneTime:
		j.doubt.pause = min(2*j.doubt.pause, mostDoubtPause)
	}
	j.doubt.asked = now
	return true
}

// inquired is called with what the server says that was the master; of: whose replica it is.
func (j *judge) inquired(address string, says role, of place, now time.Time) {
	if address != j.at.address {
		return
	}
	if says == roleReplica && of.address != "" {
		j.heir = heir{place: of, from: j.at, at: now}
	}
	d := &j.doubt
	switch {
	case says != roleGone:
		d.gone, d.since = time.Time{}, time.Time{}
	case d.gone.IsZero():
		d.gone, d.since = now, now
	default:
		d.gone = now
	}
}

// candidates returns the replicas of a master that is dead, for certain, while a sentinel is about to make one of them the master. Of one
// that only does not answer that is not certain: should the sentinel die, too, then others would have the replica follow the old
// master again, and what it was told would be lost.
func (j *judge) candidates(now time.Time) (all []place) {
	d := &j.doubt
	if d.seeks || d.gone.IsZero() || now.Sub(d.gone) >= lookTime || j.heir.isNews(now) {
		return nil
	}
	changing := false
	for _, c := range j.said {
		changing = changing || c.changing && c.isAt(j.at)
		for _, r := range c.replicas {
			if j.isReplica(r) && !slices.ContainsFunc(all, r.isAt) {
				all = append(all, r)
			}
		}
	}
	if !changing {
		return nil
	}
	d.seeks = len(all) > 0
	return all
}

// sought is called when the replicas were asked for long enough, or one of them has become a master under the eyes of who asked, while
// nobody listened where the old one was.
func (j *judge) sought(from string, found place, now time.Time) {
	j.doubt.seeks = false
	if from == j.at.address && found.address != "" {
		j.heir = heir{place: found, from: j.at, at: now}
	}
}

// isReplica tells whether most sentinels that answer know a place as one of the master's replicas.
func (j *judge) isReplica(p place) bool {
	known := 0
	for _, c := range j.said {
		if slices.ContainsFunc(c.replicas, p.isAt) {
			known++
		}
	}
	return 2*known > len(j.said)
}

// successor returns the heir, for a moment, if sentinels know it: as one of the master's replicas, or as the master to which another heir
// has given its mastership back. The old master takes no writes any more, so nobody is misled to a server that is behind it.
func (j *judge) successor(now time.Time) (next place, ok bool) {
	if h := &j.heir; h.rules || !h.from.isAt(j.at) || !h.isNews(now) {
		return next, false
	}
	next = j.heir.place
	next.epoch = j.at.epoch
	return next, j.isReplica(next) || j.isNamed(next)
}
