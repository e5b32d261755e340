// Who may ask at the HTTP address: TLS, a login, a client's certificate.

package config

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/pinion-proxy/pinion/master/certs"
)

const (
	httpKey             = "http"
	httpTLSCertKey      = "http_tls_cert"
	httpTLSKeyKey       = "http_tls_key"
	httpTLSCAKey        = "http_tls_ca"
	httpUserKey         = "http_user"
	httpPasswordKey     = "http_password"
	httpPasswordFileKey = "http_password_file"
)

// ofHTTP are the keys that say nothing without an address.
var ofHTTP = []string{httpTLSCertKey, httpTLSKeyKey, httpTLSCAKey, httpUserKey, httpPasswordKey, httpPasswordFileKey}

// HTTPEncrypted reports whether TLS is spoken at the HTTP address.
func (g *Global) HTTPEncrypted() bool { return g.httpCert != "" }

// HTTPAsksCertificate reports whether clients have to show a certificate there.
func (g *Global) HTTPAsksCertificate() bool { return g.httpCA != "" }

// setHTTPUser refuses what basic authentication cannot carry (RFC 7617, 2).
func setHTTPUser(d *draft, k *Key, w word) *flaw {
	if strings.Contains(w.text, ":") || strings.ContainsFunc(w.text, unicode.IsControl) {
		return &flaw{message: "has a colon, or a character that nobody can type", hint: "write another name"}
	}
	return text(func(d *draft) *string { return &d.global.HTTPUser }).set(d, k, w)
}

func setHTTPPassword(d *draft, k *Key, w word) *flaw {
	switch {
	case w.text == "":
		return &flaw{message: "is empty", hint: "write a password, or remove " + k.Name + " and " + httpUserKey}
	case strings.ContainsFunc(w.text, unicode.IsControl):
		return &flaw{message: "has a character that nobody can type", hint: "write another one"}
	}
	if f := checkPassword(w.text); f != nil {
		return f
	}
	d.global.HTTPPassword = w.text
	return nil
}

func httpPasswordFileOf(d *draft) passwordFile {
	return passwordFile{&d.global.files, &d.global.httpPasswordFile, &d.global.HTTPPassword}
}

// checkHTTP finds halves: each would let in whom the other half was to keep out.
func (r *reader) checkHTTP(d *draft) {
	report := func(key, message, hint string) { r.report(d.given[key], "", flaw{message: message, hint: hint}) }
	if d.global.HTTPEncrypted() {
		d.global.HTTPTLS = &certs.Server{} // until the files are read
	}
	for _, key := range ofHTTP {
		if d.gives(key) && !d.gives(httpKey) {
			report(key, key+" says nothing without "+httpKey, "add "+httpKey+", or remove it")
			return
		}
	}
	needs := func(key string, others ...string) {
		if !d.gives(key) {
			return
		}
		for _, o := range others {
			if d.gives(o) {
				return
			}
		}
		report(key, key+" is given without "+strings.Join(others, " or "), "add "+others[0]+", or remove it")
	}
	needs(httpTLSCertKey, httpTLSKeyKey)
	needs(httpTLSKeyKey, httpTLSCertKey)
	needs(httpTLSCAKey, httpTLSCertKey)
	needs(httpUserKey, httpPasswordKey, httpPasswordFileKey)
	needs(httpPasswordKey, httpUserKey)
	needs(httpPasswordFileKey, httpUserKey)
	if d.gives(httpPasswordKey) && d.gives(httpPasswordFileKey) {
		report(httpPasswordFileKey, httpPasswordKey+" and "+httpPasswordFileKey+" are given", "remove one of them")
	}
}

// http reads what the HTTP address shows. Its keys are reported as those of a pool without a name.
func (l *loader) http() {
	g := &l.Global
	if !g.HTTPEncrypted() {
		return
	}
	p := &Pool{given: g.given}
	authorities := l.authorities(p, httpTLSCAKey, g.httpCA)
	pair := l.pair(p, keyedFile{httpTLSCertKey, g.httpCert}, keyedFile{httpTLSKeyKey, g.httpKey})
	g.certificates = p.certificates
	if pair == nil || g.httpCA != "" && authorities == nil {
		return
	}
	s, err := certs.NewServer(pair, authorities)
	if err != nil {
		l.reportFile(p, httpTLSCertKey, g.httpCert, err)
		return
	}
	g.HTTPTLS = s
}

// http warns of an address that others can reach: whoever does sees keys, names, addresses and the log.
func (w *warner) http(g *Global) {
	l := &g.HTTP
	if l.Network != "tcp" || l.AddrPort.Addr().IsLoopback() {
		return
	}
	asks := g.HTTPUser != "" || g.HTTPAsksCertificate()
	switch {
	case !asks:
		w.warn(&Pool{}, g.given[httpKey], fmt.Sprintf("http on %s asks for no password: whoever reaches it sees keys, addresses, the configuration and the log", l.Text),
			"have a firewall let only scrapers through, add "+httpUserKey+" or "+httpTLSCAKey+", or write 127.0.0.1, or a path with permissions")
	case !g.HTTPEncrypted():
		w.warn(&Pool{}, g.given[httpKey], fmt.Sprintf("http on %s is asked in plaintext: whoever is in between reads the password", l.Text),
			"add "+httpTLSCertKey+" and "+httpTLSKeyKey)
	}
}

// certificates returns those that a section names.
func (d *draft) certificates() []Certificate {
	if d.pool != nil {
		return d.pool.certificates
	}
	return d.global.certificates
}
