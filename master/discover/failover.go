// A failover that an operator wants: one sentinel leads it, the others learn of it.

package discover

import (
	"errors"
	"fmt"
	"time"

	"github.com/pinion-proxy/pinion/worker/link"
)

// errNoSentinel is why nobody can be asked for a failover.
var errNoSentinel = errors.New("no sentinel that is counted answers, and agrees where the master is")

// failover has a sentinel begin to make a replica the master of a server. It calls then, from any goroutine, with the sentinel that does,
// or the reason why none does.
func (r *runner) failover(server link.Server, then func(by string, err error)) {
	go func() {
		var sentinels []string
		asked := make(chan struct{})
		r.send(func(f *follower, _ time.Time) {
			sentinels = f.leaders(server.Address)
			close(asked)
		})
		select {
		case <-asked:
			then(r.lead(server.Address, sentinels))
		case <-r.ctx.Done():
			then("", r.ctx.Err())
		}
	}()
}

// leaders returns the sentinels that may lead a failover of a master: those that answer, and name it where it is taken to be.
func (f *follower) leaders(master string) (all []string) {
	for _, s := range f.report() {
		for _, n := range s.Masters {
			if s.Counts && n.Master == master && n.Address != "" && !n.Disagrees {
				all = append(all, s.Address)
			}
		}
	}
	return all
}

// lead asks sentinels, one after the other, until one leads a failover. One that may have begun, and does not say so, is the last one
// asked: two leaders would be in each other's way.
func (r *runner) lead(master string, sentinels []string) (by string, err error) {
	err = errNoSentinel
	for _, address := range sentinels {
		refused, sent := askToLead(r.ctx, r.pool, master, address)
		if refused == nil {
			return address, nil
		}
		err = fmt.Errorf("sentinel %s: %w", address, refused)
		if sent {
			break
		}
	}
	return "", err
}
