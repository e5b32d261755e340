// What the master counts itself is in the memory of the generation that serves, too, where it outlives a master that is killed.

package link

// MasterCounters are the names of what a master counts. The first ones of a build stay, whatever is added.
var MasterCounters = []string{
	"reloads done", "reloads failed", "upgrades done", "upgrades failed", "clients moved", "stragglers", "clients closed", "clients lost", "bytes moved", "deaths of workers",
}

// tallyPrefix stands before them in the directory.
const tallyPrefix = "master: "

// layTally places the words. The master writes them.
func (l *layout) layTally() {
	var names []string
	for _, name := range MasterCounters {
		names = append(names, tallyPrefix+name)
	}
	l.add(block{Of: ofWorker, Words: states(names...), First: l.end})
	l.end = roundUp(l.end + len(names))
}

// Tally is the word of one of MasterCounters; nil: the memory, of another build, has none.
func (s *Shared) Tally(name string) *uint64 {
	return s.at(s.place(ofWorker, tallyPrefix+name, 0), 0, 0, 0)
}
