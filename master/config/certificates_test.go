// Certificates that a configuration names: read with it, and a part of what it says.

package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pinion-proxy/pinion/master/certs"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
	"github.com/pinion-proxy/pinion/worker/link"
)

// files has a directory with certificates.
type files struct {
	dir string
	ca  *certtest.Authority
}

func newFiles(t *testing.T) files {
	t.Helper()
	f := files{t.TempDir(), certtest.New(t, "an authority")}
	certtest.Write(t, f.path("ca.crt"), f.ca.PEM)
	f.issue(t, "client", certtest.Subject{})
	return f
}

func (f files) path(name string) string { return filepath.Join(f.dir, name) }

func (f files) issue(t *testing.T, name string, s certtest.Subject) {
	f.ca.Issue(s).Write(t, f.dir, name)
}

// load loads a pool with further keys, of which DIR is the directory.
func (f files) load(t *testing.T, keys ...string) (*Config, error) {
	t.Helper()
	text := "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  timeout: 400\n  servers: [127.0.0.1:6379:1]\n  server_tls: true\n"
	for _, k := range keys {
		text += "  " + strings.ReplaceAll(k, "DIR", f.dir) + "\n"
	}
	return Load(certtest.Write(t, f.path("pinion.yml"), []byte(text)))
}

const ca, crt, key = "server_tls_ca: DIR/ca.crt", "server_tls_cert: DIR/client.crt", "server_tls_key: DIR/client.key"

func TestCertificatesAreRead(t *testing.T) {
	f := newFiles(t)
	c, err := f.load(t, ca, crt, key)
	if err != nil {
		t.Fatal(err)
	}
	got := c.Pools[0].ServerTLS
	pair := got.Pair
	if !bytes.Equal(got.CA, f.ca.PEM) || pair == nil || !bytes.Contains(pair.Key, []byte("PRIVATE KEY")) || !bytes.Contains(pair.Certificate, []byte("CERTIFICATE")) || got.Verify != link.VerifyFull {
		t.Errorf("got %+v", got)
	}
	if len(c.Files) != 3 || c.Files[0].Path != f.path("ca.crt") {
		t.Errorf("read were %+v", c.Files)
	}
	all := c.Certificates()
	if len(all) != 2 || all[1].Key != "server_tls_cert" || all[1].Name != "CN=client" || time.Until(all[1].Ends) < 300*24*time.Hour {
		t.Errorf("certificates are %+v", all)
	}
	if w := c.Warnings(Machine{}); len(w) > 0 {
		t.Errorf("warned of %v", w)
	}
	specs := c.Specs(link.Spec{}, []int{-1})
	if !slices.Contains(specs[0].Critical, "Pools.ServerTLS") || specs[0].Pools[0].ServerTLS != got {
		t.Errorf("a worker is told %+v", specs[0])
	}
	for what, shown := range map[string]string{"config": printed(t, c), "the page": strings.Join(shownValues(c), "\n")} {
		if strings.Contains(shown, "BEGIN") || !strings.Contains(shown, f.path("client.key")) {
			t.Errorf("%s shows\n%s", what, shown)
		}
	}
}

func shownValues(c *Config) (all []string) {
	for _, section := range c.Show() {
		for _, k := range section.Keys {
			all = append(all, k.Values...)
		}
	}
	return all
}

