// The status that the admin socket reports.

package master

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/limits"
	"github.com/pinion-proxy/pinion/master/totals"
	"github.com/pinion-proxy/pinion/shard"
	"github.com/pinion-proxy/pinion/worker/link"
	"github.com/pinion-proxy/pinion/worker/sock"
)

// status returns the status of the master, its generations and pools.
func (m *master) status() *admin.Status {
	now := m.world.now()
	s := &admin.Status{
		Build: m.opts.Build, PID: m.world.pid, PIDNamespace: m.world.pidNamespace, Keeper: m.keeper.pid, StartedAt: m.startedAt, UptimeSeconds: int64(now.Sub(m.startedAt) / time.Second),
		Phase: m.phaseName(), ConfigFile: m.opts.ConfigFile, Control: m.opts.Control, ControlReading: m.reading.path, Last: m.last, Busy: m.busy(),
	}
	s.Log = &admin.LogStatus{Level: m.log.Verbosity, File: m.logging.path}
	s.Drain = m.drainStatus()
	if m.generations.serving != nil {
		s.Generation, s.ConfigHash = m.generations.serving.number, m.generations.serving.configHash()
		s.CPUsNow = m.cpusNow()
		m.refresh()
		s.Pools = m.generations.serving.poolStatus()
		m.queueStatus(m.generations.serving, s.Pools)
		for i := range m.generations.serving.config.Pools {
			s.Pools[i].Socket = m.listeners.First(m.generations.serving.config.Pools[i].Listen)
			s.Pools[i].NotListening = m.slotsWithoutAny(m.generations.serving, &m.generations.serving.config.Pools[i])
			s.Pools[i].Sentinels = m.sentinelStatus(&m.generations.serving.pools[i])
			s.Pools[i].MemoryClosed = m.generations.serving.memoryClosedStatus(i, now)
			s.Pools[i].FailingHandshakes = m.generations.serving.failingStatus(i, now)
		}
		s.SharedWith = m.sharedWith()
		s.IdleSockets = m.idleSockets(m.generations.serving.layout())
		s.Certificates = certificateStatus(m.generations.serving.config)
		sortAsWritten(s.Pools, m.generations.serving.config)
	}
	s.Generations = m.generations.status(m.opts.Build, now)
	return s
}

// sortAsWritten puts pools into the order of the file: a configuration has them by their names.
func sortAsWritten(pools []admin.PoolStatus, cfg *config.Config) {
	lines := map[string]int{}
	for i := range cfg.Pools {
		lines[cfg.Pools[i].Name] = cfg.Pools[i].Line
	}
	slices.SortStableFunc(pools, func(a, b admin.PoolStatus) int { return cmp.Compare(lines[a.Name], lines[b.Name]) })
}

// phaseName returns what the master is doing.
func (m *master) phaseName() string {
	if m.announced() {
		return "about to drain"
	}
	return m.phase.String()
}

// drainStatus returns the drain that was asked for; nil: none was, or it waits for the end of a handoff.
func (m *master) drainStatus() *admin.DrainStatus {
	d := &m.departure
	if d.at.IsZero() || m.phase > draining {
		return nil
	}
	s := &admin.DrainStatus{Since: d.since, At: d.at, Until: d.until}
	if timeout := m.generations.serving.config.Global.ShutdownTimeout; m.announced() && timeout > 0 {
		s.Until = d.at.Add(timeout)
	}
	return s
}

// status tells of the generation that serves first, then of the one that is to follow it, then of those that drain, the
// latest first. Of a retired one there is nothing to tell but its workers that are left.
func (g *generations) status(build string, now time.Time) (all []admin.GenerationStatus) {
	if g.serving != nil {
		all = append(all, g.serving.status("serving", build, now))
	}
	if g.coming != nil {
		all = append(all, g.coming.status("next", build, now))
	}
	for _, old := range slices.Backward(g.retired) {
		s := old.status("retired", build, now)
		s.Workers = slices.DeleteFunc(s.Workers, func(w admin.WorkerStatus) bool { return w.PID == 0 })
		if len(s.Workers) > 0 {
			all = append(all, s)
		}
	}
	return all
}

