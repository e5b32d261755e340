// What the operator asks through the control socket, and the answers.

package master

import (
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
)

// listenControl opens the control socket, if there is to be one.
func (m *master) listenControl() (err error) {
	if m.opts.Control == "" {
		return nil
	}
	m.controlFD, err = m.world.listenControl(m.opts.Control, nil)
	return err
}

// serveControl begins to answer on the control socket.
func (m *master) serveControl() {
	if m.controlFD < 0 {
		return
	}
	m.controlPath = m.world.unlinker(m.opts.Control)
	if m.controlSpot == (spot{}) {
		m.controlSpot, _ = m.world.locate(m.opts.Control)
	}
	l, err := adminListener(m.controlFD)
	if err != nil {
		m.log.Printf(logfile.Error, "serving the control socket: %v", err)
		return
	}
	m.control = serveAdmin(l, m.asks, m.done)
	m.watchPaths()
}

// answerWithin is how long an answer that is under way may take to be written when the master ends.
const answerWithin = time.Second

func (m *master) closeControl() {
	for _, former := range m.formerControls {
		former.close(answerWithin)
	}
	if m.control != nil {
		m.control.close(answerWithin)
	}
	if m.controlFD < 0 {
		return
	}
	m.world.close(m.controlFD)
	if !m.left && m.controlPath != nil {
		m.controlPath()
	}
}

// asked does what somebody asks for, or has it done.
func (m *master) asked(a *ask) {
	if !m.mayAsk(a.by) {
		m.log.Printf(logfile.Error, "refused on the control socket: "+errWorkerAsks)
		a.reply <- outcome{Error: errWorkerAsks, failure: failureCaller}
		return
	}
	if m.yielding() && a.intent != reportStatus { // the new master does it, unless it fails
		m.deferred = append(m.deferred, a)
		return
	}
	switch a.intent {
	case reportStatus:
		a.reply <- outcome{Status: m.status()}
	case reload:
		if a.dryRun && m.generation != nil {
			m.preview(a.reply)
			return
		}
		m.demand(wish{kind: kindReload, strict: a.strict, replies: []chan<- outcome{a.reply}})
	case upgrade:
		m.demand(wish{kind: kindUpgrade, strict: a.strict, replies: []chan<- outcome{a.reply}})
	case reopenLog:
		m.reopenLog(a.reply)
	case drain:
		m.log.Printf(logfile.Notice, "asked to drain through the control socket")
		if m.phase == serving && m.after == nothing { // asked twice it would stop
			m.end(drain)
		}
		within := "without a deadline"
		if timeout := m.generation.config.Global.ShutdownTimeout; timeout > 0 {
			within = "within " + timeout.String()
		}
		a.reply <- outcome{Lines: []string{"draining " + within}, PID: m.world.pid}
	case stop:
		m.log.Printf(logfile.Notice, "asked to stop through the control socket")
		a.reply <- outcome{PID: m.world.pid}
		m.end(stop)
	}
	m.settle()
}

// status tells how the master is.
func (m *master) status() *Status {
	now := m.world.now()
	s := &Status{
		Build: m.opts.Build, PID: m.world.pid, PIDNamespace: m.world.pidNamespace, Keeper: m.keeper, StartedAt: m.startedAt, UptimeSeconds: int64(now.Sub(m.startedAt) / time.Second),
		Phase: m.phase.String(), ConfigFile: m.opts.ConfigFile, Control: m.opts.Control, Last: m.last, Busy: m.busy(),
	}
	if m.generation != nil {
		s.Generation = m.generation.number
		m.refresh()
		s.Pools = m.generation.poolStatus()
		for i := range m.generation.config.Pools {
			s.Pools[i].NotListening = m.unheard(m.generation, m.generation.config.Pools[i].Listen)
		}
	}
	for _, g := range m.generations() {
		state := "retired"
		switch g {
		case m.generation:
			state = "serving"
		case m.coming:
			state = "next"
		}
		s.Generations = append(s.Generations, g.status(state, m.opts.Build, now))
	}
	return s
}

func (g *generation) status(state, build string, now time.Time) GenerationStatus {
	s := GenerationStatus{Number: g.number, Build: build, State: state, Left: g.revived && state == "serving"}
	for _, slot := range g.slots {
		w := WorkerStatus{Slot: slot.index, CPU: slot.cpu, State: slot.state.String()}
		if slot.hangs() {
			w.State = "hung"
		}
		if p := slot.process; p != nil {
			w.PID, w.CPU = p.pid, p.cpu
			w.AgeSeconds = int64(now.Sub(slot.bornAt) / time.Second)
			w.Connections = uint64(slot.clients())
		}
		s.Workers = append(s.Workers, w)
	}
	return s
}

// poolStatus tells how the pools and their servers are.
func (g *generation) poolStatus() []PoolStatus {
	pools := make([]PoolStatus, len(g.pools))
	for i := range g.pools {
		p := &pools[i]
		p.Name, p.Listen = g.pools[i].Name, g.config.Pools[i].Listen.Text
		p.Clients = g.counters.Clients(i)
		for k, s := range g.pools[i].Servers {
			counts := g.counters.SumLatency(i, k)
			percentile := func(q float64) int64 { return link.Quantile(&counts, q).Microseconds() }
			p.Servers = append(p.Servers, ServerStatus{
				Name: s.Name, Address: s.Address,
				State:       shard.Liveness(atomic.LoadUint64(g.counters.Liveness(i, k))).State().String(),
				Connections: g.counters.SumServer(i, k, link.ServerConnections),
				Requests:    g.counters.SumServer(i, k, link.Requests),
				EOF:         g.counters.SumServer(i, k, link.ServerEOF),
				Errors:      g.counters.SumServer(i, k, link.ServerErr),
				Timeouts:    g.counters.SumServer(i, k, link.ServerTimedout),
				P50US:       percentile(0.5), P99US: percentile(0.99), P999US: percentile(0.999),
			})
		}
	}
	return pools
}
