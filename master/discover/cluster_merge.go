// The judgement which nodes a Redis Cluster has and where its slots are, from what several of its nodes say: each knows only what has
// reached it, and one that is cut off from the others tells of the past for as long as that lasts.
//
// A slot belongs to the node with the latest epoch of all that are said to have it, as the cluster itself has it, but not to one that
// says that it does not. What is known stays known: nobody is believed who would go back in time, unless for long nobody
// contradicts.

package discover

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/pinion-proxy/pinion/worker/link"
)

// clusterMap is what is known of a cluster.
type clusterMap struct {
	nodes  map[string]*seen       // by id; their slots are in owners
	owners [link.HashSlots]string // ids; empty: nobody has the slot
	epochs [link.HashSlots]uint64 // with which their owners came to have them
}

// isEmpty tells whether nothing is known.
func (m *clusterMap) isEmpty() bool { return len(m.nodes) == 0 }

// merge returns the map that follows from what voters say, views by the id of who says it. before is what was known; where that is
// to be forgotten it is empty. A node joins when most voters name it, and leaves when so many do not that they are most of all nodes.
func merge(before *clusterMap, voters map[string]*view) *clusterMap {
	next := &clusterMap{nodes: map[string]*seen{}}
	next.assign(before, voters)
	votes := map[string]int{}
	for _, v := range voters {
		for id := range v.nodes {
			votes[id]++
		}
	}
	owning := map[string]bool{}
	for _, id := range next.owners {
		owning[id] = true
	}
	for id, n := range votes {
		known := before.nodes[id] != nil
		if 2*n > len(voters) || owning[id] || known && 2*(len(voters)-n) <= len(before.nodes) {
			next.nodes[id] = describe(id, before.nodes[id], voters)
		}
	}
	for id, known := range before.nodes { // of whom nobody speaks just now
		if votes[id] == 0 && (owning[id] || 2*len(voters) <= len(before.nodes)) {
			n := *known
			next.nodes[id] = &n
		}
	}
	next.settleAddresses(voters)
	return next
}

// slotClaim is that a slot is a node's.
type slotClaim struct {
	owner string
	epoch uint64
	votes int
}

// ballot is what one voter says of slots.
type ballot struct {
	owners [link.HashSlots]uint16 // indexes into names and epochs; 0: nobody has the slot
	names  []string
	epochs []uint64
}

func newBallot(v *view) *ballot {
	b := &ballot{names: []string{""}, epochs: []uint64{0}}
	for owner, n := range v.nodes {
		for _, r := range n.slots {
			for slot := int(r.First); slot <= int(r.Last); slot++ {
				b.owners[slot] = uint16(len(b.names))
			}
		}
		b.names, b.epochs = append(b.names, owner), append(b.epochs, n.epoch)
	}
	return b
}

func (b *ballot) owner(slot int) string { return b.names[b.owners[slot]] }

// assign finds the owner of each slot.
func (m *clusterMap) assign(before *clusterMap, voters map[string]*view) {
	ids, ballots := slices.Sorted(maps.Keys(voters)), map[string]*ballot{}
	for _, id := range ids {
		ballots[id] = newBallot(voters[id])
	}
	denied := func(owner string, slot int) bool {
		own := ballots[owner]
		return own != nil && own.owner(slot) != owner
	}
	var claims []slotClaim
	for slot := range link.HashSlots {
		claims = claims[:0]
		for _, id := range ids {
			b := ballots[id]
			claims = addClaim(claims, slotClaim{owner: b.owner(slot), epoch: b.epochs[b.owners[slot]]})
		}
		best := slotClaim{owner: before.owners[slot], epoch: before.epochs[slot]}
		if best.owner == "" || denied(best.owner, slot) {
			best = slotClaim{}
		}
		for _, c := range claims {
			if c.epoch >= best.epoch && !denied(c.owner, slot) && (c.owner == best.owner || c.beats(best, before.owners[slot])) {
				best = c
			}
		}
		m.owners[slot], m.epochs[slot] = best.owner, best.epoch
	}
}

// addClaim counts one more vote.
func addClaim(claims []slotClaim, c slotClaim) []slotClaim {
	if c.owner == "" {
		return claims
	}
	for i := range claims {
		if claims[i].owner == c.owner {
			claims[i].votes++
			claims[i].epoch = max(claims[i].epoch, c.epoch)
			return claims
		}
	}
	c.votes = 1
	return append(claims, c)
}

// beats tells whether a claim is the better one; of two alike that of the present owner is.
func (c slotClaim) beats(other slotClaim, present string) bool {
	if other.owner == "" {
		return true
	}
	if c := cmp.Or(cmp.Compare(c.epoch, other.epoch), cmp.Compare(c.votes, other.votes)); c != 0 {
		return c > 0
	}
	if c.owner == present || other.owner == present {
		return c.owner == present
	}
	return c.owner < other.owner
}

