// Claimants: processes that have an address of the configuration and may be orphans.

package master

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/process"
)

// claimant is a process that has an address of the configuration and looks like a worker of Pinion, of the same user, whose
// master is dead or may be about to leave.
type claimant struct {
	pid     int
	parent  bool // its master lives, but is about to end
	stopped bool // by SIGSTOP: it will not answer
	ours    bool // runs this binary, so it has a rendezvous
}

// findClaimants returns the workers of Pinion, of this user, that listen on one of these addresses.
func findClaimants(on []config.Listen) (all []claimant) {
	var sockets map[string]bool
	for _, p := range process.List(os.Getuid()) {
		if len(p.Args) < 2 || p.Args[1] != "worker" || p.State == 'Z' {
			continue
		}
		c := claimant{pid: p.PID, stopped: p.State == 'T'}
		if parent, ok := process.Read(p.Parent); ok && isMasterOf(parent, p) {
			if c.parent = process.InEnvironment(parent.PID, inheritedVariable) || process.Dying(parent.PID); !c.parent {
				continue
			}
		}
		if sockets == nil {
			sockets = listen.SocketsOn(on)
		}
		if p.Holds(sockets) {
			c.ours = process.SameBinary(p.PID)
			all = append(all, c)
		}
	}
	return all
}

// strangers returns the workers of another user, whose master was killed, that listen on one of these addresses. They do not
// belong to this master: whoever made them could have made them up, to be given clients.
func strangers(on []config.Listen) (uid int, pids []int) {
	sockets := listen.SocketsOn(on)
	for user, workers := range process.Waiting() {
		for _, w := range workers {
			if user != os.Getuid() && w.Holds(sockets) {
				uid, pids = user, append(pids, w.PID)
			}
		}
	}
	return uid, pids
}

// explainInUse says so if an address is in use because of them.
func (m *master) explainInUse(err error, on []config.Listen) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	uid, pids := m.world.strangers(on)
	if len(pids) == 0 {
		return err
	}
	slices.Sort(pids)
	text := strings.Trim(fmt.Sprint(pids), "[]")
	return fmt.Errorf("%w; workers of user %d whose master was killed serve there: start pinion as that user, which takes them over, or end them: kill %s", err, uid, text)
}

// isMasterOf reports whether a process, the parent of a worker, is its master. A keeper is the parent of orphans only.
func isMasterOf(p, worker process.Info) bool {
	return p.State != 'Z' && p.Args[0] == worker.Args[0] && (len(p.Args) < 2 || p.Args[1] != "worker") && !isKeeper(p.PID)
}

// keeperComm is the name of a keeper's process, which differs from the proxy's so that killall by that name signals only the
// master.
const keeperComm = "pinion-keeper"

func isKeeper(pid int) bool {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(comm)) == keeperComm
}
