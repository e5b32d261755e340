// The mover: what the rest of the worker asks and tells of moving clients, beside what each client is asked.

package core

// mover moves clients between this worker and those of other generations. Loop only.
type mover struct {
	peers    []*peerLink // workers of other generations, by slot
	outgoing outgoing
}

// inFlight returns how many batches are on their way, in either direction.
func (m *mover) inFlight() (giving, taking int) {
	for _, p := range m.peers {
		giving += p.link.Outgoing()
		taking += p.link.Incoming()
	}
	return giving, taking
}

// returnable returns how many clients have gone to workers of other generations that may still give them back.
func (m *mover) returnable() (clients int) {
	for _, p := range m.peers {
		clients += p.returnable
	}
	return clients
}

// descriptors returns how many descriptors are open for peers, and for clients that they still own.
func (m *mover) descriptors() int {
	n := len(m.peers)
	for _, p := range m.peers {
		for _, guests := range p.prepared {
			n += len(guests)
		}
	}
	return n
}

// refuseClients has nobody give anything to this worker any more.
func (m *mover) refuseClients() {
	for _, p := range m.peers {
		p.link.Refuse()
	}
}

// forgetReports is told that there is a master again, which knows nothing of what was given.
func (m *mover) forgetReports() { m.outgoing.masterless, m.outgoing.reported = false, false }
