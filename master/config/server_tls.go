// TLS to the servers of a pool: what the file says of it, and what it must not.

package config

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/pinion-proxy/pinion/worker/link"
)

// serverTLS is what the keys of a pool say. What the files have that they name comes with Load.
type serverTLS struct {
	on             bool
	verify         link.Verify
	name           string
	ca             string // as secretPath takes them; empty: not given
	certificate    string
	key            string
	sentinelsPlain bool
}

const (
	keyServerTLS  = "server_tls"
	keyServerCA   = "server_tls_ca"
	keyServerCert = "server_tls_cert"
	keyServerKey  = "server_tls_key"
	keySentinels  = "sentinel_tls"
)

var verifies = [...]option[link.Verify]{{string(link.VerifyFull), link.VerifyFull}, {string(link.VerifyCA), link.VerifyCA}, {string(link.VerifyNone), link.VerifyNone}}

// ofServerTLS are the keys that say nothing without server_tls.
var ofServerTLS = []string{keyServerCA, keyServerCert, keyServerKey, "server_tls_name", "server_tls_verify", keySentinels}

// isWithoutTLS reports whether the key is one of TLS where there is none.
func (d *draft) isWithoutTLS(k *Key) bool {
	if k.Scope != PoolScope || d.pool == nil {
		return false
	}
	if slices.Contains(ofClientTLS, k.Name) {
		return !d.pool.speaksTLS()
	}
	if !slices.Contains(ofServerTLS, k.Name) {
		return false
	}
	return !d.pool.serverTLS.on || k.Name == keySentinels && len(d.pool.Sentinels) == 0
}

// file is an absolute path, since Pinion keeps the directory in which it was started, and operators do not know it; or the name of a
// credential.
func file(field func(*draft) *string) value {
	return value{
		set: func(d *draft, _ *Key, w word) *flaw {
			_, f := secretPath(w.text)
			*field(d) = path.Clean(w.text)
			return f
		},
		get: func(d *draft) []string { return unlessEmpty(*field(d)) },
	}
}

func setServerName(d *draft, _ *Key, w word) *flaw {
	if _, err := netip.ParseAddr(w.text); err != nil && (w.text == "" || strings.ContainsAny(w.text, ":/*[] \t")) {
		return &flaw{message: "is no name of a host", hint: "write the name alone, as the certificate has it, such as redis.example.com"}
	}
	d.pool.serverTLS.name = w.text
	return nil
}

func getServerName(d *draft) []string { return unlessEmpty(d.pool.serverTLS.name) }

func setSentinelTLS(d *draft, _ *Key, w word) *flaw {
	encrypted := false
	f := parseBool(w.text, &encrypted)
	d.pool.serverTLS.sentinelsPlain = !encrypted
	return f
}

func getSentinelTLS(d *draft) []string {
	return []string{fmt.Sprint(!d.pool.serverTLS.sentinelsPlain)}
}

// checkServerTLS finds halves, and what cannot be encrypted; and it makes of the keys what workers are told.
func (r *reader) checkServerTLS(d *draft) {
	t, p := &d.pool.serverTLS, d.pool
	if !t.on {
		r.checkNoServerTLS(d)
		return
	}
	report := func(key string, f flaw) { r.report(d.given[key], p.Name, f) }
	certificate, key := d.gives(keyServerCert), d.gives(keyServerKey)
	switch {
	case certificate && !key:
		report(keyServerCert, flaw{message: keyServerCert + " has no key", hint: "add " + keyServerKey})
	case key && !certificate:
		report(keyServerKey, flaw{message: keyServerKey + " has no certificate", hint: "add " + keyServerCert})
	}
	switch {
	case t.verify != link.VerifyNone:
	case d.gives(keyServerCA):
		report(keyServerCA, flaw{message: keyServerCA + " says nothing, as server_tls_verify is none", hint: "remove one of them", harmless: true})
	default:
		report("server_tls_verify", flaw{message: "connections to servers are encrypted, but whoever is in between can be at their other end", hint: "use full or ca", harmless: true})
	}
	if t.sentinelsPlain && len(p.Sentinels) == 0 && !slices.Contains(d.wrong, "sentinels") {
		report(keySentinels, flaw{message: keySentinels + " says nothing without sentinels", hint: "remove it"})
	}
	r.checkPaths(d)
	p.ServerTLS = &link.ServerTLS{Verify: t.verify, Name: t.name}
	p.SentinelPlaintext = t.sentinelsPlain
}

// gives reports whether the file has the key, whatever it says.
func (d *draft) gives(key string) bool {
	_, given := d.given[key]
	return given
}

// checkNoServerTLS finds keys of TLS in a pool without.
func (r *reader) checkNoServerTLS(d *draft) {
	if slices.Contains(d.wrong, keyServerTLS) {
		return
	}
	for _, key := range ofServerTLS {
		if d.gives(key) && !d.hasDefault(lookup(key, PoolScope)) {
			r.report(d.given[key], d.pool.Name, flaw{message: fmt.Sprintf("%s says nothing, as server_tls is not true", key),
				hint: r.either(`add "server_tls: true", or remove it`, `add "server_tls true", or remove it`)})
		}
	}
}

// checkPaths finds servers that are not asked over a network.
func (r *reader) checkPaths(d *draft) {
	const hint = "write host:port, or move it to a pool without server_tls"
	for _, s := range d.servers {
		if s.Network == "unix" {
			r.report(s.at, d.pool.Name, flaw{message: fmt.Sprintf("server %q is at a path, where nothing is encrypted, and server_tls is true", s.Address), hint: hint})
		}
		for _, replica := range s.Replicas {
			if replica.Network == "unix" {
				r.report(s.at, d.pool.Name, flaw{message: fmt.Sprintf("replica %q is at a path, where nothing is encrypted, and server_tls is true", replica.Address), hint: hint})
			}
		}
	}
}
