// What is wrong with a running Pinion, by its status: for the first lines of pinion status, and for monitoring.

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/config"
)

// severity of what is wrong. The numbers are the exit statuses that monitoring knows.
type severity int

const (
	fine     severity = 0
	warning  severity = 1 // served, but somebody should look
	critical severity = 2 // some clients are not served
	unknown  severity = 3 // nobody can tell
)

func (s severity) String() string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[s] }

// finding is one thing that is wrong, in a few words.
type finding struct {
	severity
	text string
}

// nearlyAll is from which part of a limit on it is worth a warning.
const nearlyAll = 0.9

// findings returns what is wrong, the worst first.
func findings(s *admin.Status) (all []finding) {
	add := func(how severity, format string, a ...any) {
		all = append(all, finding{how, fmt.Sprintf(format, a...)})
	}
	switch s.Phase {
	case "serving":
	case "starting":
		add(critical, "it is starting, and serves nobody yet")
	case "draining", "stopping":
		add(critical, "it is %s, and takes no new clients", s.Phase)
	default:
		add(warning, "it is %s", s.Phase)
	}
	if len(s.Generations) > 0 && s.Generations[0].State == "serving" && !isEnding(s) {
		workerFindings(s.Generations[0].Workers, add)
	}
	for i := range s.Pools {
		poolFindings(&s.Pools[i], add)
	}
	for _, idle := range s.IdleSockets {
		add(warning, "%s", idle)
	}
	for i := range s.Certificates {
		certificateFinding(&s.Certificates[i], time.Now(), add)
	}
	if h := s.Last; h != nil && h.Outcome == admin.HandoffFailed {
		reason, _, _ := strings.Cut(h.Reason, "\n")
		add(warning, "the last %s has failed: %s", h.Kind, reason)
	}
	slices.SortStableFunc(all, func(a, b finding) int { return cmp.Compare(b.severity, a.severity) })
	return all
}

// certificateFinding tells of a certificate that ends soon, or has.
func certificateFinding(c *admin.CertificateStatus, now time.Time, add func(severity, string, ...any)) {
	of := "pool " + c.Pool
	if c.Pool == config.OfGlobal {
		of = c.Pool
	}
	switch left := c.Ends.Sub(now); {
	case left <= 0:
		add(critical, "%s: %s %s has ended, on %s", of, c.Key, c.File, c.Ends.Local().Format(statusTime))
	case left < config.Soon:
		add(warning, "%s: %s %s ends in %s", of, c.Key, c.File, age(int64(left/time.Second)))
	}
}

// isEnding reports whether the workers are told to end, so that none serves as it did.
func isEnding(s *admin.Status) bool { return s.Phase == "draining" || s.Phase == "stopping" }

// deathIsNews is for how long it is told that a worker has died.
const deathIsNews = time.Hour

// deathFinding tells of a worker whose place another one has taken.
func deathFinding(w *admin.WorkerStatus, add func(severity, string, ...any)) {
	d := w.Died
	if d == nil || time.Since(d.At) >= deathIsNews {
		return
	}
	times := ""
	if d.Times > 1 {
		times = fmt.Sprintf(" %d times, the last time", d.Times)
	}
	ago := age(int64(max(time.Since(d.At), 0) / time.Second))
	if w.PID == 0 {
		add(warning, "worker %d has died%s %s ago (%s), and is to be replaced: the log says why", w.Slot, times, ago, d.How)
		return
	}
	add(warning, "worker %d has died%s %s ago (%s), and has been replaced: the log says why", w.Slot, times, ago, d.How)
}