// describe returns what voters say of a node. It knows best itself; else what most say holds, and where that is not clear, what was
// known; nil: nothing was.
func describe(id string, known *seen, voters map[string]*view) *seen {
	n := &seen{}
	addresses, roles, failures, count := map[string]int{}, map[string]int{}, 0, 0
	for _, v := range voters {
		said := v.nodes[id]
		if said == nil {
			continue
		}
		count++
		n.epoch = max(n.epoch, said.epoch)
		if said.address != "" && !said.guessed {
			addresses[said.address]++
		}
		roles[said.role()]++
		if said.failed {
			failures++
		}
	}
	n.failed = 2*failures > count
	if known == nil {
		known = &seen{}
	}
	n.address, n.aliases = mostly(addresses, known.address), known.aliases
	if slices.Contains(known.aliases, n.address) { // it is called so, too, wherever it is
		n.address = known.address
	}
	n.become(mostly(roles, known.role()))
	if own := voters[id]; own != nil {
		self := own.nodes[id]
		n.become(self.role())
		if self.address != "" && (!self.guessed || n.address == "") {
			n.address = self.address
		}
	}
	if n.address != known.address {
		n.aliases = nil
	}
	return n
}

// rolePrimary is the role of a primary; that of a replica is the id of its primary.
const rolePrimary = "primary"

func (s *seen) role() string {
	if s.primary {
		return rolePrimary
	}
	return s.of
}

func (s *seen) become(role string) {
	s.primary, s.of = role == rolePrimary, ""
	if !s.primary {
		s.of = role
	}
}

// mostly returns what was said most often; of several that which was known, else the first in order.
func mostly(said map[string]int, known string) (most string) {
	votes := 0
	for _, what := range slices.Sorted(maps.Keys(said)) {
		if n := said[what]; n > votes || n == votes && what == known {
			most, votes = what, n
		}
	}
	return most
}

// settleAddresses leaves each address to one node, and drops nodes that have none. Where a node was replaced by another, the
// cluster may know of both for long.
func (m *clusterMap) settleAddresses(voters map[string]*view) {
	at := map[string]string{}
	for _, id := range slices.Sorted(maps.Keys(m.nodes)) {
		n := m.nodes[id]
		other, taken := at[n.address]
		switch {
		case n.address == "":
			delete(m.nodes, id)
		case !taken:
			at[n.address] = id
		case m.precedes(id, other, voters):
			delete(m.nodes, other)
			at[n.address] = id
		default:
			delete(m.nodes, id)
		}
	}
	for slot, owner := range m.owners {
		if n := m.nodes[owner]; n == nil {
			m.owners[slot] = ""
		} else {
			n.become(rolePrimary)
		}
	}
}

// precedes tells whether of two nodes with one address it is a that is there.
func (m *clusterMap) precedes(a, b string, voters map[string]*view) bool {
	answers := func(id string) int {
		if voters[id] != nil {
			return 1
		}
		return 0
	}
	works := func(id string) int {
		if m.nodes[id].failed {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(answers(a), answers(b)), cmp.Compare(works(a), works(b)), cmp.Compare(m.nodes[a].epoch, m.nodes[b].epoch)) > 0
}

// ranges returns the slots of each node.
func (m *clusterMap) ranges() map[string][]link.HashRange {
	all := map[string][]link.HashRange{}
	for slot, owner := range m.owners {
		if owner == "" {
			continue
		}
		own := all[owner]
		if n := len(own); n > 0 && int(own[n-1].Last) == slot-1 {
			own[n-1].Last++
		} else {
			all[owner] = append(own, link.HashRange{First: uint16(slot), Last: uint16(slot)})
		}
	}
	return all
}

// counts returns how many slots each node has.
func (m *clusterMap) counts() map[string]int {
	n := map[string]int{}
	for _, owner := range m.owners {
		n[owner]++
	}
	return n
}

// summary returns how many nodes of which kind there are.
func (m *clusterMap) summary() string {
	primaries, served := 0, 0
	for id, n := range m.counts() {
		if id != "" {
			primaries++
			served += n
		}
	}
	return fmt.Sprintf("masters: %d with %d of %d slots, nodes in all: %d", primaries, served, link.HashSlots, len(m.nodes))
}

// primaries returns the addresses of the nodes that have slots.
func (m *clusterMap) primaries() (all []string) {
	for id := range m.counts() {
		if id != "" {
			all = append(all, m.nodes[id].address)
		}
	}
	slices.SortFunc(all, compareAddresses)
	return all
}

func (m *clusterMap) byAddress(a, b string) int {
	return compareAddresses(m.nodes[a].address, m.nodes[b].address)
}

// compareAddresses orders addresses by host, and ports as numbers.
func compareAddresses(a, b string) int {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return cmp.Or(cmp.Compare(len(hostA), len(hostB)), cmp.Compare(hostA, hostB), cmp.Compare(len(portA), len(portB)), cmp.Compare(portA, portB))
}