func (g *generation) status(state, build string, now time.Time) admin.GenerationStatus {
	s := admin.GenerationStatus{Number: g.number, Build: build, State: state, Left: g.revived && state == "serving", CPUs: g.machine}
	for _, slot := range g.slots {
		w := admin.WorkerStatus{Slot: slot.index, CPU: slot.cpu, State: slot.state.String()}
		if d := slot.died; d.times > 0 {
			w.Died = &admin.DeathStatus{Times: d.times, At: d.at, How: d.how}
		}
		if slot.hangs() {
			w.State = "hung"
		}
		if p := slot.process; p != nil {
			w.PID, w.CPU = p.PID, p.CPU
			w.AgeSeconds = int64(now.Sub(slot.bornAt) / time.Second)
			w.Connections = uint64(slot.clients())
			g.fillUse(&w)
		}
		s.Workers = append(s.Workers, w)
	}
	return s
}

// fillUse fills in what the worker of a slot uses of what it may.
func (g *generation) fillUse(w *admin.WorkerStatus) {
	if g.counters == nil || w.Slot >= len(g.specs) {
		return
	}
	words := g.counters.Worker(w.Slot)
	w.MemoryBytes, w.MemoryLimit = atomic.LoadUint64(words[link.MemoryHeld]), g.specs[w.Slot].MemoryLimit
	w.Descriptors = atomic.LoadUint64(words[link.CurrConnections]) + link.OwnDescriptors
	w.DescriptorLimit = limits.Descriptors()
}

// poolStatus returns the status of the pools and their servers.
func (g *generation) poolStatus() []admin.PoolStatus {
	pools := make([]admin.PoolStatus, len(g.pools))
	for i := range g.pools {
		p := &pools[i]
		p.Name, p.Listen = g.pools[i].Name, g.config.Pools[i].ListenTexts()
		p.Clients, p.Limit = g.counters.Clients(i), g.pools[i].ClientConnections
		if g.pools[i].IsCluster() {
			p.Servers = g.nodeStatus(i)
			continue
		}
		mono := sock.Monotonic() / int64(time.Millisecond)
		starts := g.counters.Starts(i, mono)
		for k, s := range g.pools[i].Servers {
			server := g.serverStatus(i, k)
			server.Name = s.Name
			server.Address, server.Followed = g.whereIs(&g.pools[i], &s)
			word := shard.Liveness(atomic.LoadUint64(g.counters.Liveness(i, k)))
			server.State = stateOf(server.Address, word, server.Down != nil)
			if server.State != stateDown {
				server.Down = nil
			}
			server.Ejected = ejectedStatus(word, link.Ejection(atomic.LoadUint64(g.counters.Ejection(i, k))), mono)
			server.Starting = startingStatus(starts[k], g.pools[i].SlowStart.Milliseconds(), mono)
			server.Replicas = g.replicaStatus(i, s.Name)
			p.Servers = append(p.Servers, server)
		}
	}
	return pools
}

// stateDown is that of a server which is in the ring, and cannot be used.
const stateDown = "down"

// stateOf returns the state of a server at an address; empty: it has not been found, so that nobody knows.
func stateOf(address string, word shard.Liveness, down bool) string {
	switch {
	case address == "":
		return "unknown"
	case down && word.Alive():
		return stateDown
	}
	return word.State().String()
}

// downStatus returns why workers cannot use a server; nil: they can, as far as they know.
func downStatus(f link.Found) *admin.DownStatus {
	if f.Why == link.TroubleUnknown {
		return nil
	}
	return &admin.DownStatus{Since: totals.WallTime(f.Since), Why: f.Why.String(), LastAt: totals.WallTime(f.At)}
}

// refusalIsNews is for how long after it a refusal is told of, in ns.
const refusalIsNews = int64(time.Minute)

// refusesOnly is for how long before a refusal a server must not have served anything for it to be all that it answers, in ns: meanwhile
// some connections may be of before it had a password.
const refusesOnly = int64(5 * time.Second)

// refusesStatus returns what a server has said of late to requests that it has not served; nil: nothing. served is when it last served one.
func refusesStatus(f link.Found, served, mono int64) *admin.RefusesStatus {
	if f.Why == link.TroubleUnknown || mono-f.At > refusalIsNews {
		return nil
	}
	return &admin.RefusesStatus{Why: f.Why.String(), LastAt: totals.WallTime(f.At), All: f.Why == link.TroubleWantsPassword && f.At-served > refusesOnly}
}

