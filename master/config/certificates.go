// The certificates that a configuration names: they are read with it, and are a part of it.

package config

import (
	"cmp"
	"crypto/fips140"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/worker/link"
)

// Soon is how long before its end a certificate is worth a warning.
const Soon = 30 * 24 * time.Hour

// OfGlobal stands for the name of a pool, which none can have: the certificate is that of the HTTP address.
const OfGlobal = "global"

// Certificate is what a key names.
type Certificate struct {
	Pool string // or OfGlobal
	Key  string // of the configuration
	File string
	Name string    // whose it is; of several authorities that of the first
	Ends time.Time // of several authorities the end of the last

	sum    [sha256.Size]byte
	issuer certs.Signer
}

// File is one that was read for the configuration.
type File struct {
	Path string
	Sum  [sha256.Size]byte // of the content
}

// Certificates returns all, those of the HTTP address first, then in the order of the pools.
func (c *Config) Certificates() (all []Certificate) {
	all = append(all, c.Global.certificates...)
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
	l.http()
	for i := range c.Pools {
		p := &c.Pools[i]
		if p.ServerTLS != nil {
			l.serverTLS(p)
		}
		if p.TLS != nil {
			l.clientTLS(p)
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
	if !l.approved(p, keyServerTLS) {
		return
	}
	t := &p.serverTLS
	p.ServerTLS.CA = l.authorities(p, keyServerCA, t.ca)
	if t.certificate != "" {
		p.ServerTLS.Pair = l.pair(p, keyedFile{keyServerCert, t.certificate}, keyedFile{keyServerKey, t.key})
	}
}

func (l *loader) clientTLS(p *Pool) {
	if !l.approved(p, "listen") {
		return
	}
	t := &p.clientTLS
	p.TLS.CA = l.authorities(p, keyTLSCA, t.ca)
	for i := range t.certificates {
		if pair := l.pair(p, keyedFile{keyTLSCert, t.certificates[i]}, keyedFile{keyTLSKey, t.keys[i]}); pair != nil {
			p.TLS.Pairs = append(p.TLS.Pairs, *pair)
		}
	}
}

// approved reports whether this process may use TLS.
func (l *loader) approved(p *Pool, key string) bool {
	if fips140.Enforced() {
		l.report(p, key, &certs.Flaw{Message: "TLS cannot be, as this process may use approved cryptography only, and the records of TLS are protected by Pinion itself",
			Hint: "start it without fips140=only in GODEBUG, or remove TLS"})
		return false
	}
	return true
}

// authorities returns those that a key names, in PEM; nil: it names none, or what is wrong with them has been said.
func (l *loader) authorities(p *Pool, key, name string) []byte {
	if name == "" {
		return nil
	}
	f := l.read(p, key, name, (*certs.File).Authorities)
	if f == nil {
		return nil
	}
	l.keep(p, key, name, f, f.EndsLast())
	return f.PEM
}

// keyedFile is a file and the key of the configuration that names it.
type keyedFile struct{ key, file string }

// pair returns a certificate and its private key, each named by a key; nil after it has said what is wrong.
func (l *loader) pair(p *Pool, certificate, key keyedFile) *link.KeyPair {
	c, k := l.read(p, certificate.key, certificate.file, (*certs.File).Certificate), l.read(p, key.key, key.file, (*certs.File).PrivateKey)
	if c == nil || k == nil {
		return nil
	}
	if err := certs.Match(c, k); err != nil {
		l.reportFile(p, key.key, key.file, err)
		return nil
	}
	l.keep(p, certificate.key, certificate.file, c, c.Ends())
	for _, f := range []error{c.Begun(l.now), c.Slow()} {
		if f != nil {
			l.warnFile(p, certificate.key, certificate.file, f)
		}
	}
	if (certificate.key == keyTLSCert || certificate.key == httpTLSCertKey) && c.Nameless() {
		l.warnFile(p, certificate.key, certificate.file, &certs.Flaw{Message: "bears no name (subjectAltName), and clients that look for one refuse it: its common name does not count", Hint: "have it issued with one"})
	}
	if k.Open {
		l.warnFile(p, key.key, key.file, &certs.Flaw{Message: "can be read by every user of this machine", Hint: "chmod o= it"})
	}
	return &link.KeyPair{Certificate: c.PEM, Key: k.Key}
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
	p.certificates = append(p.certificates, Certificate{Pool: cmp.Or(p.Name, OfGlobal), Key: key, File: path, Name: certs.Name(f.All[0]), Ends: ends, sum: sha256.Sum256(f.PEM), issuer: certs.Issuer(f.All[0])})
	shown := fmt.Sprintf("%s %q", key, path)
	switch left := ends.Sub(l.now); {
	case left <= 0:
		l.ended = append(l.ended, l.KeyProblem(p, key, fmt.Sprintf("%s has ended, on %s", shown, certs.Day(ends)), "renew it"))
	case left < Soon:
		l.warn(p, key, fmt.Sprintf("%s ends on %s, in %s", shown, certs.Day(ends), plural(int(left.Hours()/24), "day")), "renew it")
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
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			f = &certs.Flaw{Message: f.Message, Hint: credentialHint(name)}
		}
	}
	return &certs.Flaw{Message: shown + " " + f.Message, Hint: f.Hint}
}

// certificates compares what is at the same path: another certificate there is a change, though the file is the same.
func (d *differ) certificates(subject string, old, new []Certificate) {
	for _, n := range new {
		for _, o := range old {
			if o.Key == n.Key && o.File == n.File && o.sum != n.sum {
				d.say("%s: %s: %s has another certificate: %s, until %s%s", subject, n.Key, quote(n.File), n.Name, certs.Day(n.Ends), otherIssuer(&o, &n))
			}
		}
	}
}

// otherIssuer says that another authority has signed the new certificate: who believes only the old one does not believe it.
func otherIssuer(old, new *Certificate) string {
	switch {
	case old.issuer.Name != new.issuer.Name:
		return fmt.Sprintf("; %q has signed it, and no longer %q", new.issuer.Name, old.issuer.Name)
	case old.issuer.Key != new.issuer.Key && old.issuer.Key != "" && new.issuer.Key != "":
		return fmt.Sprintf("; another key of %q has signed it", new.issuer.Name)
	}
	return ""
}
