// The HTTP address with TLS and a login, which reloads and upgrades change, and keep.

package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pinion-proxy/pinion/cmd/pinion/e2e/rig"
	"github.com/pinion-proxy/pinion/master/certs/certtest"
)

func TestE2EHTTPGuard(t *testing.T) {
	t.Parallel()
	ca, dir, at, address := certtest.New(t, "ours"), rig.ShortDir(t), rig.FreeAddress(t), rig.FreeAddress(t)
	renew := func(name string) {
		ca.Issue(certtest.Subject{Name: name, Hosts: []string{"127.0.0.1"}, Server: true}).Write(t, dir, "http")
	}
	renew("first")
	certtest.Write(t, dir+"/ca.crt", ca.PEM)
	pool := rig.Yaml(rig.Pool{Name: "pool", Listen: address, Servers: []string{rig.RedisServer(t).Address + ":1"}, Options: []string{"redis: true"}})
	config := func(keys ...string) string {
		return "global:\n  http: " + at + "\n  " + strings.Join(keys, "\n  ") + "\n" + pool
	}
	certificate, key := "http_tls_cert: "+dir+"/http.crt", "http_tls_key: "+dir+"/http.key"
	o := operate(t, config(certificate, key, "http_user: scraper", "http_password: s3cret"), address)

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	pair := ca.Issue(certtest.Subject{})
	own, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	want := func(when string, code int, name, password string, shown ...tls.Certificate) {
		t.Helper()
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: shown}, DisableKeepAlives: true}}
		r, err := http.NewRequest("GET", "https://"+at+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("scraper", password)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != code || answer.TLS.PeerCertificates[0].Subject.CommonName != name || strings.Contains(string(text), "pinion_build_info") != (code == 200) {
			t.Errorf("%s: %d by %s, %.100q; want %d by %s", when, answer.StatusCode, answer.TLS.PeerCertificates[0].Subject.CommonName, text, code, name)
		}
	}
	order := func(what string) {
		t.Helper()
		if out, err := o.command(what); err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
	}
	want("with the password", 200, "first", "s3cret")
	want("with another one", 401, "first", "guess")
	renew("second")
	order("upgrade")
	want("after an upgrade", 200, "second", "s3cret")
	want("after an upgrade, with another password", 401, "second", "guess")
	o.configure(t, config(certificate, key, "http_tls_ca: "+dir+"/ca.crt"))
	order("reload")
	want("without a certificate", 403, "second", "s3cret")
	want("with a certificate", 200, "second", "", own)
	if text := o.Output.String(); strings.Contains(text, "s3cret") {
		t.Errorf("the log has the password:\n%s", text)
	}
}
