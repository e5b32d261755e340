// The rehearsal of a reload: what would change, and whether it would be refused. Most of it is found out beside the loop.

package master

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/listen"
	"github.com/pinion-proxy/pinion/master/reach"
	"github.com/pinion-proxy/pinion/worker/link"
)

// rehearsal is what is to be found out, and what was.
type rehearsal struct {
	old, new *config.Config
	workers  int
	strict   bool
	reply    chan<- admin.Outcome
	trials   []listen.Trial
	own      []ownTrial // of addresses where the master itself answers
	changes  []string   // at first those that the files do not tell

	remarks  []string // what is no change
	refusals []string // why the reload would be refused
}

// ownTrial is of an address of the master's own, and how it is said that the address cannot be had.
type ownTrial struct {
	listen.Trial
	explain func(error) error
}

// preview answers with what a reload would change, and whether it would be refused.
func (m *master) preview(strict bool, reply chan<- admin.Outcome) {
	m.load(func(cfg *config.Config, err error) {
		err = orEnded(cfg, err)
		switch {
		case !m.takesOrders():
			reply <- admin.Outcome{Error: "a reload would be refused: pinion is " + m.phase.String(), Failure: admin.FailureBusy}
		case err != nil:
			reply <- m.misconfigured(err)
		case m.generations.serving.revived:
			reply <- admin.Outcome{Lines: []string{"what serves now was left by an earlier master: only a reload tells the difference"}}
		default:
			m.rehearse(cfg, strict, reply)
		}
	})
}

func (m *master) rehearse(cfg *config.Config, strict bool, reply chan<- admin.Outcome) {
	r := &rehearsal{old: m.generations.serving.config, new: cfg, workers: m.workersOf(cfg), reply: reply,
		strict: strict || cfg.Global.UnreachableServers == config.UnreachableStrict, changes: m.furtherChanges(cfg)}
	layout := listen.Layout{Pools: cfg.Pools, Slots: r.workers}
	r.trials, r.remarks = m.listeners.Trials(layout), m.idleRemarks(layout)
	r.own = m.ownTrials(cfg)
	m.world.aside(func() func() {
		r.changes = append(config.Preview(r.old, r.new), r.changes...)
		if err := m.world.tasks().Check(r.workers, 0); err != nil {
			r.refuse(err)
		}
		r.tryAddresses(m.world.try)
		unreachable := m.world.look(r.new, r.workers).Unreachable
		return func() { m.judgeServers(r, unreachable) }
	})
}

// ownTrials returns the addresses of a configuration where the master itself would answer, and does not yet.
func (m *master) ownTrials(cfg *config.Config) (all []ownTrial) {
	if at := cfg.Global.HTTP; at.Network != "" && at.ID() != m.http.at.ID() {
		own := m.listeners.Own(at)
		if m.http.open() {
			own = append(slices.Clone(own), m.http.Inode)
		}
		all = append(all, ownTrial{listen.Trial{Address: at, Own: own}, func(err error) error { return listen.HTTPError(at, err) }})
	}
	if address, moves := m.statisticsMove(cfg); moves {
		if port, err := netip.ParseAddrPort(address); err == nil { // of a name nobody knows here what it stands for
			at := config.Listen{Network: "tcp", Address: address, AddrPort: port}
			all = append(all, ownTrial{listen.Trial{Address: at}, func(err error) error { return statisticsError(address, err) }})
		}
	}
	if path := m.controlAddress(cfg); path != m.opts.Control && !admin.Abstract(path) {
		at := config.Listen{Network: "unix", Address: path}
		all = append(all, ownTrial{listen.Trial{Address: at}, func(err error) error { return admin.ListenError(path, err) }})
	}
	return all
}

func (r *rehearsal) refuse(err error) { r.refusals = append(r.refusals, err.Error()) }

// tryAddresses tries those that a reload would take.
func (r *rehearsal) tryAddresses(try func(listen.Trial) error) {
	for _, t := range r.trials {
		if err := try(t); err != nil {
			r.refuse(listen.Error(t.Pool, &t.Address, err))
		}
	}
	for _, t := range r.own {
		if err := try(t.Trial); err != nil {
			r.refuse(t.explain(err))
		}
	}
}

// judgeServers says what it means that new workers could not reach some servers: as in a reload, that depends on whether the old ones do.
func (m *master) judgeServers(r *rehearsal, unreachable []link.Unreachable) {
	switch g := m.generations.serving; {
	case len(unreachable) == 0:
		r.end()
	case r.strict:
		r.refuseFor(unreachable)
		r.end()
	case g.config != r.old:
		r.reply <- admin.Outcome{Error: "another configuration serves meanwhile: ask again", Failure: admin.FailureBusy}
	default:
		m.askOldWorkers(r, unreachable)
	}
}

// refuseFor says that a reload would be refused, as new workers could not reach servers.
func (r *rehearsal) refuseFor(lost []link.Unreachable) {
	if len(lost) > 0 {
		r.refuse(fmt.Errorf("new workers cannot reach %s", describeUnreachable(lost)))
	}
}

func (r *rehearsal) end() { r.reply <- r.outcome() }

func (r *rehearsal) outcome() admin.Outcome {
	o := admin.Outcome{Lines: append(r.changes, r.remarks...), Unchanged: len(r.changes) == 0}
	if len(r.refusals) > 0 {
		o.Error = "a reload would be refused: " + strings.Join(r.refusals, "; ")
		o.Failure = admin.FailureConfig
	}
	return o
}

// lookNow asks the servers of a configuration.
func lookNow(cfg *config.Config, workers int) reach.Answer {
	return reach.Look(context.Background(), cfg, workers)
}
