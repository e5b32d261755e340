// What pinion status shows to people.

package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/worker/link"
)

const statusTime = "2006-01-02 15:04:05" // as in the log

func showStatus(out io.Writer, s admin.Status) error {
	w := new(strings.Builder)
	pids := fmt.Sprintf("pid %d", s.PID)
	if s.Keeper != 0 {
		pids += fmt.Sprintf(", keeper %d", s.Keeper)
	}
	fmt.Fprintf(w, "pinion %s (%s) is %s, generation %d, up %s\n", s.Build, pids, s.Phase, s.Generation, age(s.UptimeSeconds))
	all := findings(&s)
	fmt.Fprintln(w, summary(&s, all))
	for _, f := range all {
		fmt.Fprintf(w, "  %s: %s\n", f.severity, f.text)
	}
	facts := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(facts, "  started\t%s\n", s.StartedAt.Local().Format(statusTime))
	fmt.Fprintf(facts, "  configuration\t%s\n", strings.TrimSuffix(s.ConfigFile+", hash "+s.ConfigHash, ", hash "))
	fmt.Fprintf(facts, "  control\t%s\n", s.Control)
	if s.ControlReading != "" {
		fmt.Fprintf(facts, "  for reading\t%s\n", s.ControlReading)
	}
	if text := cpuFacts(&s); text != "" {
		fmt.Fprintf(facts, "  CPUs\t%s\n", text)
	}
	if s.Busy != "" {
		fmt.Fprintf(facts, "  under way\t%s\n", s.Busy)
	}
	if s.Drain != nil {
		fmt.Fprintf(facts, "  drain\t%s\n", drainFacts(s.Drain))
	}
	for _, p := range s.SharedWith {
		fmt.Fprintf(facts, "  shared with\t%s (pid %d) accepts from the same sockets\n", cmp.Or(p.Name, "a program"), p.PID)
	}
	facts.Flush()
	for i := range s.Generations {
		showGeneration(w, &s.Generations[i])
	}
	for i := range s.Pools {
		showPool(w, &s.Pools[i])
	}
	if s.Last != nil {
		showLast(w, s.Last)
	}
	_, err := io.WriteString(terminal{out}, w.String())
	return err
}

// cpuFacts says what the workers that serve may use, and what a reload would find; empty: not known.
func cpuFacts(s *admin.Status) string {
	if len(s.Generations) == 0 || s.Generations[0].CPUs == nil {
		return ""
	}
	g := &s.Generations[0]
	text := fmt.Sprintf("%s: %s", many(len(g.Workers), "worker"), g.CPUs)
	if s.CPUsNow != nil {
		text += fmt.Sprintf("; by now %s: pinion reload follows", s.CPUsNow)
	}
	return text
}

// drainFacts says when clients are taken no more, and when the last are cut off.
func drainFacts(d *admin.DrainStatus) string {
	text := fmt.Sprintf("asked for at %s; no new clients from %s on", d.Since.Local().Format(statusTime), d.At.Local().Format(statusTime))
	if d.Until.IsZero() {
		return text + ", the last ones have as long as they like"
	}
	return text + ", the last ones are cut off at " + d.Until.Local().Format(statusTime)
}

func showGeneration(out io.Writer, g *admin.GenerationStatus) {
	clients := uint64(0)
	for _, worker := range g.Workers {
		clients += worker.Connections
	}
	state := g.State
	if g.Left {
		state += ", left by an earlier master"
	}
	fmt.Fprintf(out, "\ngeneration %d, %s, pinion %s: %s, %s\n", g.Number, state, g.Build,
		many(len(g.Workers), "worker"), many(int(clients), "client"))
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "  WORKER\tPID\tCPU\tSTATE\tAGE\tCLIENTS\tMEMORY\tDESCRIPTORS")
	for _, worker := range g.Workers {
		pid, cpu, since := fmt.Sprint(worker.PID), fmt.Sprint(worker.CPU), age(worker.AgeSeconds)
		if worker.PID == 0 {
			pid, since = "-", "-"
		}
		if worker.CPU < 0 {
			cpu = "-"
		}
		fmt.Fprintf(w, "  %d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", worker.Slot, pid, cpu, worker.State, since, thousands(int(worker.Connections)),
			share(bytesText(worker.MemoryBytes), bytesText(uint64(worker.MemoryLimit)), worker.MemoryLimit > 0),
			share(thousands(int(worker.Descriptors)), thousands(worker.DescriptorLimit), worker.DescriptorLimit > 0))
	}
	w.Flush()
}

