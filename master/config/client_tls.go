// TLS to the clients of a pool: what the file says of it, and what it must not.

package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/pinion-proxy/pinion/codec/acl"
	"github.com/pinion-proxy/pinion/worker/link"
)

// clientTLS is what the keys of a pool say. What the files have that they name comes with Load.
type clientTLS struct {
	certificates []string // as secretPath takes them
	keys         []string // each of the certificate at its place
	ca           string
	auth         link.AuthClients
	user         link.CertificateUser
	timeout      time.Duration
}

const (
	keyTLSCert = "tls_cert"
	keyTLSKey  = "tls_key"
	keyTLSCA   = "tls_ca"
	keyTLSAuth = "tls_auth_clients"
	keyTLSUser = "tls_auth_clients_user"

	// wordTLS stands behind an address on which clients speak TLS.
	wordTLS = "tls"
)

// ofClientTLS are the keys that say nothing without an address of TLS.
var ofClientTLS = []string{keyTLSCert, keyTLSKey, keyTLSCA, keyTLSAuth, keyTLSUser, "tls_handshake_timeout"}

var (
	authClients = [...]option[link.AuthClients]{{string(link.AuthClientsNo), link.AuthClientsNo}, {string(link.AuthClientsOptional), link.AuthClientsOptional},
		{string(link.AuthClientsYes), link.AuthClientsYes}}
	certificateUsers = [...]option[link.CertificateUser]{{string(link.CertificateUserOff), link.CertificateUserOff}, {string(link.CertificateUserCN), link.CertificateUserCN},
		{string(link.CertificateUserURI), link.CertificateUserURI}}
)

// fileList is a list of files.
func fileList(field func(*draft) *[]string) value {
	return value{more: true,
		set: func(d *draft, _ *Key, w word) *flaw {
			path := ""
			f := file(func(*draft) *string { return &path }).set(d, nil, w)
			*field(d) = append(*field(d), path)
			return f
		},
		get: func(d *draft) []string { return *field(d) },
	}
}

// speaksTLS reports whether clients do at one of the pool's addresses.
func (p *Pool) speaksTLS() bool {
	return slices.ContainsFunc(p.Listens(), func(l Listen) bool { return l.TLS })
}

// cutTLS takes the mark of TLS from the end of an address.
func cutTLS(text string) (address string, encrypted bool) {
	address, mark, found := cutLast(text, ' ')
	if found && mark == wordTLS {
		return strings.TrimRight(address, " "), true
	}
	return text, false
}

// checkClientTLS finds halves, and what would let in whoever likes; and it makes of the keys what workers are told.
func (r *reader) checkClientTLS(d *draft) {
	t, p := &d.pool.clientTLS, d.pool
	report := func(key string, f flaw) { r.report(d.given[key], p.Name, f) }
	if !p.speaksTLS() {
		r.checkNoClientTLS(d)
		return
	}
	asks := t.auth != link.AuthClientsNo
	switch {
	case slices.Contains(d.wrong, keyTLSCert) || slices.Contains(d.wrong, keyTLSKey):
	case len(t.certificates) == 0:
		report("listen", flaw{message: "has an address on which clients speak TLS, and no " + keyTLSCert, hint: "add " + keyTLSCert + " and " + keyTLSKey})
	case len(t.certificates) != len(t.keys):
		report(keyTLSCert, flaw{message: fmt.Sprintf("%s names %d, and %s %d", keyTLSCert, len(t.certificates), keyTLSKey, len(t.keys)), hint: "name the key of each certificate, in their order"})
	}
	switch {
	case slices.Contains(d.wrong, keyTLSCA) || slices.Contains(d.wrong, keyTLSAuth):
	case asks && t.ca == "":
		report(keyTLSAuth, flaw{message: fmt.Sprintf("%s is %s, and nobody says whose certificates are good", keyTLSAuth, t.auth), hint: "add " + keyTLSCA})
	case !asks && t.ca != "":
		report(keyTLSCA, flaw{message: keyTLSCA + " says nothing, as " + keyTLSAuth + " is no", hint: "add " + keyTLSAuth + ": yes, or remove it"})
	case !asks && t.user != link.CertificateUserOff:
		report(keyTLSUser, flaw{message: keyTLSUser + " says nothing, as " + keyTLSAuth + " is no", hint: "add " + keyTLSAuth + " and " + keyTLSCA + ", or remove it"})
	}
	if asks && t.user != link.CertificateUserOff {
		r.checkCertificateUsers(d)
	}
	p.TLS = &link.ClientTLS{AuthClients: t.auth, AuthClientsUser: t.user, HandshakeTimeout: t.timeout}
}

// checkCertificateUsers finds certificates that name nobody, and users whom one can be without.
func (r *reader) checkCertificateUsers(d *draft) {
	at := d.given[keyTLSUser]
	if !d.gives(usersKey) && !d.gives(aclFileKey) {
		r.report(at, d.pool.Name, flaw{message: fmt.Sprintf("%s is %s, and the pool has no users", keyTLSUser, d.pool.clientTLS.user),
			hint: "add " + usersKey + " or " + aclFileKey + ", or remove it"})
	}
	for _, u := range append(slices.Clone(d.users), d.fileUsers...) {
		if u.Enabled && u.NoPass && u.Name != acl.DefaultUser {
			r.report(at, d.pool.Name, flaw{message: fmt.Sprintf("by AUTH anybody can be user %q without a certificate, as the user has nopass", u.Name),
				hint: "remove nopass: a certificate needs no password", harmless: true})
		}
	}
}

// checkNoClientTLS finds keys of TLS in a pool without.
func (r *reader) checkNoClientTLS(d *draft) {
	if slices.Contains(d.wrong, "listen") {
		return
	}
	for _, key := range ofClientTLS {
		if d.gives(key) && !d.hasDefault(lookup(key, PoolScope)) {
			r.report(d.given[key], d.pool.Name, flaw{message: key + " says nothing, as clients speak TLS on none of its addresses",
				hint: fmt.Sprintf("write %q behind one of them, as in 127.0.0.1:6380 %s, or remove it", wordTLS, wordTLS)})
		}
	}
}

func tlsTimeout(d *draft) *time.Duration { return &d.pool.clientTLS.timeout }

func setTLSTimeout(d *draft, k *Key, w word) *flaw {
	var n int
	f := parseNumber(k, w.text, 1, math.MaxInt32, &n)
	if f == nil {
		*tlsTimeout(d) = time.Duration(n) * time.Millisecond
	}
	return f
}