// workerFindings looks at the workers of the generation that serves.
func workerFindings(workers []admin.WorkerStatus, add func(severity, string, ...any)) {
	serve := 0
	for i := range workers {
		w := &workers[i]
		if w.State == "serving" {
			serve++
		} else {
			add(warning, "worker %d is %s", w.Slot, w.State)
		}
		deathFinding(w, add)
		if float64(w.MemoryBytes) >= nearlyAll*float64(w.MemoryLimit) && w.MemoryLimit > 0 {
			add(warning, "worker %d holds %s of its memory_limit of %s", w.Slot, bytesText(w.MemoryBytes), bytesText(uint64(w.MemoryLimit)))
		}
		if float64(w.Descriptors) >= nearlyAll*float64(w.DescriptorLimit) && w.DescriptorLimit > 0 {
			add(warning, "worker %d has %s of its %s descriptors open", w.Slot, thousands(int(w.Descriptors)), thousands(w.DescriptorLimit))
		}
	}
	if serve == 0 {
		add(critical, "no worker serves")
	}
}

// poolFindings looks at a pool, its servers and its sentinels.
func poolFindings(p *admin.PoolStatus, add func(severity, string, ...any)) {
	if len(p.NotListening) > 0 {
		add(critical, "pool %s: some workers do not listen on %s", p.Name, p.Listen)
	}
	if p.Limit > 0 && float64(p.Clients) >= nearlyAll*float64(p.Limit) {
		add(warning, "pool %s: %s of at most %s clients", p.Name, thousands(int(p.Clients)), thousands(p.Limit))
	}
	if c := p.MemoryClosed; c != nil {
		add(warning, "pool %s: %s closed for memory_limit, the last one %s ago: the log says whom", p.Name,
			many(int(c.Clients), "client"), age(int64(max(time.Since(c.LastAt), 0)/time.Second)))
	}
	if f := p.FailingHandshakes; f != nil {
		add(warning, "pool %s: none of the last %s with clients has succeeded, the last one %s ago: %s", p.Name,
			many(int(f.Failed), "TLS handshake"), age(int64(max(time.Since(f.LastAt), 0)/time.Second)), cmp.Or(handshakeAdvice[f.Cause], "the log says why"))
	}
	serverFindings(p, add)
	for i := range p.Sentinels {
		if n := &p.Sentinels[i]; n.State == admin.SentinelSilent && n.Counts {
			add(warning, "pool %s: sentinel %s is silent", p.Name, n.Address)
		}
	}
}

// handshakeAdvice is, by the counter of why most handshakes with clients fail, what that means.
var handshakeAdvice = map[string]string{
	"client_tls_plaintext":   "most clients speak plaintext there",
	"client_tls_unsupported": "most clients know no version or cipher that is good enough",
	"client_tls_certificate": "most clients show no certificate, or none of an authority in tls_ca",
	"client_tls_refused":     "most clients break it off; do they know the authority of tls_cert, and the name by which they connect?",
	"client_tls_timeout":     "most clients do not answer within tls_handshake_timeout",
}

// serverFindings looks at the servers of a pool. What is wrong with them is worse if there is no other.
func serverFindings(p *admin.PoolStatus, add func(severity, string, ...any)) {
	out := 0
	for i := range p.Servers {
		out += btoi(!isOfUse(&p.Servers[i]))
	}
	how := warning
	if out > 0 && out == len(p.Servers) {
		how = critical
		if out == 1 {
			add(critical, "pool %s: its only server cannot be used", p.Name)
		} else {
			add(critical, "pool %s: none of its %s servers can be used", p.Name, thousands(out))
		}
	}
	for i := range p.Servers {
		s := &p.Servers[i]
		switch name := p.Name + "/" + s.Name; {
		case s.Down != nil:
			add(how, "%s is %s", name, downFacts(s.Down, statusClock))
		case s.Ejected != nil:
			add(how, "%s is %s: %s", name, s.State, s.Ejected.Why)
		case s.State != "live":
			add(how, "%s is %s", name, s.State)
		}
		if left := time.Until(s.CertificateEnds); !s.CertificateEnds.IsZero() && left < config.Soon {
			serverCertificateFinding(p.Name+"/"+s.Name, left, add)
		}
		if s.Refuses != nil {
			refuseFinding(p.Name+"/"+s.Name, s.Refuses, how, add)
		}
	}
}

