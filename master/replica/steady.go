// States of a replica that last: one that is now and then behind changes with each look, and nobody wants to read of that.

package replica

import "github.com/pinion-proxy/pinion/worker/link"

// leastLooks is how many looks in a row must find a state for it to last.
const leastLooks = 5

// steady knows the state of a replica that was reported last.
type steady struct {
	reported, latest link.ReplicaState // ReplicaUnknown: none
	looks            int               // that have found the latest, in a row
}

// found is called with what a look has found. It tells whether that lasts, and is to be reported. That a replica is fit at first is no news.
func (s *steady) found(state link.ReplicaState) (news bool) {
	if state != s.latest {
		s.latest, s.looks = state, 0
	}
	if s.looks++; s.looks < leastLooks || state == s.reported {
		return false
	}
	news = s.reported != link.ReplicaUnknown || state != link.ReplicaFit
	s.reported = state
	return news
}
