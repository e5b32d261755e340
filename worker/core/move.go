// The mover: what the rest of the worker asks and tells of moving clients, beside what each client is asked.

package core

// mover moves clients between this worker and those of other generations. Loop only.
type mover struct {
	peers    []*peerLink // workers of other generations, by slot
	outgoing outgoing
}

// handing returns how many batches are on their way, in either direction.
func (m *mover) handing() (giving, taking int) {
	for _, p := range m.peers {
		giving += p.link.Giving()
		taking += p.link.Taking()
	}
	return giving, taking
}

// away returns how many clients have gone to workers of other generations that may still give them back.
func (m *mover) away() (clients int) {
	for _, p := range m.peers {
		clients += p.away
	}
	return clients
}

// descriptors returns how many descriptors are open for peers, and for clients that they still own.
func (m *mover) descriptors() int {
	n := len(m.peers)
	for _, p := range m.peers {
		for _, guests := range p.guests {
			n += len(guests)
		}
	}
	return n
}

// refuse has nobody give anything to this worker any more.
func (m *mover) refuse() {
	for _, p := range m.peers {
		p.link.Refuse()
	}
}

// adopted is told that there is a master again, which knows nothing of what was given.
func (m *mover) adopted() { m.outgoing.alone, m.outgoing.said = false, false }
