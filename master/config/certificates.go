// The certificates that a configuration names: they are read with it, and are a part of it.

package config

import (
	"crypto/fips140"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Soon is how long before its end a certificate is worth a warning.
const Soon = 30 * 24 * time.Hour

// Certificate is what a key of a pool names.
type Certificate struct {
	Pool string
	Key  string // of the configuration
	File string
	Name string    // whose it is; of several authorities that of the first
	Ends time.Time // of several authorities the end of the last

	sum [sha256.Size]byte
}

// File is one that was read for the configuration.
type File struct {
	Path string
	Sum  [sha256.Size]byte // of the content
}

// Certificates returns all, in the order of the pools.
func (c *Config) Certificates() (all []Certificate) {
	for i := range c.Pools {
		all = append(all, c.Pools[i].certificates...)
	}
	return all
}

// Ended returns which certificates have ended when they were read. A start goes on with them: a service that has run with one an hour
// ago is not to be down for it. What is new is refused.
func (c *Config) Ended() Problems { return c.ended }

// loader reads the files that a configuration names, each once.
type loader struct {
	*Config
	now      time.Time
	files    map[string]*certs.File
	failures map[string]error
	problems Problems
}

// readCertificates reads all files, and tells what is wrong with them.
func (c *Config) readCertificates(now time.Time) error {
	l := &loader{Config: c, now: now, files: map[string]*certs.File{}, failures: map[string]error{}}
	for i := range c.Pools {
		if p := &c.Pools[i]; p.ServerTLS != nil {
			l.serverTLS(p)
		}
	}
	for path, f := range l.files {
		c.Files = append(c.Files, File{path, f.Sum})
	}
	slices.SortFunc(c.Files, func(a, b File) int { return compareNames(a.Path, b.Path) })
	c.Files = slices.CompactFunc(c.Files, func(a, b File) bool { return a.Path == b.Path })
	errs, warnings := l.problems.split()
	c.noted = append(c.noted, warnings...)
	if len(errs) > 0 {
		return errs
	}
	return nil
}

func (l *loader) serverTLS(p *Pool) {
	if fips140.Enforced() {
		l.report(p, keyServerTLS, &certs.Flaw{Message: keyServerTLS + " cannot be true, as this process may use approved cryptography only, and the records of TLS are protected by Pinion itself",
			Hint: "start it without fips140=only in GODEBUG, or remove " + keyServerTLS})
		return
	}
	t := &p.serverTLS
	if t.ca != "" {
		if f := l.read(p, keyServerCA, t.ca, (*certs.File).Authorities); f != nil {
			p.ServerTLS.CA = f.PEM
			l.keep(p, keyServerCA, t.ca, f, f.EndsLast())
		}
	}
	if t.certificate == "" {
		return
	}
	certificate, key := l.read(p, keyServerCert, t.certificate, (*certs.File).Certificate), l.read(p, keyServerKey, t.key, (*certs.File).PrivateKey)
	if certificate == nil || key == nil {
		return
	}
	if err := certs.Match(certificate, key); err != nil {
		l.reportFile(p, keyServerKey, t.key, err)
		return
	}
	p.ServerTLS.Pair = &link.KeyPair{Certificate: certificate.PEM, Key: key.Key}
	l.keep(p, keyServerCert, t.certificate, certificate, certificate.Ends())
	l.warnOfPair(p, certificate, key)
}

// read returns a file that is fit for a key, or nil after it has said why there is none.
func (l *loader) read(p *Pool, key, name string, fit func(*certs.File) error) *certs.File {
	path, _ := secretPath(name) // it is one, since the key has been set
	f, err := l.files[path], l.failures[path]
	if f == nil && err == nil {
		if f, err = certs.Read(path); err == nil {
			l.files[path] = f
		} else {
			l.failures[path] = err
		}
	}
	if err == nil {
		err = fit(f)
	}
	if err != nil {
		l.reportFile(p, key, name, err)
		return nil
	}
	return f
}

// keep has a certificate be watched for its end.
func (l *loader) keep(p *Pool, key, name string, f *certs.File, ends time.Time) {
	path, _ := secretPath(name)
	p.certificates = append(p.certificates, Certificate{Pool: p.Name, Key: key, File: path, Name: certs.Name(f.All[0]), Ends: ends, sum: sha256.Sum256(f.PEM)})
	shown := fmt.Sprintf("%s %q", key, path)
	switch left := ends.Sub(l.now); {
	case left <= 0:
		l.ended = append(l.ended, l.KeyProblem(p, key, fmt.Sprintf("%s has ended, on %s", shown, certs.Day(ends)), "renew it"))
	case left < Soon:
		l.warn(p, key, fmt.Sprintf("%s ends on %s, in %s", shown, certs.Day(ends), plural(int(left.Hours()/24), "day")), "renew it")
	}
	if key == keyServerCA {
		return
	}
	if err := f.Begun(l.now); err != nil {
		l.warnFile(p, key, name, err)
	}
}

// warnOfPair tells what works, but hurts.
func (l *loader) warnOfPair(p *Pool, certificate, key *certs.File) {
	t := &p.serverTLS
	if f := certificate.Slow(); f != nil {
		l.warnFile(p, keyServerCert, t.certificate, f)
	}
	if key.Open {
		l.warnFile(p, keyServerKey, t.key, &certs.Flaw{Message: "can be read by every user of this machine", Hint: "chmod o= it"})
	}
}

func (l *loader) report(p *Pool, key string, f *certs.Flaw) {
	l.problems = append(l.problems, l.KeyProblem(p, key, f.Message, f.Hint))
}

func (l *loader) reportFile(p *Pool, key, name string, err error) {
	l.report(p, key, flawOf(key, name, err))
}

func (l *loader) warn(p *Pool, key, message, hint string) {
	problem := l.KeyProblem(p, key, message, hint)
	problem.Warning = true
	l.problems = append(l.problems, problem)
}

func (l *loader) warnFile(p *Pool, key, name string, err error) {
	f := flawOf(key, name, err)
	l.warn(p, key, f.Message, f.Hint)
}

// flawOf says in which key the file stands.
func flawOf(key, name string, err error) *certs.Flaw {
	f, ok := err.(*certs.Flaw)
	if !ok {
		f = &certs.Flaw{Message: "cannot be used: " + err.Error(), Hint: "see what is there"}
	}
	shown := fmt.Sprintf("%s %q", key, name)
	if path, _ := secretPath(name); path != name {
		shown += ", which is " + path + ","
	}
	return &certs.Flaw{Message: shown + " " + f.Message, Hint: f.Hint}
}

// certificates compares what is at the same path: another certificate there is a change, though the file is the same.
func (d *differ) certificates(subject string, old, new *Pool) {
	for _, n := range new.certificates {
		for _, o := range old.certificates {
			if o.Key == n.Key && o.File == n.File && o.sum != n.sum {
				d.say("%s: %s: %s has another certificate: %s, until %s", subject, n.Key, quote(n.File), n.Name, certs.Day(n.Ends))
			}
		}
	}
}
