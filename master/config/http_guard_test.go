// Who may ask at the HTTP address: halves are refused, secrets are hidden, certificates are watched.

package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

// loadHTTP loads a configuration with keys of global, of which DIR is the directory.
func (f files) loadHTTP(t *testing.T, keys ...string) (*Config, error) {
	t.Helper()
	text := "global:\n"
	for _, k := range keys {
		text += "  " + strings.ReplaceAll(k, "DIR", f.dir) + "\n"
	}
	text += "alpha:\n  listen: 127.0.0.1:22121\n  redis: true\n  timeout: 400\n  servers: [127.0.0.1:6379:1]\n"
	return Load(certtest.Write(t, f.path("pinion.yml"), []byte(text)))
}

const (
	httpAt   = "http: 10.0.0.1:22223"
	httpCrt  = "http_tls_cert: DIR/http.crt"
	httpPair = "http_tls_key: DIR/http.key"
)

func TestHTTPGuard(t *testing.T) {
	f := newFiles(t)
	f.issue(t, "http", certtest.Subject{Server: true, Hosts: []string{"10.0.0.1"}})
	certtest.Write(t, f.path("password"), []byte("s3cret\n"))
	for i, test := range []struct {
		keys []string
		want string // part of an error or a warning; empty: there is none
	}{
		{[]string{httpAt}, "asks for no password"},
		{[]string{"http: 127.0.0.1:22223"}, ""},
		{[]string{httpAt, "http_user: a", "http_password: b"}, "whoever is in between reads the password"},
		{[]string{"http: 127.0.0.1:22223", "http_user: a", "http_password: b"}, ""},
		{[]string{httpAt, httpCrt, httpPair}, "asks for no password"},
		{[]string{httpAt, httpCrt, httpPair, "http_user: a", "http_password: b"}, ""},
		{[]string{httpAt, httpCrt, httpPair, "http_user: a", "http_password_file: DIR/password"}, ""},
		{[]string{httpAt, httpCrt, httpPair, "http_tls_ca: DIR/ca.crt"}, ""},
		{[]string{httpAt, httpCrt}, "http_tls_cert is given without http_tls_key"},
		{[]string{httpAt, httpPair}, "http_tls_key is given without http_tls_cert"},
		{[]string{httpAt, "http_tls_ca: DIR/ca.crt"}, "http_tls_ca is given without http_tls_cert"},
		{[]string{httpAt, "http_user: a"}, "http_user is given without http_password or http_password_file"},
		{[]string{httpAt, "http_password: a"}, "http_password is given without http_user"},
		{[]string{httpAt, "http_user: a", "http_password: b", "http_password_file: DIR/password"}, "http_password and http_password_file are given"},
		{[]string{"http_user: a", "http_password: b"}, "http_user says nothing without http"},
		{[]string{httpAt, "http_user: a:b", "http_password: b"}, "has a colon"},
		{[]string{httpAt, "http_user: a", `http_password: ""`}, "http_password is empty"},
		{[]string{httpAt, httpCrt, "http_tls_key: DIR/client.key"}, "is not the key of the certificate"},
		{[]string{httpAt, httpCrt, httpPair, "http_tls_ca: DIR/client.key"}, "has a private key, and no certificate"},
		{[]string{httpAt, "http_tls_cert: DIR/client.crt", "http_tls_key: DIR/client.key", "http_user: a", "http_password: b"}, "bears no name"},
	} {
		c, err := f.loadHTTP(t, test.keys...)
		said := fmt.Sprint(err)
		if err == nil {
			if said = fmt.Sprint(c.Warnings(Machine{})); said == "[]" {
				said = ""
			}
		}
		if !strings.Contains(said, test.want) || test.want == "" && said != "" {
			t.Errorf("%d: %q: got %q, want %q", i, test.keys, said, test.want)
		}
	}
}

func TestHTTPGuardIsRead(t *testing.T) {
	f := newFiles(t)
	f.issue(t, "http", certtest.Subject{Name: "first", Server: true, Hosts: []string{"10.0.0.1"}})
	certtest.Write(t, f.path("password"), []byte("s3cret\n"))
	keys := []string{httpAt, httpCrt, httpPair, "http_tls_ca: DIR/ca.crt", "http_user: a", "http_password_file: DIR/password"}
	old, err := f.loadHTTP(t, keys...)
	if err != nil {
		t.Fatal(err)
	}
	if g := &old.Global; g.HTTPTLS == nil || g.HTTPUser != "a" || g.HTTPPassword != "s3cret" || !g.HTTPAsksCertificate() {
		t.Errorf("got %+v", g)
	}
	if len(old.Files) != 4 {
		t.Errorf("watched are %v", old.Files)
	}
	if all := old.Certificates(); len(all) != 2 || all[1].Pool != OfGlobal || all[1].Key != httpTLSCertKey {
		t.Errorf("certificates are %+v", all)
	}
	f.issue(t, "http", certtest.Subject{Name: "second", Server: true, Hosts: []string{"10.0.0.1"}})
	certtest.Write(t, f.path("password"), []byte("other\n"))
	changed, err := f.loadHTTP(t, keys...)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(Diff(old, changed), "\n")
	if !strings.Contains(said, "http_password_file: the password in it changed") || !strings.Contains(said, "has another certificate: CN=second") {
		t.Errorf("what changes is %s", said)
	}
	if old.Hash() == changed.Hash() {
		t.Error("another certificate makes no other hash")
	}
}

// Of a password nothing is shown, and what is shown instead is refused: nobody is to answer without it.
func TestHTTPPasswordIsHidden(t *testing.T) {
	f := newFiles(t)
	c, err := f.loadHTTP(t, "http: 127.0.0.1:22223", "http_user: a", "http_password: s3cret")
	if err != nil {
		t.Fatal(err)
	}
	var hidden strings.Builder
	if err := c.PrintHidden(&hidden); err != nil {
		t.Fatal(err)
	}
	other, err := f.loadHTTP(t, "http: 127.0.0.1:22223", "http_user: a", "http_password: t3cret")
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range append(shownValues(c), hidden.String(), strings.Join(Diff(c, other), "\n")) {
		if strings.Contains(shown, "3cret") {
			t.Errorf("shown is %q", shown)
		}
	}
	if _, err := Parse("hidden", []byte(hidden.String())); err == nil {
		t.Error("a configuration without the password is taken")
	}
	if c.Hash() != other.Hash() {
		t.Error("the hash would let somebody guess the password")
	}
}

// Who only looks at the file has not read certificates: nobody is answered in plaintext for that.
func TestHTTPStaysShut(t *testing.T) {
	f := newFiles(t)
	f.issue(t, "http", certtest.Subject{Server: true, Hosts: []string{"10.0.0.1"}})
	if _, err := f.loadHTTP(t, httpAt, httpCrt, httpPair); err != nil {
		t.Fatal(err)
	}
	if c, err := LoadAlone(f.path("pinion.yml")); err != nil || c.Global.HTTPTLS == nil {
		t.Errorf("got %v, %v", c, err)
	}
}