// ejectedStatus returns why a server is ejected, at a time in ms of CLOCK_MONOTONIC; nil: it is not.
func ejectedStatus(word shard.Liveness, e link.Ejection, now int64) *admin.EjectedStatus {
	if word.Alive() {
		return nil
	}
	s := &admin.EjectedStatus{Since: timeOf(e.Since()), Why: e.Why().String(), Probes: e.Probes()}
	if at, _ := word.RetryAt(now); word.State() == shard.Ejected {
		s.NextMS = max(at-now, 0)
	}
	return s
}

// startingStatus returns how far a server is that starts slowly since a moment, in ms of CLOCK_MONOTONIC; nil: it does not.
func startingStatus(since, over, now int64) *admin.StartingStatus {
	if since == 0 {
		return nil
	}
	return &admin.StartingStatus{Percent: int(100 * shard.StartedShare(now-since, over)), LeftMS: max(since+over-now, 0)}
}

// serverStatus returns what is counted of a server.
func (g *generation) serverStatus(i, k int) admin.ServerStatus {
	served, _ := g.counters.LastHeard(i, k) // a server that wants a password is not heard
	counts := g.counters.SumLatency(i, k)
	percentile := func(q float64) int64 { return link.Quantile(&counts, q).Microseconds() }
	return admin.ServerStatus{
		CertificateEnds: g.serverCertificate(i, k),

		Queue:       g.counters.SumServer(i, k, link.InQueue) + g.counters.SumServer(i, k, link.OutQueue),
		Down:        downStatus(g.counters.TroubleOf(i, k)),
		Refuses:     refusesStatus(g.counters.ProtestOf(i, k), int64(served), sock.Monotonic()),
		Connections: g.counters.SumServer(i, k, link.ServerConnections),
		Requests:    g.counters.SumServer(i, k, link.Requests),
		EOF:         g.counters.SumServer(i, k, link.ServerEOF),
		Errors:      g.counters.SumServer(i, k, link.ServerErr),
		Timeouts:    g.counters.SumServer(i, k, link.ServerTimedout),
		P50US:       percentile(0.5), P99US: percentile(0.99), P999US: percentile(0.999),
	}
}

// serverCertificate returns when the certificate of a server ends; zero: that is not known.
func (g *generation) serverCertificate(i, k int) time.Time {
	if ends, _ := g.counters.CertificateEnds(i, k); ends != 0 && g.pools[i].ServerTLS != nil {
		return time.Unix(ends, 0)
	}
	return time.Time{}
}

// whereIs returns the address of a server, and what is known of it if it fails over.
func (g *generation) whereIs(p *link.Pool, s *link.Server) (address string, followed *admin.FollowedStatus) {
	if s.Network != link.Sentinel {
		return s.Address, nil
	}
	t := g.topology.Pool(p.Name)
	at, _ := t.Primary(s.Name)
	known := t.Server(s.Name)
	return at.Address, &admin.FollowedStatus{
		Master: s.Address, Role: string(link.Primary), Epoch: known.Epoch, Stale: known.Stale,
		MovedFrom: known.MovedFrom, SaidAt: timeOf(known.SaidAt), MovedAt: timeOf(known.MovedAt), SwitchedAt: timeOf(known.SwitchedAt),
	}
}

// timeOf returns a time in ms since the epoch; zero: none.
func timeOf(millis int64) (t time.Time) {
	if millis != 0 {
		t = time.UnixMilli(millis)
	}
	return t
}

// sentinelStatus returns what is known of the sentinels of a pool.
func (m *master) sentinelStatus(p *link.Pool) (all []admin.SentinelStatus) {
	f := m.followerOf(p)
	if f == nil {
		return nil
	}
	for _, s := range f.sentinels {
		status := admin.SentinelStatus{
			Address: s.Address, State: admin.SentinelAnswers, Configured: s.Configured, Counts: s.Counts, SilentSince: s.SilentSince, Error: s.Failure,
		}
		if s.Failure != "" {
			status.State = admin.SentinelSilent
		}
		for _, n := range s.Masters {
			if n.Disagrees {
				status.State = admin.SentinelDisagrees
			}
			status.Masters = append(status.Masters, admin.NamedStatus{Master: n.Master, Address: n.Address, Epoch: n.Epoch, Disagrees: n.Disagrees, Error: n.Failure})
		}
		all = append(all, status)
	}
	return all
}
