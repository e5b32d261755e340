// The inquiry of a rehearsal: the old workers are asked for servers that new ones could not reach, as in a reload.

package master

import (
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// rehearsedInquiry waits for what servers answer the old workers.
type rehearsedInquiry struct {
	*rehearsal
	of          *generation
	unreachable []link.Unreachable
	doubtful    []doubtful // of them
	until, next time.Time  // when it ends, and when it is looked at
}

// askOldWorkers begins the inquiry. Workers of an older build cannot be asked: a connection of theirs counts as an answer.
func (m *master) askOldWorkers(r *rehearsal, unreachable []link.Unreachable) {
	g := m.generations.serving
	q := &rehearsedInquiry{rehearsal: r, of: g, unreachable: unreachable}
	for _, u := range unreachable {
		if d, ok := g.findDoubtful(u); ok {
			q.doubtful = append(q.doubtful, d)
		}
	}
	switch {
	case len(q.doubtful) == 0:
		q.conclude(nil)
	case !m.inquireFor(q.doubtful):
		q.conclude(q.doubtful)
	default:
		now := m.world.now()
		q.until, q.next = now.Add(inquiryTime), now.Add(inquiryEvery)
		m.rehearsals = append(m.rehearsals, q)
	}
}

// tickRehearsals looks at the answers.
func (m *master) tickRehearsals(now time.Time) {
	m.rehearsals = slices.DeleteFunc(m.rehearsals, func(q *rehearsedInquiry) bool {
		if now.Before(q.next) {
			return false
		}
		q.next = now.Add(inquiryEvery)
		reached := q.doubtful // of workers that are gone nobody can tell what they reach
		if q.of == m.generations.serving {
			reached = q.of.reached(q.doubtful)
		}
		if len(reached) == 0 && now.Before(q.until) {
			return false
		}
		q.conclude(reached)
		return true
	})
}

// conclude answers who has asked. A server that the old workers reach refuses the reload.
func (q *rehearsedInquiry) conclude(reached []doubtful) {
	isReached := func(u link.Unreachable) bool {
		return slices.ContainsFunc(reached, func(d doubtful) bool { return d.Pool == u.Pool && d.Server == u.Server })
	}
	var lost, rest []link.Unreachable
	for _, u := range q.unreachable {
		if isReached(u) {
			lost = append(lost, u)
		} else {
			rest = append(rest, u)
		}
	}
	q.refuseFor(lost)
	if len(rest) > 0 {
		q.remarks = append(q.remarks, fmt.Sprintf("new workers cannot reach %s; this would not stop a reload, as no worker reaches it now", describeUnreachable(rest)))
	}
	q.end()
}
