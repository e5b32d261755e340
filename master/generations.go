// The generations of which a master knows.

package master

import "slices"

// generations are those of this master, and those that other masters have, as far as this one counts what they do.
type generations struct {
	numbered uint64        // the last one that was made
	serving  *generation   // nil until the configuration is loaded or, in a successor, until it has taken over
	coming   *generation   // is made to follow; nil unless there is a new side
	retired  []*generation // have workers that drain; the oldest first

	ofOldMaster []*generation // of the old master, which has their workers until it has left; the latest first
	ofNewMaster *generation   // of a new master that was started: what its workers count; nil: it has not said where
}

// all returns all that have or may have workers, the oldest first.
func (g *generations) all() []*generation {
	all := append([]*generation(nil), g.retired...)
	if g.serving != nil {
		all = append(all, g.serving)
	}
	if g.coming != nil {
		all = append(all, g.coming)
	}
	return all
}

// slots returns those of all generations.
func (g *generations) slots() (all []*slot) {
	for _, one := range g.all() {
		all = append(all, one.slots...)
	}
	return all
}

// latestFirst returns the generation that serves and the others that still have workers, the latest first.
func (g *generations) latestFirst() []*generation {
	all := append(slices.Clone(g.retired), g.serving)
	slices.Reverse(all)
	return all
}

// workerPIDs returns those of all slots.
func (m *master) workerPIDs() map[int]bool {
	known := map[int]bool{}
	for _, s := range m.generations.slots() {
		if s.process != nil {
			known[s.process.PID] = true
		}
	}
	return known
}