// What cannot be used is an error at its key; what hurts is a warning there.
func TestCertificateProblems(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	f := newFiles(t)
	f.issue(t, "other", certtest.Subject{Name: "other"})
	f.issue(t, "soon", certtest.Subject{Ends: time.Now().Add(9*24*time.Hour + time.Hour)})
	f.issue(t, "early", certtest.Subject{Begins: time.Now().Add(time.Hour)})
	f.issue(t, "slow", certtest.Subject{RSA: 3072})
	f.issue(t, "open", certtest.Subject{})
	if err := os.Chmod(f.path("open.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		keys []string
		want string
	}{
		{[]string{"server_tls_cert: DIR/other.crt", key}, `8:3: pool "alpha": server_tls_key "DIR/client.key" is not the key of the certificate (CN=other)`},
		{[]string{"server_tls_ca: DIR/absent"}, `7:3: pool "alpha": server_tls_ca "DIR/absent" is not there`},
		{[]string{"server_tls_ca: ca.crt"}, `server_tls_ca "ca.crt", which is /run/credentials/pinion.service/ca.crt, is not there; a name without a slash is a credential of systemd`},
		{[]string{"server_tls_ca: DIR/client.key"}, `server_tls_ca "DIR/client.key" has a private key, and no certificate`},
		{[]string{"server_tls_ca: DIR/pinion.yml"}, `server_tls_ca "DIR/pinion.yml" is not PEM`},
		{[]string{"server_tls_cert: DIR/soon.crt", "server_tls_key: DIR/soon.key"}, `7:3: warning: pool "alpha": server_tls_cert "DIR/soon.crt" ends on `},
		{[]string{"server_tls_cert: DIR/early.crt", "server_tls_key: DIR/early.key"}, `warning: pool "alpha": server_tls_cert "DIR/early.crt" is good from `},
		{[]string{"server_tls_cert: DIR/slow.crt", "server_tls_key: DIR/slow.key"}, `warning: pool "alpha": server_tls_cert "DIR/slow.crt" is of RSA with 3072 bits`},
		{[]string{"server_tls_cert: DIR/open.crt", "server_tls_key: DIR/open.key"}, `warning: pool "alpha": server_tls_key "DIR/open.key" can be read by every user`},
		{[]string{"server_tls_verify: none"}, `7:3: warning: pool "alpha": connections to servers are encrypted, but whoever is in between`},
		{[]string{"server_tls_verify: none", ca}, `warning: pool "alpha": server_tls_ca says nothing, as server_tls_verify is none`},
	} {
		c, err := f.load(t, test.keys...)
		var said Problems
		if err == nil {
			said = c.Warnings(Machine{})
		} else if !errors.As(err, &said) {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(said.Error(), f.dir, "DIR"); len(said) != 1 || !strings.Contains(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.keys, got, test.want)
		}
	}
}

// What clients are shown is read likewise; several certificates are told apart by the names that they bear.
func TestClientCertificates(t *testing.T) {
	f := newFiles(t)
	f.issue(t, "named", certtest.Subject{Name: "named", Hosts: []string{"a.example"}, Server: true})
	f.issue(t, "nameless", certtest.Subject{Server: true, RSA: 2048})
	text := strings.ReplaceAll(`alpha:
  listen: [127.0.0.1:22121, 127.0.0.1:22122 tls]
  redis: true
  timeout: 400
  servers: [127.0.0.1:6379:1]
  tls_cert: [DIR/named.crt, DIR/nameless.crt]
  tls_key: [DIR/named.key, DIR/nameless.key]
  tls_ca: DIR/ca.crt
  tls_auth_clients: yes
`, "DIR", f.dir)
	c, err := Load(certtest.Write(t, f.path("pinion.yml"), []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Pools[0].TLS
	if len(p.Pairs) != 2 || !bytes.Contains(p.Pairs[1].Key, []byte("PRIVATE KEY")) || !bytes.Equal(p.CA, f.ca.PEM) || p.AuthClients != link.AuthClientsYes || p.HandshakeTimeout != 10*time.Second {
		t.Errorf("got %+v", p)
	}
	if w := c.Warnings(Machine{}); len(w) != 1 || !strings.Contains(w.Error(), `nameless.crt" bears no name`) {
		t.Errorf("warned of %v", w)
	}
	if all := c.Certificates(); len(all) != 3 || all[0].Key != "tls_ca" || all[2].File != f.path("nameless.crt") {
		t.Errorf("certificates are %+v", all)
	}
	if critical := c.Specs(link.Spec{}, []int{-1})[0].Critical; !slices.Contains(critical, "Pools.TLS") {
		t.Errorf("critical are %q", critical)
	}
	certtest.Write(t, f.path("named.key"), []byte("nothing"))
	if _, err := Load(f.path("pinion.yml")); err == nil || !strings.Contains(err.Error(), `pool "alpha": tls_key "`+f.path("named.key")+`" is not PEM`) {
		t.Errorf("got %v", err)
	}
}

// Whom a certificate names must not be had by AUTH without one.
func TestCertificateUsers(t *testing.T) {
	const text = "alpha:\n  listen: 127.0.0.1:1 tls\n  redis: true\n  timeout: 400\n  tls_cert: /a\n  tls_key: /a\n  tls_ca: /a\n  tls_auth_clients: yes\n  tls_auth_clients_user: cn\n" +
		"  servers: [127.0.0.1:2:1]\n  users:\n  - default on nopass ~* +get\n  - alice on ~a* +get\n"
	for more, want := range map[string]bool{"": false, "  - bob off nopass ~* +get\n": false, "  - bob on nopass ~* +get\n": true} {
		c, err := Parse("f", []byte(text+more))
		if err != nil {
			t.Fatal(err)
		}
		if said := c.Warnings(Machine{}).Error(); strings.Contains(said, `f:9:3: warning: pool "alpha": by AUTH anybody can be user "bob" without a certificate`) != want || strings.Contains(said, `user "default" without`) {
			t.Errorf("with %q: %s", more, said)
		}
	}
}

// With a certificate that has ended a service starts that has run with it, but it is known.
func TestEndedCertificate(t *testing.T) {
	f := newFiles(t)
	f.issue(t, "client", certtest.Subject{Ends: time.Now().Add(-time.Hour)})
	c, err := f.load(t, crt, key)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Ended().Error(); !strings.Contains(got, `client.crt" has ended, on `) || !strings.HasSuffix(got, "; renew it") {
		t.Errorf("got %q", got)
	}
}

// Another certificate at the same path is another configuration; the same one with a key in another form is not.
func TestRenewedCertificate(t *testing.T) {
	f := newFiles(t)
	old, err := f.load(t, ca, crt, key)
	if err != nil {
		t.Fatal(err)
	}
	same, err := f.load(t, ca, crt, key)
	if err != nil || same.Hash() != old.Hash() || len(Diff(old, same)) > 0 {
		t.Errorf("of the same it is said %q, %v", Diff(old, same), err)
	}
	f.issue(t, "client", certtest.Subject{})
	renewed, err := f.load(t, ca, crt, key)
	if err != nil {
		t.Fatal(err)
	}
	lines := Diff(old, renewed)
	if len(lines) != 1 || !strings.Contains(lines[0], `pool "alpha": server_tls_cert: `+f.path("client.crt")+" has another certificate: CN=client, until ") {
		t.Errorf("got %q", lines)
	}
	if renewed.Hash() == old.Hash() {
		t.Error("the hash is the same")
	}
	certtest.New(t, "somebody else").Issue(certtest.Subject{}).Write(t, f.dir, "client")
	if resigned, err := f.load(t, ca, crt, key); err != nil || !strings.Contains(strings.Join(Diff(renewed, resigned), ""), `; "CN=somebody else" has signed it, and no longer "CN=`) {
		t.Errorf("of another authority it is said %q, %v", Diff(renewed, resigned), err)
	}
}

// Who has signed it is told where that is somebody else, and by the key where the name is the same.
func TestOtherIssuer(t *testing.T) {
	for _, test := range []struct {
		old, new certs.Signer
		want     string
	}{
		{certs.Signer{Name: "CN=a", Key: "1"}, certs.Signer{Name: "CN=a", Key: "1"}, ""},
		{certs.Signer{Name: "CN=a", Key: "1"}, certs.Signer{Name: "CN=a"}, ""},
		{certs.Signer{Name: "CN=a", Key: "1"}, certs.Signer{Name: "CN=a", Key: "2"}, `; another key of "CN=a" has signed it`},
		{certs.Signer{Name: "CN=a", Key: "1"}, certs.Signer{Name: "CN=b", Key: "1"}, `; "CN=b" has signed it, and no longer "CN=a"`},
	} {
		if got := otherIssuer(&Certificate{issuer: test.old}, &Certificate{issuer: test.new}); got != test.want {
			t.Errorf("%v, %v: %q, want %q", test.old, test.new, got, test.want)
		}
	}
}