func showPool(out io.Writer, p *admin.PoolStatus) {
	fmt.Fprintf(out, "\npool %s on %s: %s\n", p.Name, p.Listen, many(int(p.Clients), "client")+limitFacts(p))
	if len(p.NotListening) > 0 {
		fmt.Fprintf(out, "  NOT LISTENING: workers %s; see the log, and restart the service\n", strings.Trim(fmt.Sprint(p.NotListening), "[]"))
	}
	if q := p.AcceptQueue; q != nil && q.Waiting > 0 {
		fmt.Fprintf(out, "  waiting to be accepted: %s, of at most %s\n", many(q.Waiting, "connection"), thousands(q.Limit))
	}
	if q := p.AcceptQueue; q != nil && q.Dropped > 0 {
		fmt.Fprintf(out, "  dropped: %s to connect, as too many waited to be accepted; see backlog\n", many(int(q.Dropped), "attempt"))
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "  SERVER\tADDRESS\tSTATE\tCONNS\tQUEUE\tREQUESTS\tEOF\tERRORS\tTIMEOUTS\tP50\tP99\tP99.9")
	for _, s := range p.Servers {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, cmp.Or(s.Address, "not known"), s.State, thousands(int(s.Connections)),
			thousands(int(s.Queue)), thousands(int(s.Requests)), thousands(int(s.EOF)), thousands(int(s.Errors)), thousands(int(s.Timeouts)),
			latency(s.P50US), latency(s.P99US), latency(s.P999US))
	}
	w.Flush()
	for _, s := range p.Servers {
		if s.Down != nil {
			fmt.Fprintf(out, "  %s is %s, last tried at %s\n", s.Name, downFacts(s.Down, statusTime), s.Down.LastAt.Local().Format(statusTime))
		}
		if s.Refuses != nil {
			part := map[bool]string{true: "all", false: "some"}[s.Refuses.All]
			fmt.Fprintf(out, "  %s answers %s requests with an error: %s\n", s.Name, part, s.Refuses.Why)
		}
		if s.Ejected != nil {
			fmt.Fprintf(out, "  %s is %s\n", s.Name, ejectedFacts(s.Ejected))
		}
		if s.Starting != nil {
			fmt.Fprintf(out, "  %s is back, and has %d %% of its keys: all in %v\n", s.Name, s.Starting.Percent,
				(time.Duration(s.Starting.LeftMS) * time.Millisecond).Round(100*time.Millisecond))
		}
		if s.Node != nil {
			fmt.Fprintf(out, "  %s is a %s\n", s.Name, nodeFacts(s.Node))
		}
		if s.Followed != nil {
			fmt.Fprintf(out, "  %s is the master %s of the sentinels: %s\n", s.Name, s.Followed.Master, followedFacts(s.Followed))
		}
	}
	showReplicas(out, p.Servers)
	showSentinels(out, p.Sentinels)
}

// limitFacts says how many clients the pool may have.
func limitFacts(p *admin.PoolStatus) string {
	if p.Limit == 0 {
		return ""
	}
	return fmt.Sprintf(" of at most %s", thousands(p.Limit))
}

// share says how much is used of what may be.
func share(used, limit string, known bool) string {
	if !known {
		return "-"
	}
	return used + " of " + limit
}

// bytesText writes a size in the unit that fits.
func bytesText(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, i := float64(n), 0
	for ; size >= 1024 && i < len(units)-1; i++ {
		size /= 1024
	}
	if i == 0 || size >= 10 {
		return fmt.Sprintf("%.0f %s", size, units[i])
	}
	return fmt.Sprintf("%.1f %s", size, units[i])
}

// ejectedFacts says why a server is ejected.
func ejectedFacts(e *admin.EjectedStatus) string {
	facts := "ejected"
	if !e.Since.IsZero() {
		facts += " since " + e.Since.Local().Format(statusTime)
	}
	facts += ": " + e.Why + "; "
	if e.Probes > 0 {
		facts += many(e.Probes, "probe") + " failed; "
	}
	if e.NextMS == 0 {
		return facts + "it is being probed"
	}
	return facts + "next probe in " + (time.Duration(e.NextMS) * time.Millisecond).Round(100*time.Millisecond).String()
}

// showReplicas writes a line for each replica that is read from if it is fit.
func showReplicas(out io.Writer, servers []admin.ServerStatus) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	header := "  REPLICA\tOF\tZONE\tSTATE\tBEHIND\n"
	for _, s := range servers {
		for _, r := range s.Replicas {
			fmt.Fprint(w, header)
			header = ""
			behind := "-"
			if r.State == link.ReplicaFit.String() || r.State == link.ReplicaBehind.String() {
				behind = fmt.Sprintf("%d ms", r.LagMS)
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", r.Address, s.Name, cmp.Or(r.Zone, "-"), r.State, behind)
		}
	}
	w.Flush()
}

// showSentinels writes a line for each master that a sentinel names.
func showSentinels(out io.Writer, all []admin.SentinelStatus) {
	if len(all) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "  SENTINEL\tSTATE\tMASTER\tAT\tEPOCH")
	for _, s := range all {
		state := s.State
		switch {
		case s.State == admin.SentinelSilent:
			state = fmt.Sprintf("SILENT since %s: %s", s.SilentSince.Local().Format(statusTime), s.Error)
		case !s.Counts:
			state = "does not count: few others know it"
		}
		if len(s.Masters) == 0 {
			fmt.Fprintf(w, "  %s\t%s\t-\t-\t-\n", s.Address, state)
		}
		for _, n := range s.Masters {
			at, epoch := n.Address, fmt.Sprint(n.Epoch)
			if n.Error != "" {
				at, epoch = n.Error, "-"
			}
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\n", s.Address, state, n.Master, at, epoch)
		}
	}
	w.Flush()
}

