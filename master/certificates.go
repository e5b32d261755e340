// Certificates that end: the log tells of each in time, and again the nearer the end is.

package master

import (
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/admin"
	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/master/config"
	"github.com/pinion-proxy/pinion/master/logfile"
	"github.com/pinion-proxy/pinion/master/metrics"
)

const day = 24 * time.Hour

// warnings are how long before the end of a certificate the log tells of it.
var warnings = [...]time.Duration{config.Soon, 7 * day, day, 0}

// certificates are those of the generation that serves, and what the log has told of them.
type certificates struct {
	told map[toldOf]time.Duration // of warnings the last
	next time.Time                // when there is more to tell; zero: never
}

// toldOf is a certificate at a place.
type toldOf struct {
	pool, key, file string
	ends            int64 // s since the epoch
}

// tellOfCertificates tells of those that end soon, each once for each warning.
func (m *master) tellOfCertificates() {
	now := m.world.now()
	before := m.certificates.told
	m.certificates = certificates{told: map[toldOf]time.Duration{}}
	if m.generations.serving == nil {
		return
	}
	for _, c := range m.generations.serving.config.Certificates() {
		of := toldOf{c.Pool, c.Key, c.File, c.Ends.Unix()}
		if due, ok := dueWarning(c.Ends.Sub(now)); ok {
			if told, has := before[of]; !has || due < told {
				m.tellOfCertificate(&c, now)
			}
			m.certificates.told[of] = due
		}
		m.certificates.consider(nextWarning(c.Ends, now))
	}
}

func (c *certificates) consider(at time.Time) {
	if !at.IsZero() && (c.next.IsZero() || at.Before(c.next)) {
		c.next = at
	}
}

// dueWarning returns the warning that is due for a certificate with so much time left.
func dueWarning(left time.Duration) (due time.Duration, ok bool) {
	for _, w := range slices.Backward(warnings[:]) {
		if left <= w {
			return w, true
		}
	}
	return 0, false
}

// nextWarning returns when the next one is due; zero: none is.
func nextWarning(ends, now time.Time) time.Time {
	for _, w := range warnings {
		if at := ends.Add(-w); at.After(now) {
			return at
		}
	}
	return time.Time{}
}

func (m *master) tellOfCertificate(c *config.Certificate, now time.Time) {
	left := c.Ends.Sub(now)
	switch {
	case c.Pool == config.OfGlobal && left > 0:
		m.log.Event(logfile.HTTPCertificateEnds, c.Key, c.File, c.Name, certs.Day(c.Ends), timeLeft(left))
		return
	case c.Pool == config.OfGlobal:
		m.log.Event(logfile.HTTPCertificateEnded, c.Key, c.File, c.Name, certs.Day(c.Ends))
		return
	case left > 0:
		m.log.Event(logfile.CertificateEnds, c.Pool, c.Key, c.File, c.Name, certs.Day(c.Ends), timeLeft(left))
		return
	}
	m.log.Event(logfile.CertificateEnded, c.Pool, c.Key, c.File, c.Name, certs.Day(c.Ends))
}

// timeLeft says how long it is until a certificate ends, in days while there are several.
func timeLeft(left time.Duration) string {
	if left < 2*day {
		return fmt.Sprintf("%d h", left/time.Hour)
	}
	return fmt.Sprintf("%d days", left/day)
}

func (m *master) tickCertificates(now time.Time) {
	if next := m.certificates.next; !next.IsZero() && !now.Before(next) {
		m.tellOfCertificates()
	}
}

// certificateStatus returns until when the certificates of a generation are good.
func certificateStatus(cfg *config.Config) (all []admin.CertificateStatus) {
	for _, c := range cfg.Certificates() {
		all = append(all, admin.CertificateStatus{Pool: c.Pool, Key: c.Key, File: c.File, Name: c.Name, Ends: c.Ends})
	}
	return all
}

// viewCertificates is certificateStatus for a scrape.
func viewCertificates(cfg *config.Config) (all []metrics.Certificate) {
	for _, c := range cfg.Certificates() {
		all = append(all, metrics.Certificate{Pool: c.Pool, Key: c.Key, File: c.File, Ends: c.Ends})
	}
	return all
}
