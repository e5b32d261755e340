// A supervisor that starts a program again as soon as it has ended: the program cannot have its sockets back, and fails in a loop.

package takeover

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/process"
)

const (
	againWithin = 1500 * time.Millisecond // supervisord waits for one second, others less
	againLook   = 2 * time.Millisecond    // how often it is looked for children of a supervisor
	againClose  = 100 * time.Microsecond  // how often at a new one: a program that fails is gone within a few milliseconds
	againNew    = 50 * time.Millisecond   // for so long
)

// StartedAgain watches for a moment programs that were ended, and says of those that are started again by whom.
func StartedAgain(programs []*Program) (remarks []string) {
	seen := map[*Program]bool{}
	var fresh time.Time
	for until := time.Now().Add(againWithin); time.Now().Before(until) && len(seen) < len(programs); {
		pause := againLook
		for _, p := range programs {
			again, begun := p.startedAgain()
			if begun {
				fresh = time.Now()
			}
			if again && !seen[p] {
				seen[p] = true
				remarks = append(remarks, fmt.Sprintf("%s is started again by %s (pid %d), in vain, since pinion has its addresses: have that stop it",
					p, nameOf(p.parent), p.parent))
			}
		}
		if time.Since(fresh) < againNew {
			pause = againClose
		}
		time.Sleep(pause)
	}
	return remarks
}

// startedAgain looks whether there is a process of the same name and parent that was not there before the end. begun tells that its
// parent has a child that was not there when it was last looked for.
func (p *Program) startedAgain() (again, begun bool) {
	for _, pid := range process.ChildrenOf(p.parent) {
		if p.siblings[pid] {
			continue
		}
		again = again || nameOf(pid) == p.Name
		begun = begun || !p.later[pid]
		p.later[pid] = true
	}
	return again, begun
}

// noteSiblings is called before the end.
func (p *Program) noteSiblings() {
	p.siblings, p.later = map[int]bool{}, map[int]bool{}
	for _, pid := range process.ChildrenOf(p.parent) {
		p.siblings[pid] = true
	}
}

// nameOf returns the name of a process, as ps shows it; empty: it has ended, or /proc hides it.
func nameOf(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(comm))
}