// roleReplica is the role of a node that has a copy of what another one has.
const roleReplica = "replica"

// mostRanges is how many ranges of slots are shown of a node.
const mostRanges = 8

// nodeFacts says what is known of a node of a cluster.
func nodeFacts(n *admin.NodeStatus) string {
	text := "master"
	switch {
	case n.Role == roleReplica && n.Of != "":
		text = "replica of " + n.Of
	case n.Role == roleReplica:
		text = "replica"
	case n.Slots == 0:
		text += " without slots"
	default:
		shown := n.Ranges[:min(len(n.Ranges), mostRanges)]
		text += fmt.Sprintf(" of %s: %s", many(n.Slots, "slot"), strings.Join(shown, " "))
		if len(shown) < len(n.Ranges) {
			text += " …"
		}
	}
	text += fmt.Sprintf(", epoch %d", n.Epoch)
	if !n.MovedAt.IsZero() {
		text += ", promoted at " + n.MovedAt.Local().Format(statusTime)
		if !n.SwitchedAt.IsZero() {
			text += fmt.Sprintf(", all workers %s later", span(n.SwitchedAt.Sub(n.MovedAt)))
		}
	}
	if n.Failed {
		text += "; FAILED, the cluster says"
	}
	if n.Stale {
		text += "; STALE, no node answers"
	}
	return text
}

// followedFacts says what is known of a server that fails over.
func followedFacts(f *admin.FollowedStatus) string {
	text := fmt.Sprintf("epoch %d", f.Epoch)
	if !f.MovedAt.IsZero() {
		text += ", moved from " + f.MovedFrom + " at " + f.MovedAt.Local().Format(statusTime)
		switch {
		case f.SwitchedAt.IsZero():
		case f.SaidAt.IsZero():
			text += fmt.Sprintf(", as the servers said before any sentinel, all workers %s later", span(f.SwitchedAt.Sub(f.MovedAt)))
		default:
			text += fmt.Sprintf(", all workers %s after the first sentinel said so", span(f.SwitchedAt.Sub(f.SaidAt)))
		}
	}
	if f.Stale {
		text += "; STALE, no sentinel answers"
	}
	return text
}

// span writes the time between two that were rounded to milliseconds.
func span(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// latency writes a percentile, or that there is none.
func latency(us int64) string {
	switch {
	case us == 0:
		return "-"
	case us < 1000:
		return fmt.Sprintf("%d µs", us)
	}
	return short(time.Duration(us) * time.Microsecond)
}

// showLast tells of the last reload or upgrade.
func showLast(w io.Writer, h *admin.HandoffStatus) {
	build := ""
	if h.Build != "" { // a new binary that is broken has not said its own
		build = " (pinion " + h.Build + ")"
	}
	fmt.Fprintf(w, "\nlast %s: %s, to generation %d%s, at %s\n", h.Kind, h.Outcome, h.Generation, build, h.At.Local().Format(statusTime))
	if h.Reason != "" {
		fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(h.Reason, "\n", "\n  "))
	}
	fmt.Fprintf(w, "  %s\n", handoffFigures(h))
	if h.Lost > 0 {
		fmt.Fprintf(w, "  lost: %s\n", strings.ReplaceAll(h.LostReason, "\n", "\n  "))
	}
}

// handoffFigures is what a handoff has done to the clients.
func handoffFigures(h *admin.HandoffStatus) string {
	text := fmt.Sprintf("%s moved, %s, %s closed", many(h.Moved, "client"), many(h.Stragglers, "straggler"), thousands(h.Closed))
	if h.Lost > 0 {
		text += fmt.Sprintf(", %s lost", thousands(h.Lost))
	}
	if h.Moved > 0 {
		text += "; longest pause " + short(h.LongestPause)
	}
	return text + "; took " + short(h.Took)
}

// many is count with commas.
func many(n int, noun string) string {
	if n == 1 {
		return count(n, noun)
	}
	return thousands(n) + " " + noun + "s"
}

// short writes a duration with two digits that matter, or in whole milliseconds.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < 10*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return age(int64(d / time.Second))
}

// age formats a number of seconds by its two largest units.
func age(seconds int64) string {
	for _, unit := range []struct {
		seconds int64
		name    string
		below   int64
		small   string
	}{
		{86400, "d", 3600, "h"}, {3600, "h", 60, "min"}, {60, "min", 1, "s"},
	} {
		if seconds >= unit.seconds {
			return fmt.Sprintf("%d %s %d %s", seconds/unit.seconds, unit.name, seconds%unit.seconds/unit.below, unit.small)
		}
	}
	return fmt.Sprintf("%d s", seconds)
}
