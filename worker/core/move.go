// The mover: what the rest of the worker calls to move clients.

package core

import "github.com/pinion-proxy/pinion/worker/link"

// mover moves clients between this worker and those of other generations. Loop only.
type mover struct {
	peers    []*peerLink // workers of other generations, by slot
	outgoing outgoing

	failedEarly []link.PeerFailedBody // peers that failed when no clients were to move yet
	joined      uint64                // the generation of the latest peer

	mostBytes int // a client that holds more stays until it holds less: maxMovedBytes
}

// inFlight returns how many batches are on their way, in either direction.
func (m *mover) inFlight() (outgoing, incoming int) {
	for _, p := range m.peers {
		outgoing += p.link.Outgoing()
		incoming += p.link.Incoming()
	}
	return outgoing, incoming
}

// returnable returns how many descriptors clients have that have moved to workers of other generations and may still be moved back.
func (m *mover) returnable() (descriptors int) {
	for _, p := range m.peers {
		descriptors += p.returnable
	}
	return descriptors
}

// descriptors returns how many descriptors are open: of the links to peers, and of clients that peers still own.
func (m *mover) descriptors() int {
	n := len(m.peers)
	for _, p := range m.peers {
		for _, clients := range p.prepared {
			n += len(clients)
		}
	}
	return n
}

// refuseClients tells all peers that this worker accepts no more of their clients.
func (m *mover) refuseClients() {
	for _, p := range m.peers {
		p.link.Refuse()
	}
}

// forgetReports is called when there is a new master: what was reported to the dead one is to be reported again.
func (m *mover) forgetReports() { m.outgoing.masterless, m.outgoing.reported = false, false }