// serverCertificateFinding tells of the certificate of a server, which ends after some time. What becomes of the server then is another finding.
func serverCertificateFinding(name string, left time.Duration, add func(severity, string, ...any)) {
	if left <= 0 {
		add(warning, "%s has a certificate that has ended; renew it there", name)
		return
	}
	add(warning, "%s has a certificate that ends in %s; renew it there", name, age(int64(left/time.Second)))
}

// isOfUse reports whether a server serves requests.
func isOfUse(s *admin.ServerStatus) bool {
	return s.State == "live" && (s.Refuses == nil || !s.Refuses.All)
}

// refuseFinding tells of a server that answers requests with an error of its own. how is how bad it is that it answers nothing else.
func refuseFinding(name string, r *admin.RefusesStatus, how severity, add func(severity, string, ...any)) {
	if r.All {
		add(how, "%s answers all requests with an error: %s", name, r.Why)
		return
	}
	add(warning, "%s answers some requests with an error: %s", name, r.Why)
}

// statusClock is the time in a summary: the date too, once it is another day.
const statusClock = "15:04:05"

// downFacts says since when a server cannot be used, and why.
func downFacts(d *admin.DownStatus, layout string) string {
	since := d.Since.Local()
	if layout == statusClock && since.YearDay() != time.Now().YearDay() {
		layout = statusTime
	}
	return fmt.Sprintf("down since %s: %s", since.Format(layout), d.Why)
}

// summary says in one line how it is.
func summary(s *admin.Status, all []finding) string {
	clients, queue, servers := totalsOf(s)
	text := fmt.Sprintf("%s in %s, %s, %s under way", many(servers, "server"), many(len(s.Pools), "pool"), many(clients, "client"), many(queue, "request"))
	if len(all) == 0 {
		return "all is well: " + text
	}
	return fmt.Sprintf("%s: %s", many(len(all), "problem"), text)
}

// checkText is the summary for those who see one line only: with the worst of what is wrong.
func checkText(s *admin.Status, all []finding) string {
	if len(all) == 0 {
		return summary(s, all)
	}
	text := all[0].text
	if len(all) > 1 { // of a pool that has no server left the first says so, and the second why
		text += "; " + all[1].text
	}
	if len(all) > 2 {
		text += fmt.Sprintf("; and %d more", len(all)-2)
	}
	return text
}

// totalsOf adds up what the pools have.
func totalsOf(s *admin.Status) (clients, queue, servers int) {
	for i := range s.Pools {
		clients += int(s.Pools[i].Clients)
		servers += len(s.Pools[i].Servers)
		for k := range s.Pools[i].Servers {
			queue += int(s.Pools[i].Servers[k].Queue)
		}
	}
	return clients, queue, servers
}

// showCheck writes one line as plugins of Nagios do, performance data behind the bar, and returns the exit status. err is why there is
// no status.
func showCheck(out io.Writer, s *admin.Status, err error) error {
	if err != nil {
		how := unknown
		if nobody(err) || unheard(err) {
			how = critical
		}
		fmt.Fprintf(out, "PINION %s: %s\n", how, noBar(err.Error()))
		return exitStatus(how)
	}
	all := findings(s)
	how := fine
	if len(all) > 0 {
		how = all[0].severity
	}
	clients, queue, servers := totalsOf(s)
	live := 0
	for i := range s.Pools {
		for k := range s.Pools[i].Servers {
			live += btoi(s.Pools[i].Servers[k].State == "live")
		}
	}
	fmt.Fprintf(out, "PINION %s: %s|clients=%d queue=%d servers=%d live=%d\n", how, noBar(checkText(s, all)), clients, queue, servers, live)
	return exitStatus(how)
}

// noBar replaces what would end the text for monitoring.
func noBar(text string) string {
	return strings.NewReplacer("|", "/", "\n  ", " ", "\n", " ").Replace(text)
}

func btoi(is bool) int {
	if is {
		return 1
	}
	return 0
}
