// Lost clients: those that a worker had when it died or was killed. The outcome of a reload or an upgrade says how many were
// lost during it, and why.

package master

import (
	"fmt"
	"strings"

	"github.com/pinion-proxy/pinion/master/admin"
)

// losses are clients lost during one attempt.
type losses struct {
	clients int
	reason  string
}

const maxLossReasons = 3

func (l *losses) add(clients int, reason string) {
	if clients == 0 {
		return
	}
	l.clients += clients
	switch n := strings.Count(l.reason, "; "); {
	case l.reason == "":
		l.reason = reason
	case n+1 < maxLossReasons:
		l.reason += "; " + reason
	case !strings.HasSuffix(l.reason, andOthers):
		l.reason += andOthers
	}
}

const andOthers = "; and others"

// countLosses adds the clients of a worker that is dead or being killed to the losses of the handoff, once, and returns how
// many they are.
func (m *master) countLosses(s *slot, why string) (clients int) {
	clients = max(s.clients()-s.leftThere, 0)
	if s.lossesCounted {
		return clients
	}
	s.lossesCounted = true
	switch {
	case m.oldSide != nil && s.generation == m.generations.serving:
		m.oldSide.losses.add(clients, fmt.Sprintf("worker %d: %s", s.index, why))
	case m.oldSide != nil && s.generation != m.generations.coming:
		m.oldSide.losses.add(clients, fmt.Sprintf("worker %d of generation %d: %s", s.index, s.generation.number, why))
	case m.oldSide != nil:
		m.oldSide.losses.add(clients, fmt.Sprintf("new worker %d: %s", s.index, why))
	case m.newSide != nil && s.generation == m.generations.coming:
		m.newSide.losses.add(clients, fmt.Sprintf("new worker %d: %s", s.index, why))
	}
	return clients
}

// setLosses puts the losses of both sides into the status.
func setLosses(h *admin.HandoffStatus, ours, theirs losses) {
	ours.add(theirs.clients, theirs.reason)
	h.Lost, h.LostReason = ours.clients, ours.reason
}

// clientsAre returns a number of clients with the verb, such as "1 client was".
func clientsAre(n int, verb string) string {
	if n == 1 {
		verb = map[string]string{"are": "is", "were": "was"}[verb]
	}
	return count(n, "client") + " " + verb
}

// count writes "1 client", "2 clients".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
