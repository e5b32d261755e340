// The generations that a master knows of.

package master

import "slices"

// generations are those of this master, and those of other masters whose counters this one reads.
type generations struct {
	numbered uint64        // the latest number
	serving  *generation   // nil until the configuration is loaded or, in a successor, until it has taken over
	coming   *generation   // the new side's; nil unless there is a new side
	retired  []*generation // have workers that drain, the oldest first

	ofOldMaster []*generation // the old master's, until it has left; the latest first
	ofNewMaster *generation   // the new master's, for its counters; nil: not known
}

// all returns the generations that have or may get workers, the oldest first.
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

// slots returns the slots of all generations.
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

// workerPIDs returns the pids of all workers.
func (m *master) workerPIDs() map[int]bool {
	known := map[int]bool{}
	for _, s := range m.generations.slots() {
		if s.process != nil {
			known[s.process.PID] = true
		}
	}
	return known
}
